"""What can stop a function, and what each stop means for what already runs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Invalid", "Unanswered"]


@dataclass
class Invalid(Exception):  # noqa: N818  (it reads as what the spec is)
    """The spec, or the function's input, asks for something that cannot be done.

    The only cause of a FATAL result: Crossplane then applies nothing and leaves
    what exists alone. Never raise it for something that is merely missing.
    """

    field: str
    """Path of the field, as the user wrote it: `spec.nodePools[0].gpu.model`."""
    problem: str
    """What is wrong with it, with the value that was given."""
    remedy: str
    """What to write instead."""
    reason: str = "InvalidSpec"
    """CamelCase, for the condition."""

    def __str__(self) -> str:
        """Field, problem and remedy in one line."""
        return f"{self.field}: {self.problem}. {self.remedy}."


class Unanswered(Exception):  # noqa: N818  (as what the requirement is)
    """A required resource or kind was asked for and Crossplane has not answered yet.

    `base` turns it into a response that carries on everything that exists.
    """
