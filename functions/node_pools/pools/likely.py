"""What somebody meant who wrote a name that is not there, or not spelled like this."""

from __future__ import annotations

from collections.abc import Iterable

from functions.api import NodePool
from functions.catalog import gpu_named, nearest

__all__ = ["did_you_mean", "likely_first", "with_known_gpu"]


def with_known_gpu(asked: NodePool) -> NodePool:
    """Return a node pool with the catalog's name of its GPU, where the catalog knows the GPU."""
    known = gpu_named(asked.gpu.model) if asked.gpu else None
    if asked.gpu is None or known is None:
        return asked
    return asked.model_copy(update={"gpu": asked.gpu.model_copy(update={"model": known.name})})


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return the question, with the space after it; nothing when no name is likely."""
    names = _meant(given, sorted(known))
    return f"Did you mean {' or '.join(names)}? " if names else ""


def likely_first(given: str, known: Iterable[str]) -> list[str]:
    """Return all the names, those that were likely meant in front."""
    names = sorted(known)
    meant = _meant(given, names)
    return [*meant, *(name for name in names if name not in meant)]


def _meant(given: str, known: list[str]) -> list[str]:
    """Return the names that go on like this (A100: A100-40GB), else the nearest with its first letter.

    The letter keeps AMD's MI300X from being taken for a B300.
    """
    longer = [name for name in known if name.lower().startswith(given.lower())]
    if longer:
        return longer[:3]
    return [name for name in nearest(given, known) if name[0].lower() == given[:1].lower()][:1]
