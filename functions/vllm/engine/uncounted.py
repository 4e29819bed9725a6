"""Arguments of users that change how much memory a Model takes, and that GPUs are not chosen for.

Each is refused with the way to what was wanted. What is not named here leaves the memory as it is, or takes
less, by the source of vLLM 0.27.1. What a field of the spec sets is refused by `functions.api.OWNED`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from functions.api import ModelSpec
from functions.base import Invalid

from .arguments import Argument, given

__all__ = ["refuse_uncounted"]


class _Uncounted(NamedTuple):
    """Arguments that take memory which is not counted."""

    flags: tuple[str, ...]
    why: str
    """What they change, after the argument's name."""
    instead: str
    where: Callable[[Argument], bool] = bool
    """Tells whether this value changes it."""
    in_main_memory: bool = False
    """Whether it is main memory, which spec.engine.resources may give the pod."""


def _one_of(*values: str) -> Callable[[Argument], bool]:
    return lambda argument: _value(argument).lower() in values


def _not_auto(argument: Argument) -> bool:
    return _value(argument).lower() != "auto"


def _value(argument: Argument) -> str:
    return argument.values[-1] if argument.values else ""


def _number(argument: Argument) -> float:
    found = re.match(r"\d*\.?\d+", _value(argument))
    return float(found[0]) if found else 0.0


def _drafts(argument: Argument) -> bool:
    """Tell whether guesses of the next tokens come from a model, and not from the request's own text."""
    _, _, key = argument.as_written.partition("=")[0].partition(".")
    value = _value(argument)
    if argument.flag == "--speculative-config" and not key:
        found = _json(value)
        return "model" in found or str(found.get("method", "")) not in _WITHOUT_DRAFT
    if argument.flag == "--spec-method" or key == "method":
        return value not in _WITHOUT_DRAFT
    return argument.flag == "--spec-model" or key == "model"


def _resizes(argument: Argument) -> bool:
    """Tell whether a change of config.json is one of what a model is sized by."""
    path = argument.as_written.partition("=")[0].split(".")[1:]
    return bool(_SIZED_BY & {*path, *_keys(_json(_value(argument)))})


