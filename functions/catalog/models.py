"""Architectures of public models; the source of each stands in its row of `models.tsv`.

Sizes are computed: from the dimensions in `shapes.tsv`, or from the number of parameters where a row
has no shape. The published size in a row is what the tests compare with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from .precision import BYTES, ONLINE_FP8, size
from .shapes import Attention, Parts, Shape, parts, shapes, speculation, state_bytes
from .tables import rows

__all__ = ["INDEX_BYTES", "ModelFacts", "bytes_per_token", "full_layer_bytes", "layer_bytes", "models"]

_GIB = 2**30
CACHE_BYTES = 2
"""Bytes of one cached number: bf16, vLLM's default."""
INDEX_BYTES = 128 + 4
"""Bytes of a layer and token that sparse attention's indexer caches: 128 fp8 numbers and a scale
(DeepSeek-V3.2, GLM-5; vLLM 0.27, `deepseek_v2.py`)."""


@dataclass(frozen=True)
class ModelFacts:
    """What sizing needs to know of a model."""

    name: str
    parameters_billions: float
    weights_gib: float
    """Weights as loaded to serve, in GiB."""
    layers: int
    attention_heads: int
    kv_heads: int
    head_dim: int
    """Size of one head; 0 where the cache is a compressed latent (MLA)."""
    latent_dim: int
    """MLA: kv_lora_rank + qk_rope_head_dim, the cache of one layer and token; else 0."""
    sliding_window: int
    """Tokens that a windowed layer keeps; 0 without a window."""
    full_attention_layers: int
    """Layers whose cache grows with the whole context."""
    max_context: int
    """Longest context, in tokens."""
    precision: str
    """How the checkpoint stores its weights."""
    task: str = "generate"
    """generate, embed or rerank: what the model was made for."""
    checkpoint_gib: float = 0.0
    """The weights as files, in GiB, with what is not loaded: layers for speculation, float32."""
    fp8_gib: float = 0.0
    """Weights after vLLM has quantised them to fp8, in GiB; 0 where it cannot."""
    state_bytes: int = 0
    """What a request keeps in layers without attention, in bytes, however long it is."""
    full_kv_heads: int = 0
    """Key-value heads of full layers, where they have others than the windowed ones; else 0."""
    full_head_dim: int = 0
    indexed_layers: int = 0
    """Layers with an indexer's cache beside the latent (sparse attention)."""
    grows: bool = True
    """False for encoders: they read their input once and cache nothing."""
    hidden_size: int = 0
    """0 where it is not known."""
    shape: Shape | None = None
    """The dimensions beside those of attention; None where they are not known."""
    experts_gib: float = 0.0
    """Routed experts among the weights, in GiB; 0 where there are none or they are not known."""
    expert_block: int = 0
    """Rows of an expert's weights that share a scale, and so stay on one GPU; 0 where any number may."""
    loading_gib: float = 0.0
    """Weights while vLLM quantises them, in GiB; 0 where it does not."""


def layer_bytes(facts: ModelFacts) -> int:
    """Return the cache of one layer and token, in bytes: keys and values of all heads, or the latent."""
    if not facts.grows:
        return 0
    return (facts.latent_dim or 2 * facts.kv_heads * facts.head_dim) * CACHE_BYTES


def full_layer_bytes(facts: ModelFacts) -> int:
    """Return the same of a layer that keeps the whole context, whose heads may be others."""
    if not facts.full_head_dim:
        return layer_bytes(facts)
    return 2 * facts.full_kv_heads * facts.full_head_dim * CACHE_BYTES


def bytes_per_token(facts: ModelFacts) -> int:
    """Return the cache of one more token of a long context, in bytes."""
    return facts.full_attention_layers * full_layer_bytes(facts) + facts.indexed_layers * INDEX_BYTES


@cache
def models() -> dict[str, ModelFacts]:
    """Return the known models by their name on the Hub."""
    return {row["model"]: _facts(row) for row in rows("models.tsv")}


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
        grows=not encoder,
        hidden_size=number("hidden_size"),
        shape=shape,
        expert_block=number("group_size") if row["precision"] == "fp8" else 0,
    )
    return _sized(facts, row)


def _state(shape: Shape | None, mib: str) -> int:
    """Return what a request keeps beside a cache, in bytes: computed where there is a shape."""
    if shape is None:
        return round(float(mib or 0) * 2**20)
    return state_bytes(shape.state) if shape.state else 0


def _sized(facts: ModelFacts, row: Mapping[str, str]) -> ModelFacts:
    """Add the sizes: computed from the dimensions, else from the parameters and what was published."""
    if facts.shape is None:
        counted = facts.parameters_billions * 1e9 / _GIB
        whole = max(counted * BYTES[facts.precision], float(row["published_gib"] or 0))
        return replace(
            facts, weights_gib=whole, checkpoint_gib=whole, fp8_gib=_online(facts, counted * ONLINE_FP8)
        )
    attention = _attention(facts, row)
    loaded, unloaded = parts(facts.shape, attention), speculation(facts.shape, attention)
    stored = (facts.precision, row["quantized"], row["group_size"])
    # Where only experts are quantised, those for speculation are not.
    beside = ("bf16",) if row["quantized"] == "experts" else stored
    checkpoint = (size(loaded, *stored) + size(unloaded, *beside)) / _GIB
    # vLLM serves float32 checkpoints at 16 bits: --dtype auto.
    weights = size(loaded, "fp16") if facts.precision == "fp32" else size(loaded, *stored)
    return replace(
        facts,
        weights_gib=weights / _GIB,
        checkpoint_gib=checkpoint,
        fp8_gib=_online(facts, size(loaded, "fp8", "linear") / _GIB),
        experts_gib=size(Parts(experts=loaded.experts), *stored) / _GIB,
    )


def _online(facts: ModelFacts, gib: float) -> float:
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
    )
