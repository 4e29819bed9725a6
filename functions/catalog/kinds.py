"""How the engine serves each `model_type` of config.json, from `kinds.tsv`.

The column `vllm` names the modules of vLLM 0.27.1 (vllm/model_executor/models) that a row was read
from; which types vLLM compresses (MLA) stands in its model_arch_config_convertor.py.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from .tables import rows

__all__ = ["Kind", "kinds"]


class Kind(NamedTuple):
    """How vLLM serves one model_type."""

    model_type: str
    cache: str
    """heads (keys and values of each head), latent (MLA), expanded (MLA that vLLM caches as heads), none."""
    layers: str
    """all, window (every layer has it), windows (some layers have it), chunks (Llama 4) or hybrid."""
    state: str
    """Of layers without attention: delta, kda, mamba, mamba1, lightning or conv."""
    mlp_matrices: int
    """3 with a gate, 2 without."""
    states_head_dim: bool
    """Whether config.json has to state the size of a head: it is not hidden_size / num_attention_heads."""


@cache
def kinds() -> dict[str, Kind]:
    """Return the known kinds by model_type."""
    return {
        row["model_type"]: Kind(
            row["model_type"],
            row["cache"],
            row["layers"],
            row["state"],
            int(row["mlp"]),
            row["head_dim"] == "stated",
        )
        for row in rows("kinds.tsv")
    }
