"""Architectures of public models; the source of each stands in its row of `models.tsv`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from .tables import rows

__all__ = ["BYTES", "ModelFacts", "bytes_per_token", "layer_bytes", "models"]

BYTES = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    # Half a byte and about 5% for scales.
    "int4": 0.525,
    "mxfp4": 0.53,
}
"""Bytes of one parameter by precision."""
CACHE_BYTES = 2
"""Bytes of one cached number: bf16, vLLM's default."""


@dataclass(frozen=True)
class ModelFacts:
    """What sizing needs to know of a model."""

    name: str
    parameters_billions: float
    weights_gib: float
    """Size of the checkpoint as published or computed, in GiB."""
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


def layer_bytes(facts: ModelFacts) -> int:
    """Return the cache of one layer and token, in bytes: keys and values of all heads, or the latent."""
    return (facts.latent_dim or 2 * facts.kv_heads * facts.head_dim) * CACHE_BYTES


def bytes_per_token(facts: ModelFacts) -> int:
    """Return the cache of one more token of a long context, in bytes."""
    return facts.full_attention_layers * layer_bytes(facts)


@cache
def models() -> dict[str, ModelFacts]:
    """Return the known models by their name on the Hub."""
    return {row["model"]: _facts(row) for row in rows("models.tsv")}


def _facts(row: Mapping[str, str]) -> ModelFacts:
    layers = int(row["layers"])
    latent = int(row["kv_lora_rank"] or 0) and int(row["kv_lora_rank"]) + int(row["qk_rope_head_dim"])
    return ModelFacts(
        name=row["model"],
        parameters_billions=float(row["parameters_billions"]),
        weights_gib=float(row["weights_gib"]),
        layers=layers,
        attention_heads=int(row["attention_heads"]),
        kv_heads=int(row["kv_heads"]),
        head_dim=int(row["head_dim"] or 0),
        latent_dim=latent,
        sliding_window=int(row["sliding_window_tokens"] or 0),
        full_attention_layers=int(row["full_attention_layers"] or layers),
        max_context=int(row["max_context_tokens"]),
        precision=row["precision"],
    )
