"""Arguments that make a model serve as its makers meant, from the catalog and the spec, and what is refused.

Each is left out where spec.engine.args has it: there the user decides.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from functions.api import ModelSpec, Task
from functions.base import Invalid
from functions.catalog import UNKNOWN, ModelFacts, image, nearest

from .arguments import Argument, Misread, given, given_flags, owner_of, table
from .versions import OLDEST, in_words, version_of

__all__ = [
    "REMOTE_CODE",
    "load_format",
    "parsers",
    "refuse_image",
    "refuse_model",
    "refuse_spec",
    "serving_arguments",
    "too_old",
]

REMOTE_CODE = "--trust-remote-code"
_LOAD_FORMAT = "--load-format"
_TEMPLATES = "/vllm-workspace/examples"
"""Where vLLM's own image has its examples."""
_TOOL_FLAGS = {"--tool-call-parser", "--no-enable-auto-tool-choice"}
_AUTO, _NONE = "Auto", "None"


def too_old(used: str) -> str:
    """Say that an image does not know the arguments that Models are started with; empty where it does."""
    version = version_of(used)
    if version is None or version >= OLDEST:
        return ""
    return (
        f"{used} is vLLM {in_words(version)}, which does not know arguments that every Model is started "
        f"with; the oldest that does is {in_words(OLDEST)}"
    )


def refuse_image(spec: ModelSpec, used: str) -> None:
    """Refuse an image that no model can be started with.

    Args:
        spec: the Model's.
        used: the image that the Model is to be served by.

    Raises:
        Invalid: for an image that is too old.
    """
    if problem := too_old(used):
        field = "spec.engine.image" if spec.engine.image else "input.image"
        remedy = "Name a newer image; if the tag is no version of vLLM, name the image by digest"
        raise Invalid(field, problem, remedy)


def refuse_spec(spec: ModelSpec, used: str) -> None:
    """Refuse arguments that no model can be served with.

    Args:
        spec: the Model's.
        used: the image that the Model is served by.

    Raises:
        Invalid: for an argument that the spec has a field for, however it is spelled; for one that the
            package's version of vLLM does not take.
    """
    version, pinned = version_of(used), _pinned()
    for found in given(spec.engine.args):
        if not isinstance(found, Misread):
            if owner := owner_of(found):
                raise Invalid(
                    "spec.engine.args", f"{found.as_written} is {found.flag}. {owner}", "Leave it out"
                )
        elif version == pinned:
            problem = f"vLLM {in_words(pinned)} does not take {found.item}: {found.why}"
            raise Invalid("spec.engine.args", problem, found.remedy)


def refuse_model(spec: ModelSpec, used: str, facts: ModelFacts) -> None:
    """Refuse what this model cannot be served with.

    Args:
        spec: the Model's.
        used: the image that the Model is served by.
        facts: of the model.

    Raises:
        Invalid: for code of the repository that the spec does not trust; an image that does not load the
            model; parsers that the package's version of vLLM does not have; images, videos or audio that
            the model does not read.
    """
    served = facts.serving
    if served.remote_code and not _trusts(spec):
        raise Invalid(
            "spec.engine.trustRemoteCode",
            f"{spec.model} cannot be loaded without running Python code of its repository in the serving "
            "pods, and the spec does not allow that",
            "Read the code, set spec.revision to the commit that you have read, and set this field to true",
        )
    version = version_of(used)
    if version is not None and version < served.engine_from:
        raise Invalid(
            "spec.model",
            f"{spec.model} needs vLLM {in_words(served.engine_from)} or newer, and the image is {used}",
            "Set spec.engine.image to a newer image, ask the platform team for one, or name another model",
        )
    if version == _pinned():
        _refuse_parser("toolCalling", "tool-call", spec.tool_calling.parser)
        _refuse_parser("reasoning", "reasoning", spec.reasoning.parser)
    _refuse_modalities(spec, facts)


def _pinned() -> tuple[int, ...]:
    """Return the version of the package's image, whose arguments and parsers are known."""
    version = version_of(image("vllm"))
    assert version is not None, "the package's image has a version as its tag"
    return version


def _trusts(spec: ModelSpec) -> bool:
    return spec.engine.trust_remote_code or REMOTE_CODE in given_flags(spec.engine.args)


