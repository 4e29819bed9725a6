"""What `freehold check` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from functions.base import Whose

__all__ = ["Finding", "State", "Unreadable"]


class State(StrEnum):
    """Whether something is as Freehold needs it."""

    OK = "ok"
    MISSING = "missing"
    """Not there, or not as it has to be."""
    UNREADABLE = "unreadable"
    """Who asks may not look at it."""
    UNKNOWN = "unknown"
    """No API server tells."""
    NOTE = "note"
    """As it may be, and somebody may want it otherwise."""


@dataclass(frozen=True)
class Finding:
    """One thing, and how it is."""

    subject: str
    """What was looked for, such as `Provider provider-helm`."""
    state: State
    says: str
    """How it is, as a clause."""
    whose: Whose
    mend: str = ""
    """The command that mends it; empty where nothing has to be done."""

    @property
    def is_bad(self) -> bool:
        """Whether it keeps the cluster from being called good."""
        return self.state in (State.MISSING, State.UNREADABLE)


class Unreadable(Exception):  # noqa: N818  (a right that is missing, not an error of the program)
    """The API server refuses to show something."""

    def __init__(self, verb: str, plural: str, namespace: str = "") -> None:
        """Keep what was asked, as `kubectl auth can-i` takes it."""
        super().__init__(f"{verb} {plural}" + (f" --namespace {namespace}" if namespace else ""))
