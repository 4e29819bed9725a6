"""A move of a live Model to another node pool: announced, and agreed to by naming the pool in the spec.

The old placement serves until the new one does, so both take GPUs for a while. Then the endpoint
changes, and what was composed for the old placement is deleted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from functions.api import ModelSpec, Placement, VLLMInput
from functions.base import Condition, Request, Whose, digest

from ..engine import engine_of
from ..hub.read import Known
from ..place.search import search
from ..place.why_not import not_placed
from ..plan import image_of
from ..size.need import need
from .placement import Placed, placement_of, sizing_of, takes, where

__all__ = ["GOES_ON", "Moving", "goes_on", "leave", "names_another"]

GOES_ON = "Until then the Model runs as before"


class Moving(NamedTuple):
    """A Model that moves from one placement to another."""

    old: Placement
    new: Placed


def goes_on(condition: Condition | None) -> Condition:
    """Return why a changed spec is not carried out, of a Model that runs as before."""
    assert condition is not None, "there is a reason"
    return replace(condition, message=f"{condition.message}. {GOES_ON}")


def names_another(spec: ModelSpec, recorded: Placement) -> bool:
    """Tell whether the spec names another cluster or node pool than the Model's."""
    choice = spec.cluster
    if choice is None or choice.name is None:
        return False
    namespace, _, name = recorded.claim.partition("/")
    same = choice.name == name and choice.namespace in (None, namespace)
    return not same or choice.node_pool not in (None, recorded.node_pool)


def leave(
    request: Request, spec: ModelSpec, given: VLLMInput, recorded: Placement, known: Known, why: str
) -> Moving | Condition:
    """Move to the node pool that the spec names; where it names none, say where the Model would move.

    Args:
        request: the Model's.
        spec: which the Model's placement does not satisfy.
        given: the function's input.
        recorded: the Model's placement.
        known: what is known of the model.
        why: the spec is not satisfied, as a sentence without a full stop.

    Raises:
        Invalid: for a spec that no cluster could serve.
        Unanswered: when the clusters are not known yet.
    """
    if known.facts is None:
        return goes_on(known.unknown)
    engine_of(spec).refuse_model(spec, image_of(spec, given, recorded), known.facts)
    replica = need(spec, known.facts)
    choices = search(request, spec, given, replica)
    if isinstance(choices, Condition):
        return goes_on(choices)
    best = choices.best
    assert best is not None, "a search without a best choice returns a condition"
    # With the old tag in it, so that no placement that the Model may still be leaving has the same tag.
    tag = digest(best.cluster.name, best.pool.name, recorded.tag_in_names)
    image = image_of(spec, given, recorded)
    target = placement_of(request, choices, spec, replica, image=image, tag=tag)
    if (target.cluster, target.node_pool) == (recorded.cluster, recorded.node_pool):
        return not_placed(Whose.MODEL, "CannotMove", _another_workload(recorded, target))
    if spec.cluster is None or spec.cluster.node_pool is None:
        return not_placed(Whose.MODEL, "MoveAnnounced", _announced(recorded, target, why))
    on_its_way = not_placed(
        Whose.INFRASTRUCTURE,
        "Moving",
        f"moves to {where(target)}, {takes(target)} per replica: the Model serves on {where(recorded)} until "
        "it answers there",
    )
    return Moving(recorded, Placed(target, on_its_way, sizing_of(replica, choices)))


def _another_workload(recorded: Placement, target: Placement) -> str:
    return (
        f"this Model runs on {takes(recorded)}, and the changed spec needs {takes(target)} of the same node "
        "pool. A live Model cannot change between one node and several: undo the change, or delete this "
        f"Model and create it again. {GOES_ON}"
    )


def _announced(recorded: Placement, target: Placement, why: str) -> str:
    namespace, _, name = target.claim.partition("/")
    return (
        f"{why}. The Model can move to {where(target)}, {takes(target)} per replica: its weights are "
        f"downloaded there, it serves on {where(recorded)} until it answers there, and then its endpoint "
        "changes. To agree, set spec.cluster to "
        f"{{namespace: {namespace}, name: {name}, nodePool: {target.node_pool}}}. {GOES_ON}"
    )
