"""What an engine has to be told of a model so that it serves as the model's makers meant: `serving.tsv`.

One row a model. `confidence` is verified where the vLLM project's recipe of the model, or its documentation,
says so; derived where they say so of the model's family, or where the pinned version does not load the model.
The recipes are those of https://github.com/vllm-project/recipes, commit 8959cf6 (2026-08-21); the parsers'
names are those of vLLM 0.27.1. `remote_code` is yes for the six Kimi models alone, whose tokenizer is code in
their repository. Recipes name --trust-remote-code for others too, of types that vLLM 0.27.1 or its
transformers 5.15 has code for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .tables import rows

__all__ = ["UNKNOWN", "Serving", "servings"]


@dataclass(frozen=True)
class Serving:
    """What an engine is told of a model; an empty text leaves the engine's default."""

    remote_code: bool = False
    """Whether the engine has to run Python code of the model's repository."""
    tokenizer_mode: str = ""
    config_format: str = ""
    load_format: str = ""
    """mistral: the weights are in consolidated*.safetensors."""
    tool_call_parser: str = ""
    reasoning_parser: str = ""
    chat_template: str = ""
    """File among vLLM's examples that tool calls need instead of the model's own template."""
    modalities: tuple[str, ...] = ()
    """What it reads beside text: image, video, audio."""
    engine_from: tuple[int, ...] = ()
    """Oldest version of vLLM that loads it, where that is newer than the oldest that is supported at all."""


UNKNOWN = Serving()
"""Of a model without a row: it gets the engine's defaults, and what it reads is not known."""


@cache
def servings() -> dict[str, Serving]:
    """Return the rows by the model's name on the Hugging Face Hub."""
    return {
        row["model"]: Serving(
            remote_code=row["remote_code"] == "yes",
            tokenizer_mode=row["tokenizer_mode"],
            config_format=row["config_format"],
            load_format=row["load_format"],
            tool_call_parser=row["tool_call_parser"],
            reasoning_parser=row["reasoning_parser"],
            chat_template=row["chat_template"],
            modalities=tuple(filter(None, row["modalities"].split(";"))),
            engine_from=tuple(int(part) for part in row["engine_from"].split(".") if part),
        )
        for row in rows("serving.tsv")
    }
