"""A place that a cluster can be in, as the spec of an InferenceCluster has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..node_pool import NodePool
from ..schema import Rule, Schema

__all__ = ["Place", "one_of", "stays"]


def _any(_: Sequence[NodePool]) -> None:
    """Take any node pools."""


@dataclass(frozen=True)
class Place:
    """What a place says of itself; its file in this package is all that there is of it in the API."""

    name: str
    """Field of the spec."""
    model: type[Schema]
    """Of the field."""
    about: str
    """Description of the field."""
    created: bool
    """Whether the claim makes the cluster there."""
    rules: tuple[Rule, ...] = ()
    """Of the whole spec, each beginning with a look whether the place is named."""
    check: Callable[[Sequence[NodePool]], None] = _any
    """The same rules over node pools in Python; raises ValueError in the rules' words."""


def one_of(places: Sequence[Place]) -> Rule:
    """Return the rule of a spec that it names exactly one place."""
    named = " + ".join(f"(has(self.{place.name}) ? 1 : 0)" for place in places)
    return Rule(f"{named} == 1", f"name exactly one of {_listed(places)}: where the cluster is")


def stays(places: Sequence[Place]) -> Rule:
    """Return the rule of a spec that a cluster stays in its place; where all but one do, that does too."""
    same = " && ".join(f"has(self.{place.name}) == has(oldSelf.{place.name})" for place in places[1:])
    return Rule(same, f"a live cluster cannot change between {_listed(places)}: claim a new one")


def _listed(places: Sequence[Place]) -> str:
    *most, last = (place.name for place in places)
    return f"{', '.join(most)} and {last}"
