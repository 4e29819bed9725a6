"""How much GPU memory a model needs, and how many GPUs hold it. All sizes in GiB (2**30 bytes).

usable per GPU = memory * UTILIZATION - overhead (overhead.py)
needed per GPU = weights * WEIGHTS_FACTOR / GPUs + what all requests keep (cache.py)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from functions.api import Architecture, ModelSpec, Quantization, Task
from functions.base import Invalid
from functions.catalog import BYTES, GPU, ONLINE_FP8, ModelFacts, bytes_per_token

from .activations import batch, overhead_gib
from .kv_cache import cache_bytes

__all__ = [
    "LEAST_CONTEXT",
    "Fit",
    "Need",
    "bytes_per_token",
    "expert_parallel",
    "fits_precision",
    "gpu_counts",
    "need",
    "of_architecture",
    "usable_gib",
    "whole_cache_gib",
]

UTILIZATION = 0.92
"""Share of a GPU's memory that vLLM takes: its default for --gpu-memory-utilization."""
WEIGHTS_FACTOR = 1.02
"""Loaded weights over checkpoint size. KAITO 0.12's figure."""
DEFAULT_CONTEXT = 16384
"""Tokens. A model's own maximum may be millions, which no default should pay for."""
LEAST_CONTEXT = 256
"""Tokens. Shorter ones are not worth offering."""

_GIB = 2**30
_MOST_GPUS = 16
# Below these vLLM refuses the checkpoint: https://docs.vllm.ai/en/latest/features/quantization
_CAPABILITY = {
    # CUDA 13, which the image is built with, knows nothing older than 7.5.
    "fp32": (7, 5),
    "fp16": (7, 5),
    "bf16": (8, 0),
    "int8": (7, 5),
    "int4": (7, 5),
    "fp8": (8, 9),
    "mxfp4": (8, 0),
    "nvfp4": (10, 0),
}


@dataclass(frozen=True)
class Need:
    """What one replica must hold."""

    facts: ModelFacts
    context: int
    """Tokens of one request."""
    concurrency: int
    """Requests of that context at once."""


@dataclass(frozen=True)
class Fit:
    """A need on some GPUs of one kind."""

    gpus: int
    """On each node."""
    weights_gib: float
    """Weights on one GPU."""
    cache_gib: float
    """KV cache of all requests on one GPU."""
    usable_gib: float
    nodes: int = 1
    """Each with a stage of the layers."""
    ranks: int = 1
    """GPUs that cache requests of their own (data parallel attention); 1 where all share all requests."""
    loading_gib: float = 0.0
    """Weights on one GPU while they are quantised, before there is a cache; 0 if they are not."""

    @property
    def least_gib(self) -> float:
        """What has to fit before there is any cache."""
        return max(self.weights_gib, self.loading_gib)

    @property
    def needed_gib(self) -> float:
        """Weights and cache on one GPU."""
        return self.weights_gib + self.cache_gib

    @property
    def fits(self) -> bool:
        """Whether one GPU has room for its share."""
        return max(self.needed_gib, self.least_gib) <= self.usable_gib


def need(spec: ModelSpec, facts: ModelFacts) -> Need:
    """Return what one replica must hold.

    Raises:
        Invalid: for a context longer than the model's, a task that it was not made for, a quantisation
            that its checkpoint cannot have, or GPUs that cannot share its heads.
    """
    longest = facts.max_context
    if spec.context_length is not None and spec.context_length > longest:
        raise Invalid(
            "spec.contextLength",
            f"{spec.context_length} tokens is beyond the {longest} that {facts.name} was made for",
            f"Ask for at most {longest}",
        )
    _require_task(spec, facts)
    if spec.gpu.count is not None and spec.gpu.count not in (counts := gpu_counts(facts, _MOST_GPUS)):
        raise Invalid(
            "spec.gpu.count",
            f"{spec.gpu.count} GPUs cannot share the {facts.attention_heads} attention heads and "
            f"{facts.kv_heads} key-value heads of {facts.name}",
            f"Use one of {', '.join(map(str, counts))}",
        )
    context = spec.context_length or min(longest, DEFAULT_CONTEXT)
    return Need(_quantized(spec, facts), context, spec.concurrency)


def _require_task(spec: ModelSpec, facts: ModelFacts) -> None:
    """Refuse a task that the model was not made for; what the catalog does not know may be made for any."""
    if spec.task is Task.GENERATE and not facts.task and not facts.grows:
        raise Invalid(
            "spec.task",
            f"{facts.name} is an encoder (architecture.encoder), which generates nothing",
            "Say Embed, Rerank or Classify",
        )
    if spec.task is Task.AUTO or not facts.task or facts.task == spec.task.value.lower():
        return
    made_for = facts.task.capitalize()
    raise Invalid(
        "spec.task",
        f"{facts.name} was made to {made_for}, not to {spec.task.value}",
        f"Say {made_for}, leave it out, or name a model that was made to {spec.task.value}",
    )


