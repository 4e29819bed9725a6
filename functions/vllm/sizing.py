"""How much GPU memory a model needs, and how many GPUs hold it. All sizes in GiB (2**30 bytes).

usable per GPU = memory * UTILIZATION - overhead
needed per GPU = weights * WEIGHTS_FACTOR / GPUs + cache of all requests * share
share          = 1 / GPUs, but never less than one key-value head; 1 for MLA
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from functions.api import Architecture, ModelSpec
from functions.base import Invalid
from functions.catalog import BYTES, GPU, ModelFacts, bytes_per_token, layer_bytes

__all__ = [
    "LEAST_CONTEXT",
    "Fit",
    "Need",
    "bytes_per_token",
    "fits_precision",
    "gpu_counts",
    "need",
    "of_architecture",
    "usable_gib",
]

UTILIZATION = 0.92
"""Share of a GPU's memory that vLLM takes: its default for --gpu-memory-utilization."""
WEIGHTS_FACTOR = 1.02
"""Loaded weights over checkpoint size. KAITO 0.12's figure."""
OVERHEAD_GIB = {False: 2.5, True: 3.0}
"""Activations, CUDA graphs and context of one GPU, without and with tensor parallelism.

KAITO 0.12 takes 2.3 GiB, llm-d's planner adds 0.6 GiB for NCCL from two GPUs on.
"""
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
}


@dataclass(frozen=True)
class Need:
    """What one replica must hold."""

    facts: ModelFacts
    context: int
    """Tokens of one request."""
    concurrency: int
    """Requests of that context at once."""

    @cached_property
    def cache_gib(self) -> float:
        """The KV cache of one request, on one GPU if that held all heads."""
        return cache_bytes(self.facts, self.context) / _GIB


@dataclass(frozen=True)
class Fit:
    """A need on some GPUs of one kind."""

    gpus: int
    weights_gib: float
    """Weights on one GPU."""
    cache_gib: float
    """KV cache of all requests on one GPU."""
    usable_gib: float

    @property
    def needed_gib(self) -> float:
        """Weights and cache on one GPU."""
        return self.weights_gib + self.cache_gib

    @property
    def fits(self) -> bool:
        """Whether one GPU has room for its share."""
        return self.needed_gib <= self.usable_gib


def need(spec: ModelSpec, facts: ModelFacts) -> Need:
    """Return what one replica must hold.

    Raises:
        Invalid: for a context longer than the model's, or GPUs that cannot share its heads.
    """
    longest = facts.max_context
    if spec.context_length is not None and spec.context_length > longest:
        raise Invalid(
            "spec.contextLength",
            f"{spec.context_length} tokens is beyond the {longest} that {facts.name} was made for",
            f"Ask for at most {longest}",
        )
    if spec.gpu.count is not None and spec.gpu.count not in (counts := gpu_counts(facts, _MOST_GPUS)):
        raise Invalid(
            "spec.gpu.count",
            f"{spec.gpu.count} GPUs cannot share the {facts.attention_heads} attention heads and "
            f"{facts.kv_heads} key-value heads of {facts.name}",
            f"Use one of {', '.join(map(str, counts))}",
        )
    return Need(facts, spec.context_length or min(longest, DEFAULT_CONTEXT), spec.concurrency)


def of_architecture(name: str, given: Architecture) -> ModelFacts:
    """Return the facts of a model that the catalog does not know."""
    weights = given.parameters_billions * 1e9 * BYTES[given.precision.value] / _GIB
    return ModelFacts(
        name=name,
        parameters_billions=given.parameters_billions,
        weights_gib=weights,
        layers=given.layers,
        attention_heads=given.attention_heads,
        kv_heads=given.kv_heads,
        head_dim=given.head_dim,
        latent_dim=0,
        sliding_window=0,
        full_attention_layers=given.layers,
        max_context=given.max_context_length,
        precision=given.precision.value,
    )


def cache_bytes(facts: ModelFacts, context: int) -> int:
    """Return the cache of one request: windowed layers stop growing at their window."""
    windowed = (facts.layers - facts.full_attention_layers) * min(context, facts.sliding_window)
    return (facts.full_attention_layers * context + windowed) * layer_bytes(facts)


def cache_share(facts: ModelFacts, gpus: int) -> float:
    """Return the part of the cache on each GPU; a latent or a single head cannot be split."""
    if facts.latent_dim:
        return 1.0
    return max(1.0 / gpus, 1.0 / facts.kv_heads)


def usable_gib(memory_mib: int, gpus: int) -> float:
    """Return the memory of one GPU for weights and cache."""
    return memory_mib / 1024 * UTILIZATION - OVERHEAD_GIB[gpus > 1]


def fit(what: Need, memory_mib: int, gpus: int) -> Fit:
    """Return how the need sits on this many GPUs."""
    return Fit(
        gpus=gpus,
        weights_gib=what.facts.weights_gib * WEIGHTS_FACTOR / gpus,
        cache_gib=what.cache_gib * what.concurrency * cache_share(what.facts, gpus),
        usable_gib=usable_gib(memory_mib, gpus),
    )


def gpu_counts(facts: ModelFacts, gpus_per_node: int) -> list[int]:
    """Return the tensor parallel sizes within a node that divide the model's heads."""
    return list(_dividing(facts.attention_heads, facts.kv_heads, gpus_per_node))


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
    return f"{gpu.name} has compute capability {has}; {facts.precision} weights need {wants}"


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
    """Return how many requests of the same context would fit; 0 if not one."""
    one = fit(Need(what.facts, what.context, 1), memory_mib, gpus)
    room = one.usable_gib - one.weights_gib
    if room <= 0:
        return 0
    return int(room / one.cache_gib) if one.cache_gib else what.concurrency
