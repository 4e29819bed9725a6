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
    "state_bytes_per_layer",
]

_VOCABULARY_STEP = 64
"""Words to which vLLM pads a vocabulary."""
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
    whole_other: bool = False
    """Whether `other` parameters are on every GPU: indexers are, vision is not."""


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
    number_bytes: int = 4
    """Bytes of one number of the state."""

    @property
    def inner(self) -> int:
        """Size of a layer's output for one token."""
        return self.heads * self.head_dim

    def channels_on(self, gpus: int) -> int:
        """Return the size of the convolution's input for one token, on each of some GPUs.

        It has queries, keys and values. Of Mamba's groups a GPU has at least one.
        """
        groups = gpus if self.kind == "mamba" and self.groups % gpus else self.groups
        return (2 * groups * self.size + self.inner) // gpus


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


def loaded_parameters(
    shape: Shape, attention: Attention, gpus: int = 1, *, padded_experts: bool = False
) -> Parameters:
    """Return the parameters that each of some GPUs loads to serve a model (tensor parallel).

    Heads, MLPs, experts and vision are divided; a GPU has at least one key-value head. Routers, indexers
    and what reduces hidden states to a latent are on every GPU (vLLM 0.27, `ReplicatedLinear`).
    Experts are padded where the kernels want them to be (mxfp4).
    """
    hidden, layers, full = attention.hidden_size, attention.layers, attention.full_layers
    if attention.full_head_dim:
        attending = (layers - full) * _attention(shape, attention, gpus)
        attending += full * _wide_attention(attention, gpus)
    else:
        attending = layers * _attention(shape, attention, gpus)
    dense = shape.dense_layers * shape.mlp_matrices * hidden * shape.intermediate_size // gpus
    state, stateful, convolution = shape.state, 0, 0
    if state is not None:
        stateful = state.layers * _projections(state, hidden, gpus)
        convolution = state.layers * state.channels_on(gpus) * _CONVOLUTION
    other = shape.other if attention.whole_other else shape.other // gpus
    vocabulary = _padded(shape.vocab_size, _VOCABULARY_STEP) if gpus > 1 else shape.vocab_size
    experts = _padded_experts(shape, hidden, gpus) if padded_experts else _experts(shape, hidden) // gpus
    return Parameters(
        embeddings=vocabulary * hidden * (1 if shape.tied_embeddings else 2) // gpus,
        linear=attending + dense + shape.moe_layers * _shared(shape, hidden, gpus) + stateful,
        experts=shape.moe_layers * experts,
        rest=shape.moe_layers * hidden * shape.experts + convolution + other,
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


def _attention(shape: Shape, a: Attention, gpus: int = 1) -> int:
    """Return the parameters of one layer's attention on each of some GPUs."""
    gate = 1 if shape.output_gate else 0
    if not a.kv_lora_rank:
        heads = (2 + gate) * a.heads // gpus + 2 * a.kv_heads // min(gpus, a.kv_heads)
        return a.hidden_size * a.head_dim * heads
    keys = shape.qk_nope_head_dim + a.rope_dim
    rank = shape.q_lora_rank
    heads = a.heads // gpus
    query = rank * (a.hidden_size + heads * keys) if rank else a.hidden_size * heads * keys
    latent = a.hidden_size * (a.kv_lora_rank + a.rope_dim)
    expand = a.kv_lora_rank * heads * (shape.qk_nope_head_dim + shape.v_head_dim)
    return query + latent + expand + (1 + gate) * heads * shape.v_head_dim * a.hidden_size


def _wide_attention(a: Attention, gpus: int) -> int:
    """Return the parameters of a full layer's attention, where it has heads of its own number and size."""
    heads = 2 * a.heads // gpus + a.full_kv_heads // min(gpus, a.full_kv_heads)
    return a.hidden_size * a.full_head_dim * heads


def _experts(shape: Shape, hidden: int) -> int:
    """Return the parameters of one layer's routed experts."""
    return shape.experts * shape.mlp_matrices * (shape.expert_width or hidden) * shape.expert_size


def _padded_experts(shape: Shape, hidden: int, gpus: int) -> int:
    """Return the parameters of one layer's routed experts on each of some GPUs, for Marlin's kernels.

    `mxfp4_round_up_hidden_size_and_intermediate_size` of vLLM 0.27; other kernels pad less.
    """
    width = _padded(shape.expert_width or hidden, 256)
    return shape.experts * shape.mlp_matrices * width * _padded(shape.expert_size // gpus, 128)


def _padded(number: int, step: int) -> int:
    """Round a number up to a multiple of a step."""
    return -(-number // step) * step


def _shared(shape: Shape, hidden: int, gpus: int = 1) -> int:
    """Return one layer's parameters in shared experts, and in projections to the routed ones' hidden size."""
    return shape.mlp_matrices * hidden * shape.shared_size // gpus + 2 * hidden * shape.expert_width


def _projections(state: State, hidden: int, gpus: int) -> int:
    """Return the parameters of the projections of one layer with a state, on each of some GPUs."""
    inner, heads, channels = state.inner // gpus, state.heads // gpus, state.channels_on(gpus)
    if state.kind == "mamba":
        return hidden * (inner + channels + heads) + inner * hidden
    if state.kind == "delta":
        return hidden * (channels + inner + 2 * heads) + inner * hidden
    decay = (hidden + inner) * state.head_dim + hidden * heads
    return hidden * (channels + 2 * inner) + decay


def state_bytes(state: State) -> int:
    """Return the state of one request in all layers, in bytes."""
    return state.layers * state_bytes_per_layer(state)


def state_bytes_per_layer(state: State, gpus: int = 1) -> int:
    """Return the state of one request in one layer, on each of some GPUs (tensor parallel), in bytes.

    The state is float32 where the model's config says so (`mamba_ssm_dtype` of Qwen3.5,
    `mamba_ssm_cache_dtype` of Nemotron) or its kind has no other (kda), else it has 16 bits, as have the
    convolution's last tokens: vLLM 0.27, `mamba_utils.py`.
    """
    numbers = state.inner * state.size // gpus
    return numbers * state.number_bytes + state.channels_on(gpus) * (_CONVOLUTION - 1) * 2


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
    columns = (
        *("state_layers", "state_groups", "state_size", "state_heads", "state_head_dim"),
        "state_number_bytes",
    )
    return State(row["state"], *(int(row[column]) for column in columns))
