"""Names of what is composed for a placement.

While a Model moves it has two placements. What is composed for the first has plain names, such as
`vllm/namespace`; what is composed for a later one has the placement's tag in its names.
"""

from __future__ import annotations

from dataclasses import replace

from functions.base import Condition, Outcome, Progress, Request

from ..serve.endpoint import SHARED

__all__ = ["left", "only", "renamed", "tags"]

_PREFIX = "vllm/"


def tags(request: Request) -> list[str]:
    """Return the tags of the placements that something is live of, in order; a first one's is empty."""
    return sorted({_tag(n) for n in request.observed if n.startswith(_PREFIX) and n not in SHARED})


def only(request: Request, tag: str) -> Request:
    """Return the request as if one placement were the Model's only one, with plain names."""
    seen = {
        _plain(name): live
        for name, live in request.observed.items()
        if not name.startswith(_PREFIX) or name in SHARED or _is_of(name, tag)
    }
    return replace(request, observed=seen)


def renamed(outcome: Outcome, tag: str) -> Outcome:
    """Return an outcome of plain names with the names of a placement."""
    if not tag:
        return outcome
    return replace(
        outcome,
        resources=[
            replace(r, name=_name(r.name, tag), after=tuple(_name(n, tag) for n in r.after))
            for r in outcome.resources
        ],
        conditions=[_renamed(c, tag) for c in outcome.conditions],
        gone=[_name(name, tag) for name in outcome.gone],
    )


def left(request: Request, *staying: str) -> list[str]:
    """Return the composed resources to delete now of placements that the Model has left.

    The record of a placement and the record's Usage outlive the namespace, and the record its Usage:
    Crossplane does not go on to delete an object that a Usage still protects.

    Args:
        request: the Model's.
        staying: tags of the placements that the Model has.
    """
    leaving = [tag for tag in tags(request) if tag not in staying]
    last = {name for tag in leaving for name in _last(request, tag)}
    return [name for tag in leaving for name in request.observed if _is_of(name, tag) and name not in last]


def _last(request: Request, tag: str) -> list[str]:
    """Return what is still kept of a placement that the Model has left."""
    namespace, guard, record = (_name(f"vllm/{what}", tag) for what in ("namespace", "placed-last", "placed"))
    if namespace in request.observed:
        return [name for name in (guard, record) if name in request.observed]
    return [record] if guard in request.observed and record in request.observed else []


def _is_of(name: str, tag: str) -> bool:
    return name.startswith(_PREFIX) and name not in SHARED and _tag(name) == tag


def _renamed(condition: Condition | Progress, tag: str) -> Condition | Progress:
    if isinstance(condition, Condition):
        return condition
    return replace(condition, resources=tuple(_name(n, tag) for n in condition.resources))


def _name(plain: str, tag: str) -> str:
    return f"{_PREFIX}{tag}/{plain.removeprefix(_PREFIX)}" if tag and plain not in SHARED else plain


def _tag(name: str) -> str:
    tag, slash, _ = name.removeprefix(_PREFIX).partition("/")
    return tag if slash else ""


def _plain(name: str) -> str:
    return f"{_PREFIX}{name.rpartition('/')[2]}" if name.startswith(_PREFIX) else name
