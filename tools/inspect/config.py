"""A model's config.json: keys of the text model, wherever it is nested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.inspect.checkpoint import Refused

__all__ = ["Config"]

_NESTED = ("text_config", "llm_config", "language_config")
_LEFT_OUT: dict[str, dict[str, int]] = {
    # Published Gemma 3 configs hold only what differs from transformers' Gemma3TextConfig:
    # https://github.com/huggingface/transformers/blob/v4.57.0/src/transformers/models/gemma3
    "gemma3_text": {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131072,
        "sliding_window_pattern": 6,
    },
    # Every second layer is windowed, which only newer configs say.
    "gemma2": {"sliding_window_pattern": 2},
}
"""What transformers adds by model_type where the file says nothing."""


class Config:
    """A config.json as it is read."""

    def __init__(self, top: Mapping[str, Any]) -> None:
        """Find the text model in it."""
        self.top = top
        nested = next((top[key] for key in _NESTED if isinstance(top.get(key), Mapping)), None)
        self._text: Mapping[str, Any] = top if nested is None else nested
        self.model_type = str(self._text.get("model_type") or top.get("model_type") or "")

    def get(self, key: str) -> Any:
        """Return a key of the text model, else of the file, else what transformers would add."""
        for place in (self._text, self.top, _LEFT_OUT.get(self.model_type, {})):
            if place.get(key) is not None:
                return place[key]
        return None

    def number(self, key: str) -> int:
        """Return a key that has to be a whole number above 0.

        Raises:
            Refused: when it is not.
        """
        found = self.get(key)
        if found is None:
            raise self.missing(key)
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise Refused(
                f"config.json: {key}",
                f"{found!r} is no whole number above 0",
                "Take the model's own config.json",
            )
        return found

    def missing(self, key: str, more: str = "") -> Refused:
        """Say that a key has to be there."""
        return Refused(
            f"config.json: {key}",
            f"it is missing{more}",
            "Take the model's own config.json, or add the key if the model's card says its value",
        )
