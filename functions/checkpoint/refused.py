"""The refusal of files that no facts can be made of."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NotUnderstood"]


@dataclass
class NotUnderstood(Exception):  # noqa: N818  (it says what the files are)
    """A model whose files say something unknown, contradict themselves or leave out what counts."""

    key: str
    """File and key, such as `config.json: layer_types`."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Key, problem and remedy in one line."""
        return f"{self.key}: {self.problem}. {self.remedy}."
