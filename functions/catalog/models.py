"""Facts of public models, from `models.tsv`, where each row has its sources.

Sizes are computed: from the dimensions in `shapes.tsv`, or from the number of parameters where a row
names no shape. The published size of a row is for the tests to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from .precision import BYTES_PER_PARAMETER, FP8_WHEN_LOADED_BYTES, weight_bytes
from .serving import UNKNOWN, Serving, servings
from .shapes import (
    Attention,
    Parameters,
    Shape,
    loaded_parameters,
    shapes,
    speculative_parameters,
    state_bytes,
)
from .tables import rows

__all__ = [
    "INDEXER_BYTES",
    "ModelFacts",
    "bytes_per_token",
    "full_layer_bytes",
    "layer_bytes",
    "models",
    "sized_by_shape",
]

_GIB = 2**30
_TENSOR_PARALLEL = (1, 2, 4, 8, 16)
_CACHE_BYTES = 2
"""Bytes of one number in the KV cache: bf16, vLLM's default."""
INDEXER_BYTES = 128 + 4
"""Bytes that sparse attention's indexer caches of a token in a layer: 128 fp8 numbers and a float32 scale.

DeepSeek-V3.2, GLM-5; vLLM 0.27, `deepseek_v2.py`.
"""


@dataclass(frozen=True)
class ModelFacts:
    """The numbers of a model that it is sized by."""

    name: str
    parameters_billions: float
    weights_gib: float
    """Weights in memory, in GiB."""
    layers: int
    attention_heads: int
    kv_heads: int
    head_dim: int
    """Size of one head; 0 where attention caches one latent for all heads (MLA)."""
    latent_dim: int
    """Size of that latent, kv_lora_rank + qk_rope_head_dim; 0 without MLA."""
    sliding_window: int
    """Tokens that a layer with a sliding window caches; 0 where no layer has one."""
    full_attention_layers: int
    """Layers whose cache grows with the whole context."""
    max_context: int
    """Longest context, in tokens."""
    precision: str
    """Precision of the stored weights, such as bf16 or fp8."""
    task: str = "generate"
    """generate, embed or rerank; empty where it is not known."""
    checkpoint_gib: float = 0.0
    """Size of the weights' files, in GiB; they have layers for speculative decoding, which are not loaded."""
    fp8_gib: float = 0.0
    """Weights in memory when vLLM quantises them to fp8 as it loads them, in GiB; 0 where it cannot."""
    state_bytes: int = 0
    """State of one request in layers of linear attention or Mamba, in bytes."""
    full_kv_heads: int = 0
    """Key-value heads of layers that cache the whole context, if other layers have another number; else 0."""
    full_head_dim: int = 0
    """Size of a head of such layers; else 0."""
    indexed_layers: int = 0
    """Layers whose sparse attention has an indexer, with a cache of its own."""
    cache_number_bytes: int = _CACHE_BYTES
    """Bytes of one number in the KV cache."""
    encoder: bool = False
    """Whether it is an encoder, which reads its input once and caches nothing."""
    hidden_size: int = 0
    """0 where it is not known."""
    shape: Shape | None = None
    """The dimensions beside attention; None where they are not known."""
    experts_gib: float = 0.0
    """Routed experts among the weights, in GiB; 0 where there are none or they are not known."""
    expert_block: int = 0
    """Rows of an expert's weights that share a scale, so that they cannot be divided; 0: no limit."""
    weights_per_gpu_gib: tuple[float, ...] = ()
    """Weights on each of 1, 2, 4, 8 and 16 GPUs (tensor parallel), in GiB; empty where it is not known."""
    gated: bool = False
    """Whether the Hub asks for a token of an account that has accepted the model's terms."""
    loading_gib: float = 0.0
    """Most memory that the weights take while vLLM quantises them, in GiB; 0 where it does not."""
    serving: Serving = UNKNOWN
    """What the engine has to be told of it."""


def layer_bytes(facts: ModelFacts) -> int:
    """Return what one layer caches of a token, in bytes: keys and values of all heads, or the latent."""
    if facts.encoder:
        return 0
    return (facts.latent_dim or 2 * facts.kv_heads * facts.head_dim) * facts.cache_number_bytes


def full_layer_bytes(facts: ModelFacts) -> int:
    """Return what a layer that caches the whole context caches of a token, in bytes."""
    if not facts.full_head_dim:
        return layer_bytes(facts)
    return 2 * facts.full_kv_heads * facts.full_head_dim * facts.cache_number_bytes


def bytes_per_token(facts: ModelFacts) -> int:
    """Return what all layers cache of one more token of a long context, in bytes."""
    return facts.full_attention_layers * full_layer_bytes(facts) + facts.indexed_layers * INDEXER_BYTES


@cache
def models() -> dict[str, ModelFacts]:
    """Return the models of the catalog by their name on the Hugging Face Hub."""
    told = servings()
    return {
        row["model"]: replace(_facts(row), serving=told.get(row["model"], UNKNOWN))
        for row in rows("models.tsv")
    }


