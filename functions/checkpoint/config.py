"""The keys of a report: what config.json says, with what transformers adds where the file is silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.catalog.kinds import Kind, kinds

from .limits import LAYERS, require_within
from .refused import NotUnderstood
from .report import KEYS

__all__ = ["OWN_FILE", "Config"]

OWN_FILE = "Take the model's own config.json"
_LEFT_OUT: Mapping[str, Mapping[str, Any]] = {
    # Published Gemma 3 configs hold only what differs from transformers' Gemma3TextConfig:
    # https://github.com/huggingface/transformers/blob/v4.57.0/src/transformers/models/gemma3
    "gemma3_text": {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131072,
        "sliding_window_pattern": 6,
        "vocab_size": 262208,
    },
    # Every second layer is windowed, which only newer configs say.
    "gemma2": {"sliding_window_pattern": 2},
    "nemotron_h": {"n_groups": 8},
    "cohere2": {"sliding_window_pattern": 4},
}
"""What transformers adds by model_type where the file says nothing."""
_TIED = ("gemma", "gemma2", "gemma3_text", "gemma4_text", "cohere", "cohere2", "command-r")
"""Types whose embeddings are the head too where the file says nothing."""
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "kv_heads": ("num_key_value_heads", "num_attention_groups", "num_kv_heads"),
    "experts": ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"),
    "experts_per_token": (
        "num_experts_per_tok",
        "num_experts_per_token",
        "experts_per_token",
        "top_k_experts",
    ),
    "shared_experts": ("n_shared_experts", "num_shared_experts"),
    "shared_size": (
        "shared_expert_intermediate_size",
        "moe_shared_expert_intermediate_size",
        "shared_intermediate_size",
        "share_expert_dim",
    ),
    "expert_width": ("moe_latent_size", "routed_expert_hidden_size"),
    "speculative_layers": ("num_nextn_predict_layers", "mtp_num_hidden_layers"),
}
"""Names that several families give to one thing."""


class Config:
    """The keys of one model's config.json."""

    def __init__(self, keys: Mapping[str, Any]) -> None:
        """Take the keys of a report."""
        self._keys = keys
        self.model_type = str(keys.get("model_type") or "")[:100]

    def get(self, key: str) -> Any:
        """Return a key, else what transformers would add; None where neither says it.

        Raises:
            NotUnderstood: for a value beyond the limits.
        """
        assert key in KEYS, f"{key} is in no report"
        found = self._keys.get(key)
        require_within("config.json", key, found)
        return _LEFT_OUT.get(self.model_type, {}).get(key) if found is None else found

    def first(self, thing: str) -> int:
        """Return a number that several families name differently; 0 where none of the names is there."""
        for key in _OTHER_NAMES[thing]:
            found = self.get(key)
            if isinstance(found, int) and not isinstance(found, bool) and found > 0:
                return found
        return 0

    def optional(self, key: str) -> int:
        """Return a key that is a whole number; 0 where it is missing, 0 or no number."""
        found = self.get(key)
        return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0

    def number(self, key: str) -> int:
        """Return a key that has to be a whole number above 0.

        Raises:
            NotUnderstood: when it is not.
        """
        found = self.get(key)
        if found is None:
            raise self.missing(key)
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise NotUnderstood(f"config.json: {key}", f"{found!r} is no whole number above 0", OWN_FILE)
        return found

    def count(self, key: str) -> Mapping[str, int] | None:
        """Return the layers by word of a key that has a word for each layer; None without the key.

        Raises:
            NotUnderstood: for more layers than any model has.
        """
        found = self.get(key)
        if not isinstance(found, Mapping):
            return None
        if not all(isinstance(layers, int) and 0 < layers <= LAYERS for layers in found.values()):
            raise NotUnderstood(f"config.json: {key}", f"it does not name 1 to {LAYERS} layers", OWN_FILE)
        return found

    @property
    def tied(self) -> bool:
        """Whether the embeddings are the head too."""
        stated = self.get("tie_word_embeddings")
        return self.model_type in _TIED if stated is None else bool(stated)

    @property
    def kind(self) -> Kind:
        """How vLLM serves it.

        Raises:
            NotUnderstood: for a model_type that kinds.tsv does not have.
        """
        if not self.model_type:
            raise self.missing("model_type")
        found = kinds().get(self.model_type)
        if found is None:
            raise NotUnderstood(
                "config.json: model_type",
                f"this version does not know what vLLM caches of models of type {self.model_type}",
                "Name a model of a known type, or ask for this type to be supported",
            )
        return found

    def missing(self, key: str, more: str = "") -> NotUnderstood:
        """Say that a key has to be there."""
        return NotUnderstood(
            f"config.json: {key}",
            f"it is missing{more}",
            f"{OWN_FILE}, or add the key if the model's card says its value",
        )
