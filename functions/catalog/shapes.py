"""Parameters of a model computed from its dimensions, by what quantisation does with them.

Norms, biases and position embeddings are left out: together they are below 0.2% in every model here.
A row of `shapes.tsv` is named after the first model that had the shape; `models.tsv` names the shape of
each model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from .tables import rows

__all__ = [
    "Attention",
    "Parameters",
    "Shape",
    "State",
    "loaded_parameters",
    "shapes",
    "speculative_parameters",
    "state_bytes",
]

_CONVOLUTION = 4
"""Tokens that the convolution of linear attention and Mamba covers: conv_kernel of every model here."""


@dataclass(frozen=True)
class Attention:
    """The dimensions of a model's attention."""

    layers: int
    """Layers with attention."""
    full_layers: int
    """Layers that cache the whole context."""
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    kv_lora_rank: int = 0
    rope_dim: int = 0
    full_kv_heads: int = 0
    """Key-value heads of full layers, where layers with a sliding window have another number; else 0.

    Such full layers have one projection for keys and values (Gemma 4).
    """
    full_head_dim: int = 0
    """Size of a head of such layers; else 0."""


@dataclass(frozen=True)
class State:
    """Layers that keep a state of fixed size for each request instead of a cache: linear attention, Mamba."""

    kind: str
    """delta (gated delta net, Qwen), kda (Kimi delta attention) or mamba."""
    layers: int
    groups: int
    """Key heads (delta, kda) or groups (Mamba)."""
    size: int
    """Size of a key head (delta, kda) or of the state (Mamba)."""
    heads: int
    """Value heads (delta, kda) or heads (Mamba)."""
    head_dim: int

    @property
    def inner(self) -> int:
        """Size of a layer's output for one token."""
        return self.heads * self.head_dim

    @property
    def channels(self) -> int:
        """Size of the convolution's input for one token: queries, keys and values."""
        return 2 * self.groups * self.size + self.inner


@dataclass(frozen=True)
class Shape:
    """The dimensions beside attention that a model's weights follow from."""

    vocab_size: int
    tied_embeddings: bool
    mlp_matrices: int
    """3 with a gate, 2 without."""
    dense_layers: int
    """Layers with an MLP."""
    intermediate_size: int
    """Of that MLP."""
    moe_layers: int
    """Layers with experts."""
    experts: int
    """Routed experts of a layer."""
    experts_per_token: int
    expert_size: int
    """Intermediate size of a routed expert."""
    expert_width: int
    """Hidden size of the routed experts, where it is not the model's; else 0."""
    shared_size: int
    """Intermediate size of all shared experts of a layer."""
    q_lora_rank: int
    qk_nope_head_dim: int
    v_head_dim: int
    output_gate: bool
    """Whether attention has a gate as large as its output."""
    state: State | None
    """None where every layer has attention."""
    speculative_layers: int
    """Layers for speculative decoding (MTP), which are in the checkpoint and not loaded."""
    speculative_embeddings: bool
    """Whether they have embeddings and a head of their own."""
    other: int
    """Parameters of vision, audio and the indexer of sparse attention, which are never quantised."""


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters, by what quantisation does with them."""

    embeddings: int = 0
    """Embeddings and head: never quantised."""
    linear: int = 0
    """Attention, dense MLPs and shared experts."""
    experts: int = 0
    """Routed experts: all of them are in memory, however few a token needs."""
    rest: int = 0
    """Routers, convolutions, vision: never quantised."""

    @property
    def total(self) -> int:
        """All parameters."""
        return self.embeddings + self.linear + self.experts + self.rest


def loaded_parameters(shape: Shape, attention: Attention) -> Parameters:
    """Return the parameters that are loaded to serve a model."""
    hidden, layers, full = attention.hidden_size, attention.layers, attention.full_layers
    if attention.full_head_dim:
        attending = (layers - full) * _attention(shape, attention) + full * _wide_attention(attention)
    else:
        attending = layers * _attention(shape, attention)
    dense = shape.dense_layers * shape.mlp_matrices * hidden * shape.intermediate_size
    state, stateful, convolution = shape.state, 0, 0
    if state is not None:
        stateful = state.layers * _projections(state, hidden)
        convolution = state.layers * state.channels * _CONVOLUTION
    return Parameters(
        embeddings=shape.vocab_size * hidden * (1 if shape.tied_embeddings else 2),
        linear=attending + dense + shape.moe_layers * _shared(shape, hidden) + stateful,
        experts=shape.moe_layers * _experts(shape, hidden),
        rest=shape.moe_layers * hidden * shape.experts + convolution + shape.other,
    )


def speculative_parameters(shape: Shape, attention: Attention) -> Parameters:
    """Return the parameters of the layers for speculative decoding.

    Each is one more layer like the model's last, with a projection of two hidden states to one.
    """
    hidden = attention.hidden_size
    mlp = (
        _shared(shape, hidden) if shape.moe_layers else shape.mlp_matrices * hidden * shape.intermediate_size
    )
    layer = _attention(shape, attention) + mlp + 2 * hidden * hidden
    layers = shape.speculative_layers
    copied = 2 * shape.vocab_size * hidden if shape.speculative_embeddings else 0
    return Parameters(layers * copied, layers * layer, layers * _experts(shape, hidden))


def _attention(shape: Shape, a: Attention) -> int:
    """Return the parameters of one layer's attention."""
    gate = 1 if shape.output_gate else 0
    if not a.kv_lora_rank:
        return a.hidden_size * a.head_dim * ((2 + gate) * a.heads + 2 * a.kv_heads)
    keys = shape.qk_nope_head_dim + a.rope_dim
    rank = shape.q_lora_rank
    query = rank * (a.hidden_size + a.heads * keys) if rank else a.hidden_size * a.heads * keys
    latent = a.hidden_size * (a.kv_lora_rank + a.rope_dim)
    expand = a.kv_lora_rank * a.heads * (shape.qk_nope_head_dim + shape.v_head_dim)
    return query + latent + expand + (1 + gate) * a.heads * shape.v_head_dim * a.hidden_size


