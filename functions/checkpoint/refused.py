"""The refusal of files that no facts can be made of."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NotUnderstood"]

_MOST_LETTERS = 400


@dataclass
class NotUnderstood(Exception):  # noqa: N818  (it says what the files are)
    """A model whose files say something unknown, contradict themselves or leave out what counts."""

    key: str
    """File and key, such as `config.json: layer_types`."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Key, problem and remedy in one line, of a length that a status can have whatever a file says."""
        problem = " ".join(self.problem.split())
        if len(problem) > _MOST_LETTERS:
            problem = f"{problem[:_MOST_LETTERS]}..."
        return f"{self.key[:_MOST_LETTERS]}: {problem}. {self.remedy}."
