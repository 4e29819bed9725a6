"""An entry of the catalog as text: spec.architecture of a Model, or a row of models.tsv."""

from __future__ import annotations

from functions.catalog.models import ModelFacts, bytes_per_token
from functions.catalog.precision import BYTES_PER_PARAMETER
from functions.catalog.tables import rows
from tools.inspect.checkpoint import Refused
from tools.inspect.entry import Inspected

__all__ = ["as_architecture", "as_row", "figures"]

_GIB = 2**30
_TOLERANCE = 0.01
"""How far parameters times bytes may be from the files before the entry says their size."""


def as_architecture(found: Inspected) -> str:
    """Return the spec.architecture of a Model, as YAML.

    Raises:
        Refused: for a cache that spec.architecture cannot express.
    """
    entry = found.entry
    facts = entry.facts
    beyond = "heads of several sizes" if facts.full_head_dim else "sparse attention's second cache"
    if facts.full_head_dim or facts.indexed_layers:
        raise Refused(
            "spec.architecture",
            f"it cannot express {beyond}, which {facts.name} has",
            "Leave spec.architecture out, and the model's files are read on the Hub; --tsv prints the row",
        )
    windowed = 0 if entry.attention in ("hybrid", "encoder") else facts.layers - facts.full_attention_layers
    sized = facts.parameters_billions * 1e9 * BYTES_PER_PARAMETER[facts.precision] / _GIB
    # Of fp32 half is loaded.
    stored = facts.weights_gib * 2 if facts.precision == "fp32" else facts.weights_gib
    off = abs(sized / stored - 1) > _TOLERANCE
    said: dict[str, object] = {
        "modelType": entry.model_type or None,
        "parametersBillions": _short(facts.parameters_billions, 3),
        "weightsGiB": f"{stored:.2f}" if off else None,
        "layers": facts.layers if windowed or facts.encoder else facts.full_attention_layers,
        "windowedLayers": windowed or None,
        "slidingWindow": facts.sliding_window if windowed else None,
        "attentionHeads": facts.attention_heads,
        "kvHeads": facts.kv_heads,
        "headDim": facts.head_dim or None,
        "latentDim": facts.latent_dim or None,
        "stateMiBPerRequest": _state_mib(facts) or None,
        "maxContextLength": facts.max_context,
        "encoder": "true" if facts.encoder else None,
        "precision": facts.precision,
    }
    lines = [f"  {field}: {value}" for field, value in said.items() if value is not None]
    return "\n".join(["architecture:", *lines])


def as_row(found: Inspected) -> str:
    """Return the entry as a row of models.tsv."""
    entry = found.entry
    facts = entry.facts
    rank, rope = entry.latent or ("", "")
    all_full = facts.encoder or facts.full_attention_layers == facts.layers
    cells: dict[str, object] = {
        "model": facts.name,
        "task": facts.task,
        "parameters_billions": _short(facts.parameters_billions, 3),
        "layers": facts.layers,
        "hidden_size": facts.hidden_size,
        "attention_heads": facts.attention_heads,
        "kv_heads": facts.kv_heads,
        "head_dim": facts.head_dim or "",
        "attention": entry.attention,
        "kv_lora_rank": rank,
        "qk_rope_head_dim": rope,
        "sliding_window_tokens": facts.sliding_window or "",
        "full_attention_layers": "" if all_full else facts.full_attention_layers,
        "full_kv_heads": facts.full_kv_heads or "",
        "full_head_dim": facts.full_head_dim or "",
        "indexed_layers": facts.indexed_layers or "",
        "state_mib_per_request": _state_mib(facts),
        "max_context_tokens": facts.max_context,
        "precision": facts.precision,
        "quantized": entry.stored.quantized,
        "group_size": entry.stored.group_size,
        "published_gib": f"{facts.checkpoint_gib:.2f}",
        "sources": found.source,
        "confidence": "derived",
    }
    return "\t".join(str(cells.get(column, "")) for column in rows("models.tsv")[0])


def figures(found: Inspected) -> str:
    """Say what sizing makes of the entry."""
    facts = found.entry.facts
    return (
        f"{facts.name}: KV cache {bytes_per_token(facts)} bytes a token, weights {facts.weights_gib:.2f} GiB "
        f"({found.source.replace(';', ', ')})"
    )


def _state_mib(facts: ModelFacts) -> str:
    return _short(facts.state_bytes / 2**20, 2) if facts.state_bytes else ""


def _short(number: float, digits: int) -> str:
    return f"{number:.{digits}f}".rstrip("0").rstrip(".")