def _json(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _keys(node: object) -> set[str]:
    if not isinstance(node, dict):
        return set()
    return {*node, *(key for value in node.values() for key in _keys(value))}


_MEDIA_GIB = 4
"""The default of --mm-processor-cache-gb, which the pod's memory allows for."""
_WITHOUT_DRAFT = ("ngram", "ngram_gpu", "suffix")
"""Methods of speculative decoding that need neither weights nor cache."""
_WHEN_LOADED = (
    # `OnlineQuantScheme` of vLLM 0.27 with `online`, and what quantises 16-bit weights by older names.
    *("fp8_per_tensor", "fp8_per_block", "fp8_per_channel", "int8_per_channel_weight_only"),
    *("mxfp4", "mxfp8", "nvfp4", "online", "fp8", "ptpc_fp8", "experts_int8", "bitsandbytes", "torchao"),
)
_SIZED_BY = {
    *("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size"),
    *("intermediate_size", "vocab_size", "kv_lora_rank", "qk_rope_head_dim", "sliding_window"),
    *("layer_types", "use_sliding_window", "num_experts", "n_routed_experts", "num_local_experts"),
    *("moe_intermediate_size", "quantization_config", "torch_dtype", "dtype"),
}
_LEAVE = "Leave it out"

_UNCOUNTED = (
    _Uncounted(
        ("--dtype",),
        "takes twice the memory for weights and KV cache that GPUs are chosen for",
        "Leave it out: weights that are stored at 32 bits are served at 16",
        _one_of("float32", "float"),
    ),
    _Uncounted(
        ("--quantization", "--quantization-config"),
        "quantises weights when they are loaded, and GPUs are chosen for the weights as they are stored",
        "Set spec.quantization to FP8, or name a checkpoint that is stored quantised, without the argument",
        lambda argument: argument.flag != "--quantization" or _value(argument).lower() in _WHEN_LOADED,
    ),
    _Uncounted(
        ("--mamba-cache-dtype", "--mamba-ssm-cache-dtype"),
        "changes the size of the states that requests keep, which is counted as the model's files say",
        _LEAVE,
        _not_auto,
    ),
    _Uncounted(
        ("--block-size", "--mamba-block-size", "--mamba-cache-mode", "--use-replayssm"),
        "changes the blocks of the KV cache, which is sized by those that the engine chooses itself",
        _LEAVE,
    ),
    _Uncounted(
        ("--disable-hybrid-kv-cache-manager",),
        "has layers with a sliding window, or with a state, keep the whole context, which may be many times "
        "what is counted",
        _LEAVE,
    ),
    _Uncounted(
        ("--disable-sliding-window",),
        "has the engine refuse any context that is longer than the window",
        "Leave it out; spec.contextLength sets the longest context",
    ),
    _Uncounted(
        ("--kv-cache-dtype-skip-layers",),
        "leaves layers with a KV cache of 16 bits that is counted as 8",
        "Leave it out, and spec.engine.kvCacheType, too, if such a KV cache does not suffice",
    ),
    _Uncounted(
        ("--max-num-scheduled-tokens",),
        "is another batch than the one that GPUs are chosen for",
        "Leave it out; spec.concurrency sets how many requests are held at once",
    ),
    _Uncounted(
        ("--no-enable-chunked-prefill",),
        "has the engine refuse any context that is longer than the batch which GPUs are chosen for",
        _LEAVE,
    ),
    _Uncounted(
        (
            *("--decode-context-parallel-size", "--no-enable-expert-parallel", "--enable-eplb"),
            *("--eplb-config", "--enable-elastic-ep", "--enable-dbo", "--ubatch-size"),
        ),
        "changes what each GPU has of the model, which the placement decides",
        "Leave it out; spec.gpu.count sets the number of GPUs",
    ),
    _Uncounted(
        ("--mm-encoder-tp-mode",),
        "has every GPU load the whole of what reads images, and a share of it is counted",
        _LEAVE,
        _one_of("data"),
    ),
    _Uncounted(
        ("--enable-lora", "--lora-modules"),
        "takes memory for adapters, which is not counted, and pods have no files but the model's",
        "Merge the adapter into the weights, name that model, and set spec.baseModel",
    ),
    _Uncounted(
        ("--speculative-config", "--spec-method", "--spec-model", "--spec-tokens"),
        "takes memory for the weights and the KV cache of a draft, which is not counted",
        "Leave it out, or take the method ngram or suffix, which needs none",
        _drafts,
    ),
    _Uncounted(
        ("--kv-transfer-config", "--ec-transfer-config"),
        "sends the KV cache to other pods, which the Model's network policy does not let it reach",
        _LEAVE,
    ),
    _Uncounted(
        ("--cpu-offload-gb", "--kv-offloading-size", "--offload-group-size"),
        "keeps a part in main memory, of which the pod has only what the engine itself needs",
        "Set spec.engine.resources.memory to that much more than its default, as well",
        lambda argument: _number(argument) > 0,
        in_main_memory=True,
    ),
    _Uncounted(
        ("--mm-processor-cache-gb",),
        f"keeps more than {_MEDIA_GIB} GiB of media in main memory, of which the pod has only what the "
        "engine itself needs",
        "Set spec.engine.resources.memory to that much more than its default, as well",
        lambda argument: _number(argument) > _MEDIA_GIB,
        in_main_memory=True,
    ),
    _Uncounted(
        ("--runner", "--convert"),
        "changes the task that the batch is chosen for",
        "Set spec.task to what the model is asked to do",
        _not_auto,
    ),
    _Uncounted(
        ("--hf-overrides",),
        "changes numbers that the Model is sized by",
        "Leave those out; spec.architecture says the numbers of a model",
        _resizes,
    ),
)


def refuse_uncounted(spec: ModelSpec) -> None:
    """Refuse arguments that take memory which is not counted, however they are spelled.

    Raises:
        Invalid: for the first of them.
    """
    for found in given(spec.engine.args):
        if not isinstance(found, Argument):
            continue
        for rule in _UNCOUNTED:
            allowed = rule.in_main_memory and spec.engine.resources.memory is not None
            if found.flag in rule.flags and rule.where(found) and not allowed:
                name = found.as_written
                if not re.match(re.escape(found.flag) + r"\b", name):
                    name += f" ({found.flag})"
                values = " ".join(found.values)
                value = f" {values}" if values and not found.as_written.endswith(values) else ""
                raise Invalid("spec.engine.args", f"{name}{value[:80]} {rule.why}", rule.instead)
