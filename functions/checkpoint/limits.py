"""How large the numbers of a report may be.

Anybody can publish a config.json. A number beyond these limits is no dimension of a model: it is refused
in words, and costs no time. The limits of layers, heads, context and weights are those of
spec.architecture (functions/api/model.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .refused import NotUnderstood

__all__ = ["LAYERS", "require_mapping", "require_within"]

LAYERS = 1000
_TOKENS = 100_000_000
_HEADS = 1024
_HEAD_SIZE = 1024
_GIB = 2**30
_OTHER = 2**20
"""Of every number that the table does not have: sizes of MLPs and experts, periods, bits."""
_MOST: Mapping[str, float] = {
    "num_hidden_layers": LAYERS,
    "num_layers": LAYERS,
    "layers": LAYERS,
    "stacked": LAYERS,
    "first_k_dense_replace": LAYERS,
    "num_dense_layers": LAYERS,
    "num_nextn_predict_layers": LAYERS,
    "mtp_num_hidden_layers": LAYERS,
    "max_position_embeddings": _TOKENS,
    "model_max_length": _TOKENS,
    "n_positions": _TOKENS,
    "max_seq_len": _TOKENS,
    "seq_length": _TOKENS,
    "max_sequence_length": _TOKENS,
    "original_max_position_embeddings": _TOKENS,
    "sliding_window": _TOKENS,
    "attention_chunk_size": _TOKENS,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": _HEADS,
    "num_attention_groups": _HEADS,
    "num_kv_heads": _HEADS,
    "num_heads": _HEADS,
    "head_dim": _HEAD_SIZE,
    "attention_head_dim": _HEAD_SIZE,
    "global_head_dim": _HEAD_SIZE,
    "kv_lora_rank": 8192,
    "qk_rope_head_dim": _HEAD_SIZE,
    "hidden_size": 2**18,
    "vocab_size": 2**24,
    "num_experts": 2**16,
    "n_routed_experts": 2**16,
    "num_local_experts": 2**16,
    "moe_num_experts": 2**16,
    "factor": 10_000,
    "mlp_ratio": 1000,
    "bytes": 20_000 * _GIB,
    "head": 20_000 * _GIB,
    "parameters": 1e13,
    "parameters of the dimensions": 1e13,
    "GiB of weights": 20_000,
    "state of a request": 10_000 * 2**20,
}
"""Limits by key of a report, or by what follows from several keys."""
_MOST_LETTERS = 200
"""Of a text in a report."""
_LISTS = ("algorithms", "groups")
_NUMBERS = ("bytes", "parameters", "head", "stacked", "bits", "block")
"""Keys of a report's parts that hold a list of texts, or a number."""
_OWN_FILES = "Take the model's own files"


def require_within(place: str, key: str, value: Any) -> None:
    """Refuse a value that no model has.

    Args:
        place: the file, for the message.
        key: of the value; the keys of a mapping have limits of their own.
        value: number, text, truth value, or a mapping or list of these.

    Raises:
        NotUnderstood: for a number beyond its limit, a long text, or values nested deeper.
    """
    if isinstance(value, Mapping):
        for inner, each in value.items():
            # A word for layers has their number.
            _require(f"{place}: {key}", str(inner), each, inner if inner in _MOST else key)
    elif isinstance(value, list):
        for each in value:
            _require(place, key, each, key)
    else:
        _require(place, key, value, key)


def require_mapping(place: str, value: Any) -> Mapping[str, Any]:
    """Return a part of a report whose values are of their kind and within their limits; else empty.

    Raises:
        NotUnderstood: for a value of another kind, a negative number, or one beyond its limit.
    """
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise NotUnderstood(place, "it is no object", _OWN_FILES)
    for key, each in value.items():
        require_within(place, key, each)
        if key in _LISTS:
            sound = isinstance(each, list) and all(isinstance(text, str) and text for text in each)
        elif key in _NUMBERS:
            sound = each is None or isinstance(each, int | float)
        else:
            sound = not isinstance(each, list | Mapping)
        if not sound:
            raise NotUnderstood(f"{place}: {key}", "it holds a value of another kind", _OWN_FILES)
        if isinstance(each, int | float) and each < 0:
            raise NotUnderstood(f"{place}: {key}", "it is negative", _OWN_FILES)
    return value


def _require(place: str, key: str, value: Any, limited_as: str) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if len(value) > _MOST_LETTERS:
            raise NotUnderstood(f"{place}: {key}", f"a text of {len(value)} letters", _OWN_FILES)
        return
    if not isinstance(value, int | float):
        raise NotUnderstood(f"{place}: {key}", "it is neither a number nor a text", _OWN_FILES)
    most = _MOST.get(limited_as, _OTHER)
    # A float may be infinite, or no number at all.
    if not (isinstance(value, int) or math.isfinite(value)) or abs(value) > most:
        raise NotUnderstood(
            f"{place}: {key}",
            f"it is beyond {most:,.0f}, the most that a model may have",
            _OWN_FILES,
        )
