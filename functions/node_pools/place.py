"""What function-node-pools needs to know of a place: of AWS, or of clusters that existed before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from functions.api import ClusterSpec, NodePoolsInput
from functions.base import Condition, Outcome, Request

from .models.in_use import InUse

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Where a cluster can be. A spec names exactly one place."""

    name: str
    """Field of the spec that names the place, such as aws."""
    creates: bool
    """Whether the claim creates the cluster there."""
    refusal: Callable[[str, ClusterSpec, NodePoolsInput], Condition | None]
    """Returns why claims in a namespace may not have the cluster that they ask for; None where they may."""
    compose: Callable[[Request, ClusterSpec, NodePoolsInput, InUse], Outcome]
    """Composes the cluster; raises Invalid where the spec asks for what the place cannot give."""
    label: str = ""
    """A cloud's name in messages, such as AWS; empty for what is no cloud."""
    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Kinds of a cloud's managed resources that are composed there, by API group."""