def _facts(row: Mapping[str, str]) -> ModelFacts:
    def number(column: str) -> int:
        return int(row[column] or 0)

    layers, latent = number("layers"), number("kv_lora_rank")
    shape = shapes()[row["shape"]] if row["shape"] else None
    encoder = row["attention"] == "encoder"
    full = layers if row["full_attention_layers"] == "" else number("full_attention_layers")
    facts = ModelFacts(
        name=row["model"],
        parameters_billions=float(row["parameters_billions"]),
        weights_gib=0.0,
        layers=layers,
        attention_heads=number("attention_heads"),
        kv_heads=number("kv_heads"),
        head_dim=number("head_dim"),
        latent_dim=latent and latent + number("qk_rope_head_dim"),
        sliding_window=number("sliding_window_tokens"),
        full_attention_layers=0 if encoder else full,
        max_context=number("max_context_tokens"),
        precision=row["precision"],
        task=row["task"],
        state_bytes=_state(shape, row["state_mib_per_request"]),
        full_kv_heads=number("full_kv_heads"),
        full_head_dim=number("full_head_dim"),
        indexed_layers=number("indexed_layers"),
        encoder=encoder,
        hidden_size=number("hidden_size"),
        gated=row["gated"] == "yes",
        shape=shape,
        expert_block=number("group_size") if row["precision"] == "fp8" else 0,
    )
    return _sized(facts, row)


def _state(shape: Shape | None, mib: str) -> int:
    """Return the state of one request, in bytes: computed from the shape, else as the row has it."""
    if shape is None:
        return round(float(mib or 0) * 2**20)
    return state_bytes(shape.state) if shape.state else 0


def _sized(facts: ModelFacts, row: Mapping[str, str]) -> ModelFacts:
    """Add the sizes, from the shape; else the larger of parameters x bytes and the published size."""
    if facts.shape is None:
        counted = facts.parameters_billions * 1e9 / _GIB
        whole = max(counted * BYTES_PER_PARAMETER[facts.precision], float(row["published_gib"] or 0))
        fp8 = _fp8(facts, counted * FP8_WHEN_LOADED_BYTES)
        return replace(facts, weights_gib=whole, checkpoint_gib=whole, fp8_gib=fp8)
    return sized_by_shape(facts, _attention(facts, row), row["quantized"], row["group_size"])


def sized_by_shape(facts: ModelFacts, attention: Attention, quantized: str, group: str) -> ModelFacts:
    """Add the sizes that follow from the shape, which is there.

    Args:
        facts: without sizes.
        attention: its dimensions.
        quantized: `linear`, `experts` or empty, as `weight_bytes` takes it.
        group: weights that share a scale, as `weight_bytes` takes it.
    """
    assert facts.shape is not None, "the sizes follow from the shape"
    loaded = loaded_parameters(facts.shape, attention)
    unloaded = speculative_parameters(facts.shape, attention)
    stored = (facts.precision, quantized, group)
    # Where only experts are quantised, the experts for speculative decoding are not.
    beside = ("bf16",) if quantized == "experts" else stored
    checkpoint = (weight_bytes(loaded, *stored) + weight_bytes(unloaded, *beside)) / _GIB
    # vLLM serves float32 checkpoints at 16 bits: --dtype auto.
    served = ("fp16" if facts.precision == "fp32" else facts.precision, *stored[1:])
    divided = [
        loaded_parameters(facts.shape, attention, gpus, padded_experts=facts.precision == "mxfp4")
        for gpus in _TENSOR_PARALLEL
    ]
    return replace(
        facts,
        weights_gib=weight_bytes(loaded, *served) / _GIB,
        weights_per_gpu_gib=tuple(weight_bytes(counts, *served) / _GIB for counts in divided),
        checkpoint_gib=checkpoint,
        fp8_gib=_fp8(facts, weight_bytes(loaded, "fp8", "linear") / _GIB),
        experts_gib=weight_bytes(Parameters(experts=loaded.experts), *stored) / _GIB,
    )


def _fp8(facts: ModelFacts, gib: float) -> float:
    """Return a size in fp8; 0 for weights that vLLM does not quantise when it loads them."""
    return gib if facts.precision in ("bf16", "fp16") else 0.0


def _attention(facts: ModelFacts, row: Mapping[str, str]) -> Attention:
    attending = facts.full_attention_layers if row["attention"] == "hybrid" else facts.layers
    return Attention(
        layers=attending,
        full_layers=facts.full_attention_layers,
        hidden_size=facts.hidden_size,
        heads=facts.attention_heads,
        kv_heads=facts.kv_heads,
        head_dim=facts.head_dim,
        kv_lora_rank=int(row["kv_lora_rank"] or 0),
        rope_dim=int(row["qk_rope_head_dim"] or 0),
        full_kv_heads=facts.full_kv_heads,
        full_head_dim=facts.full_head_dim,
        whole_other=facts.indexed_layers > 0,
    )
