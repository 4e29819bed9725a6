"""What is composed for one place of a Model, told apart from what is for another.

During a move both exist. The first place's resources have plain names, those of later ones a tag.
"""

from __future__ import annotations

from dataclasses import replace

from functions.base import Condition, Outcome, Progress, Request, Resource, by_itself

__all__ = ["CONNECTION", "frozen", "leaving", "only", "renamed", "tags"]

CONNECTION = "vllm/connection"
"""The one resource that is for the Model wherever it is: what apps call it with."""
_PREFIX = "vllm/"


def tags(request: Request) -> list[str]:
    """Return the tags of the places that something lives in, in order."""
    return sorted({_tag(n) for n in request.observed if n.startswith(_PREFIX) and n != CONNECTION})


def only(request: Request, tag: str) -> Request:
    """Return the request as if one place were all there is, with plain names."""
    seen = {
        _plain(name): live
        for name, live in request.observed.items()
        if not name.startswith(_PREFIX) or name == CONNECTION or _is_of(name, tag)
    }
    return replace(request, observed=seen)


def renamed(outcome: Outcome, tag: str) -> Outcome:
    """Return an outcome with plain names as one place's."""
    if not tag:
        return outcome
    resources = tuple(
        replace(resource, name=_name(resource.name, tag), after=tuple(_name(n, tag) for n in resource.after))
        for resource in outcome.resources
    )
    return replace(outcome, resources=resources, conditions=[_renamed(c, tag) for c in outcome.conditions])


def frozen(request: Request, tag: str) -> list[Resource]:
    """Carry a place on exactly as it is."""
    return [_keep(name) for name in request.observed if _is_of(name, tag)]


def leaving(request: Request, *staying: str) -> list[Resource]:
    """Carry on what has to go last of the places that the Model leaves.

    A record outlives its namespace, and its guard that: core does not get on with deleting
    what a Usage still keeps.

    Args:
        request: the Model's.
        staying: tags of the places that stay.
    """
    left = (tag for tag in tags(request) if tag not in staying)
    return [_keep(name) for tag in left for name in _last(request, tag)]


def _last(request: Request, tag: str) -> list[str]:
    """Return what still has to be there of a place that goes."""
    namespace, guard, record = (_name(f"vllm/{what}", tag) for what in ("namespace", "placed-last", "placed"))
    if namespace in request.observed:
        return [name for name in (guard, record) if name in request.observed]
    return [record] if guard in request.observed and record in request.observed else []


def _keep(name: str) -> Resource:
    return Resource(name, None, ready=by_itself, waits_for="nothing: it exists")


def _is_of(name: str, tag: str) -> bool:
    return name.startswith(_PREFIX) and name != CONNECTION and _tag(name) == tag


def _renamed(condition: Condition | Progress, tag: str) -> Condition | Progress:
    if isinstance(condition, Condition):
        return condition
    return replace(condition, resources=tuple(_name(n, tag) for n in condition.resources))


def _name(plain: str, tag: str) -> str:
    return f"{_PREFIX}{tag}/{plain.removeprefix(_PREFIX)}" if tag and plain != CONNECTION else plain


def _tag(name: str) -> str:
    tag, slash, _ = name.removeprefix(_PREFIX).partition("/")
    return tag if slash else ""


def _plain(name: str) -> str:
    return f"{_PREFIX}{name.rpartition('/')[2]}" if name.startswith(_PREFIX) else name
