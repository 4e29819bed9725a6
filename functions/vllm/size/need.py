"""What one replica of a Model has to hold: the spec's and the model's numbers, checked against each other."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from functions.api import Architecture, KVCacheType, ModelSpec, Quantization, Task, VLLMInput
from functions.base import Invalid
from functions.catalog import (
    BYTES_PER_PARAMETER,
    FP8_WHEN_LOADED_BYTES,
    ModelFacts,
    models,
    nearest,
    servings,
)

from ..engine import Engine, engine_of
from .tensor_parallel import tensor_parallel_sizes

__all__ = [
    "Need",
    "facts_of",
    "facts_of_architecture",
    "need",
    "require_base",
]

_GIB = 2**30
_DEFAULT_CONTEXT = 16384
"""Tokens. A model's own maximum may be millions, which no default should pay for."""
_MOST_GPUS = 16
"""GPUs of one node that spec.gpu.count may ask for."""


class Need(NamedTuple):
    """What one replica has to hold."""

    facts: ModelFacts
    """With the precision that the weights are served in."""
    context: int
    """Longest context of one request, in tokens."""
    concurrency: int
    """Requests of that context that are held at once."""
    engine: Engine


def need(spec: ModelSpec, facts: ModelFacts) -> Need:
    """Return what one replica has to hold.

    Raises:
        Invalid: for a context longer than the model's, a task that the model was not made for, a
            quantization that its checkpoint cannot have, a type that its KV cache cannot have, or GPUs that
            cannot share its heads.
    """
    longest = facts.max_context
    if spec.context_length is not None and spec.context_length > longest:
        raise Invalid(
            "spec.contextLength",
            f"{spec.context_length} tokens exceed the longest context of {facts.name}",
            f"Set at most {longest}",
        )
    _require_task(spec, facts)
    sizes = tensor_parallel_sizes(facts, _MOST_GPUS)
    if spec.gpu.count is not None and spec.gpu.count not in sizes:
        raise Invalid(
            "spec.gpu.count",
            f"{facts.name} cannot be divided among {spec.gpu.count} GPUs: their number must be a power of "
            f"two that divides its {facts.attention_heads} attention heads, {facts.kv_heads} key-value heads "
            "and MLPs",
            f"Use one of {', '.join(map(str, sizes))}",
        )
    context = spec.context_length or min(longest, _DEFAULT_CONTEXT)
    if spec.task is not Task.AUTO and not facts.task:
        facts = replace(facts, task=spec.task.value.lower())
    return Need(_with_cache(spec, _quantized(spec, facts)), context, spec.concurrency, engine_of(spec))


def _require_task(spec: ModelSpec, facts: ModelFacts) -> None:
    """Refuse a task that the model was not made for.

    A model that is not in the catalog may have been made for any task, an encoder for any but Generate.
    """
    if spec.task is Task.GENERATE and not facts.task and facts.encoder:
        raise Invalid(
            "spec.task",
            f"{facts.name} is an encoder (architecture.encoder), which generates nothing",
            "Set Embed, Rerank or Classify",
        )
    if spec.task is Task.AUTO or not facts.task or facts.task == spec.task.value.lower():
        return
    made_for = facts.task.capitalize()
    raise Invalid(
        "spec.task",
        f"the task of {facts.name} is {made_for}, not {spec.task.value}",
        f"Set {made_for}, leave spec.task out, or name a model whose task is {spec.task.value}",
    )