def _quantized(spec: ModelSpec, facts: ModelFacts) -> ModelFacts:
    """Return the facts as quantised when loaded, or refuse what the checkpoint does not allow."""
    if spec.quantization is Quantization.AUTO or facts.precision == spec.quantization.value.lower():
        return facts
    if spec.quantization is Quantization.NONE:
        if facts.precision in ("bf16", "fp16", "fp32"):
            return facts
        raise Invalid(
            "spec.quantization",
            f"{facts.name} is stored in {facts.precision}, so it cannot be served without quantisation",
            "Leave it out, or name a checkpoint in bf16",
        )
    if not facts.fp8_gib:
        raise Invalid(
            "spec.quantization",
            f"{facts.name} is stored in {facts.precision}, and only bf16 and fp16 are quantised when loaded",
            "Leave it out, or name a checkpoint in bf16",
        )
    # Each layer is loaded as it is stored before it is quantised (vllm-project/vllm#31914).
    loading = facts.fp8_gib + facts.weights_gib / facts.layers
    return replace(facts, weights_gib=facts.fp8_gib, precision="fp8", loading_gib=loading)


def of_architecture(name: str, given: Architecture) -> ModelFacts:
    """Return the facts of a model that the catalog does not know."""
    count, precision = given.parameters_billions * 1e9 / _GIB, given.precision.value
    stored = given.weights_gib or count * BYTES[precision]
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
        fp8_gib=min(count * ONLINE_FP8, stored) if precision in ("bf16", "fp16") else 0.0,
        state_bytes=round(given.state_mib_per_request * 2**20),
        grows=not given.encoder,
    )


def usable_gib(facts: ModelFacts, memory_mib: int, gpus: int, nodes: int = 1) -> float:
    """Return the memory of one GPU for weights and cache."""
    return memory_mib / 1024 * UTILIZATION - overhead_gib(facts, memory_mib, gpus, nodes)


def whole_cache_gib(what: Need, memory_mib: int) -> float:
    """Return the cache of all requests, as one GPU of this memory would hold it."""
    tokens = batch(memory_mib).tokens
    return cache_bytes(what.facts, what.context, what.concurrency, batch_tokens=tokens) / _GIB


def fit(what: Need, memory_mib: int, gpus: int) -> Fit:
    """Return how the need sits on this many GPUs."""
    facts, tokens = what.facts, batch(memory_mib).tokens
    return Fit(
        gpus=gpus,
        weights_gib=facts.weights_gib * WEIGHTS_FACTOR / gpus,
        cache_gib=cache_bytes(facts, what.context, what.concurrency, gpus, tokens) / _GIB,
        usable_gib=usable_gib(facts, memory_mib, gpus),
        loading_gib=facts.loading_gib * WEIGHTS_FACTOR / gpus,
    )


def gpu_counts(facts: ModelFacts, gpus_per_node: int) -> list[int]:
    """Return the tensor parallel sizes within a node that divide the model's heads."""
    return list(_dividing(facts.attention_heads, facts.kv_heads, gpus_per_node))


def expert_parallel(facts: ModelFacts, gpus: int) -> bool:
    """Tell whether each expert has to stay on one GPU: split, it would tear blocks that share a scale.

    vLLM refuses to: "output_size of gate's and up's weight is not divisible by weight quantization
    block_n" (vllm-project/vllm#17569, #25292).
    """
    if facts.shape is None or not facts.expert_block or gpus == 1:
        return False
    return facts.shape.expert_size % (gpus * facts.expert_block) > 0


@cache
def _dividing(heads: int, kv_heads: int, most: int) -> tuple[int, ...]:
    sizes = (n for n in range(1, most + 1) if heads % n == 0)
    return tuple(n for n in sizes if kv_heads % n == 0 or n % kv_heads == 0)


def fits_precision(facts: ModelFacts, gpu: GPU) -> str:
    """Return why a GPU cannot run the checkpoint; empty when it can."""
    least = _CAPABILITY[facts.precision]
    if gpu.compute_capability >= least:
        return ""
    has, wants = (f"{major}.{minor}" for major, minor in (gpu.compute_capability, least))
    without = ". Without spec.quantization they are served as stored" if facts.loading_gib else ""
    return f"{gpu.name} has compute capability {has}; {facts.precision} weights need {wants}{without}"


def longest_context(what: Need, memory_mib: int, gpus: int) -> int:
    """Return the longest context that would fit at the same concurrency; 0 if none, in tokens."""
    low, high = 0, what.context
    while low < high:
        middle = (low + high + 1) // 2
        if fit(Need(what.facts, middle, what.concurrency), memory_mib, gpus).fits:
            low = middle
        else:
            high = middle - 1
    return low // 256 * 256


def most_requests(what: Need, memory_mib: int, gpus: int) -> int:
    """Return how many requests of the same context would fit, at most as many as asked; 0 if not one."""
    low, high = 0, what.concurrency
    while low < high:
        middle = (low + high + 1) // 2
        if fit(Need(what.facts, what.context, middle), memory_mib, gpus).fits:
            low = middle
        else:
            high = middle - 1
    return low