def _wide_attention(a: Attention) -> int:
    """Return the parameters of a full layer's attention, where it has heads of its own number and size."""
    return a.hidden_size * a.full_head_dim * (2 * a.heads + a.full_kv_heads)


def _experts(shape: Shape, hidden: int) -> int:
    """Return the parameters of one layer's routed experts."""
    return shape.experts * shape.mlp_matrices * (shape.expert_width or hidden) * shape.expert_size


def _shared(shape: Shape, hidden: int) -> int:
    """Return one layer's parameters in shared experts, and in projections to the routed ones' hidden size."""
    return shape.mlp_matrices * hidden * shape.shared_size + 2 * hidden * shape.expert_width


def _projections(state: State, hidden: int) -> int:
    """Return the parameters of the projections of one layer with a state."""
    if state.kind == "mamba":
        return hidden * (state.inner + state.channels + state.heads) + state.inner * hidden
    if state.kind == "delta":
        return hidden * (state.channels + state.inner + 2 * state.heads) + state.inner * hidden
    decay = (hidden + state.inner) * state.head_dim + hidden * state.heads
    return hidden * (state.channels + 2 * state.inner) + decay


def state_bytes(state: State) -> int:
    """Return the state of one request in all layers, in bytes.

    The state is float32 (`mamba_ssm_dtype` of Qwen3.5, `mamba_ssm_cache_dtype` of Nemotron; vLLM takes
    less for models that do not say), the convolution's last tokens have 16 bits: vLLM 0.27,
    `mamba_utils.py`.
    """
    return state.layers * (state.inner * state.size * 4 + state.channels * (_CONVOLUTION - 1) * 2)


@cache
def shapes() -> dict[str, Shape]:
    """Return the known shapes by name."""
    return {row["shape"]: _shape(row) for row in rows("shapes.tsv")}


def _shape(row: Mapping[str, str]) -> Shape:
    def number(column: str) -> int:
        return int(row[column] or 0)

    return Shape(
        vocab_size=number("vocab_size"),
        tied_embeddings=row["tied_embeddings"] == "yes",
        mlp_matrices=number("mlp_matrices"),
        dense_layers=number("dense_layers"),
        intermediate_size=number("intermediate_size"),
        moe_layers=number("moe_layers"),
        experts=number("experts"),
        experts_per_token=number("experts_per_token"),
        expert_size=number("expert_size"),
        expert_width=number("expert_width"),
        shared_size=number("shared_size"),
        q_lora_rank=number("q_lora_rank"),
        qk_nope_head_dim=number("qk_nope_head_dim"),
        v_head_dim=number("v_head_dim"),
        output_gate=row["output_gate"] == "yes",
        state=_state(row) if row["state"] else None,
        speculative_layers=number("speculative_layers"),
        speculative_embeddings=row["speculative_embeddings"] == "yes",
        other=round(float(row["other_parameters_millions"] or 0) * 1e6),
    )


def _state(row: Mapping[str, str]) -> State:
    columns = ("state_layers", "state_groups", "state_size", "state_heads", "state_head_dim")
    return State(row["state"], *(int(row[column]) for column in columns))