def _refuse_parser(field: str, kind: str, parser: str) -> None:
    names = parsers()[kind]
    if parser in (_AUTO, _NONE) or parser in names:
        return
    close = nearest(parser, list(names))[:1]
    hint = f"Did you mean {close[0]}? It has {', '.join(names)}" if close else f"It has {', '.join(names)}"
    raise Invalid(
        f"spec.{field}.parser", f"vLLM {in_words(_pinned())} has no {kind} parser of the name {parser}", hint
    )


def _refuse_modalities(spec: ModelSpec, facts: ModelFacts) -> None:
    """Refuse limits of what a model of the catalog does not read; of others that is not known."""
    if facts.serving is UNKNOWN:
        return
    reads = facts.serving.modalities
    for field, modality, most in _limits(spec):
        if most and modality not in reads:
            reads_alone = f"{facts.name} reads {' and '.join(('text', *reads))} alone"
            raise Invalid(f"spec.multimodal.{field}", reads_alone, "Leave it out")
    if spec.multimodal.text_only and not reads:
        raise Invalid("spec.multimodal.textOnly", f"{facts.name} reads text alone anyway", "Leave it out")


def _limits(spec: ModelSpec) -> tuple[tuple[str, str, int | None], ...]:
    """Return the field, the modality and the most items of a request, of each modality."""
    given = spec.multimodal
    return (
        ("images", "image", given.images),
        ("videos", "video", given.videos),
        ("audios", "audio", given.audios),
    )


def load_format(spec: ModelSpec, recorded: Sequence[str]) -> str:
    """Return the format of the weights' files that vLLM reads; empty for its default."""
    arguments = [*given(recorded), *given(spec.engine.args)]
    formats = [a.values[-1] for a in arguments if isinstance(a, Argument) and a.flag == _LOAD_FORMAT]
    return formats[-1] if formats else ""


def serving_arguments(spec: ModelSpec, facts: ModelFacts) -> list[str]:
    """Return the arguments beside those that the model's task and size decide."""
    served, theirs = facts.serving, given_flags(spec.engine.args)
    found = [REMOTE_CODE] if spec.engine.trust_remote_code and REMOTE_CODE not in theirs else []
    named = {
        "--tokenizer-mode": served.tokenizer_mode,
        "--config-format": served.config_format,
        _LOAD_FORMAT: served.load_format,
    }
    found += [f"{flag}={value}" for flag, value in named.items() if value and flag not in theirs]
    if _generates(spec, facts):
        found += _tools(spec, facts, theirs)
        reasoning = _chosen(spec.reasoning.parser, served.reasoning_parser)
        if reasoning and "--reasoning-parser" not in theirs:
            found.append(f"--reasoning-parser={reasoning}")
    if spec.multimodal.text_only and "--language-model-only" not in theirs:
        found.append("--language-model-only")
    limits = {modality: most for _, modality, most in _limits(spec) if most is not None}
    if limits and "--limit-mm-per-prompt" not in theirs:
        found.append(f"--limit-mm-per-prompt={json.dumps(limits)}")
    return found


def _generates(spec: ModelSpec, facts: ModelFacts) -> bool:
    return spec.task in (Task.AUTO, Task.GENERATE) and facts.task in ("", "generate")


def _tools(spec: ModelSpec, facts: ModelFacts, theirs: frozenset[str]) -> list[str]:
    """Return the arguments for calls of tools.

    Some models need another chat template for them, which vLLM's own image has among its examples. In an
    image of the user's own it may be missing, and the engine would not start.
    """
    served = facts.serving
    asked, parser = spec.tool_calling.parser, _chosen(spec.tool_calling.parser, served.tool_call_parser)
    template = served.chat_template if parser == served.tool_call_parser else ""
    if not parser or theirs & _TOOL_FLAGS or (template and asked == _AUTO and spec.engine.image):
        return []
    found = [] if "--enable-auto-tool-choice" in theirs else ["--enable-auto-tool-choice"]
    found.append(f"--tool-call-parser={parser}")
    if template and not spec.engine.image and "--chat-template" not in theirs:
        found.append(f"--chat-template={_TEMPLATES}/{template}")
    return found


def _chosen(asked: str, default: str) -> str:
    """Return a parser's name; empty for none."""
    return {_AUTO: default, _NONE: ""}.get(asked, asked)


@cache
def parsers() -> dict[str, tuple[str, ...]]:
    """Return the names of the parsers that vLLM 0.27.1 registers, by their kind."""
    found = table("vllm_parsers.tsv")
    return {
        kind: tuple(row["name"] for row in found if row["kind"] == kind)
        for kind in ("tool-call", "reasoning")
    }