def _quantized(spec: ModelSpec, facts: ModelFacts) -> ModelFacts:
    """Return the facts of the weights as they are served: as stored, or quantised to fp8 when loaded.

    Raises:
        Invalid: for a quantization that the checkpoint cannot have.
    """
    if spec.quantization is Quantization.AUTO or facts.precision == spec.quantization.value.lower():
        return facts
    if spec.quantization is Quantization.NONE:
        if facts.precision in ("bf16", "fp16", "fp32"):
            return facts
        raise Invalid(
            "spec.quantization",
            f"{facts.name} is stored in {facts.precision}, so it cannot be served without quantisation",
            "Leave spec.quantization out, or name a checkpoint in bf16",
        )
    if not facts.fp8_gib:
        raise Invalid(
            "spec.quantization",
            f"{facts.name} is stored in {facts.precision}, and only weights in bf16 and fp16 are quantised "
            "when they are loaded",
            "Leave spec.quantization out, or name a checkpoint in bf16",
        )
    # Each layer is loaded as it is stored before it is quantised (vllm-project/vllm#31914).
    loading = facts.fp8_gib + facts.weights_gib / facts.layers
    smaller = facts.fp8_gib / facts.weights_gib
    return replace(
        facts,
        weights_gib=facts.fp8_gib,
        weights_per_gpu_gib=tuple(gib * smaller for gib in facts.weights_per_gpu_gib),
        precision="fp8",
        loading_gib=loading,
    )


def _with_cache(spec: ModelSpec, facts: ModelFacts) -> ModelFacts:
    """Return the facts of a model with the type of its KV cache.

    Raises:
        Invalid: for a model of which it is not known what vLLM keeps in fp8, or whether it has a kernel.
    """
    if spec.engine.kv_cache_type is KVCacheType.AUTO:
        return facts
    kinds = {
        "reads its input once and has no KV cache": facts.encoder,
        "keeps one latent of all heads (MLA)": facts.latent_dim > 0,
        "has layers that keep a state": facts.state_bytes > 0,
        "has layers with a sliding window": facts.sliding_window > 0,
    }
    for kind, is_so in kinds.items():
        if is_so:
            raise Invalid(
                "spec.engine.kvCacheType",
                f"{facts.name} {kind}, and FP8 is for models whose layers all keep the whole context",
                "Leave it out",
            )
    return replace(facts, cache_number_bytes=1)


def facts_of(spec: ModelSpec, given: VLLMInput) -> ModelFacts | None:
    """Return a model's facts from the spec, the function's input or the catalog; None if none has them."""
    name = spec.base_model or spec.model
    architecture = spec.architecture or given.architectures.get(name)
    if architecture is not None:
        facts = facts_of_architecture(spec.model, architecture)
        return replace(facts, serving=servings().get(name, facts.serving))
    known = models().get(name)
    return known and replace(known, name=spec.model)


def require_base(spec: ModelSpec, given: VLLMInput) -> None:
    """Refuse a base model that is not known: a mistyped name must not pass for none.

    Raises:
        Invalid: where neither the function's input nor the catalog has it.
    """
    base = spec.base_model
    if base is None or base in given.architectures or base in models():
        return
    close = nearest(base, list(models()))
    meant = f"Did you mean {' or '.join(close)}? If not, leave it out" if close else "Leave it out"
    raise Invalid(
        "spec.baseModel",
        f"{base} is not in the catalog, so its size is not known",
        f"{meant}: the model's own files are read then",
        reason="UnknownModel",
    )


def facts_of_architecture(name: str, given: Architecture) -> ModelFacts:
    """Return the facts of a model whose numbers a spec or the function's input gives."""
    count, precision = given.parameters_billions * 1e9 / _GIB, given.precision.value
    stored = given.weights_gib or count * BYTES_PER_PARAMETER[precision]
    return ModelFacts(
        name=name,
        parameters_billions=given.parameters_billions,
        # vLLM serves float32 checkpoints at 16 bits: --dtype auto.
        weights_gib=stored / 2 if precision == "fp32" else stored,
        layers=given.layers,
        attention_heads=given.attention_heads,
        kv_heads=given.kv_heads,
        head_dim=given.head_dim or 0,
        latent_dim=given.latent_dim or 0,
        sliding_window=given.sliding_window or 0,
        full_attention_layers=given.layers - given.windowed_layers,
        max_context=given.max_context_length,
        precision=precision,
        task="",
        checkpoint_gib=stored,
        fp8_gib=min(count * FP8_WHEN_LOADED_BYTES, stored) if precision in ("bf16", "fp16") else 0.0,
        state_bytes=round(given.state_mib_per_request * 2**20),
        encoder=given.encoder,
    )
