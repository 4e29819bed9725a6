"""A move of a live Model to another node pool: announced, and agreed to by naming the pool.

The old place serves until the new one does, so both take GPUs for a while; then the endpoint
follows, and the old place goes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from functions.api import ModelSpec, Placement, VLLMInput
from functions.base import Condition, Request, Whose, digest

from ..place.search import facts_of, search, unknown_model
from ..size import memory
from .recorded import Placed, placement_of, sizing_of, takes, waiting, where

__all__ = ["GOES_ON", "Moving", "leave", "names_another"]

GOES_ON = "The Model goes on as it was"


@dataclass(frozen=True)
class Moving:
    """A Model between two places."""

    old: Placement
    new: Placed


def names_another(spec: ModelSpec, recorded: Placement) -> bool:
    """Tell whether the spec names another cluster or node pool than the Model's."""
    choice = spec.cluster
    if choice is None or choice.name is None:
        return False
    namespace, _, name = recorded.claim.partition("/")
    here = choice.name == name and choice.namespace in (None, namespace)
    return not here or choice.node_pool not in (None, recorded.node_pool)


def leave(
    request: Request, spec: ModelSpec, given: VLLMInput, recorded: Placement, why: str
) -> Moving | Condition:
    """Move to the node pool that the spec names; if it names none, say where the Model would go.

    Args:
        request: the Model's.
        spec: which the Model's place is not right for.
        given: the function's input.
        recorded: the Model's place.
        why: it is not right, as a sentence without a full stop.

    Raises:
        Invalid: for a spec that no cluster could serve.
        Unanswered: when the clusters are not known yet.
    """
    facts = facts_of(spec, given)
    if facts is None:
        problem = str(unknown_model(spec.model)).rstrip(".")
        return waiting(Whose.MODEL, "UnknownModel", f"{problem}. {GOES_ON}")
    what = memory.need(spec, facts)
    choices = search(request, spec, given, what)
    if isinstance(choices, Condition):
        return replace(choices, message=f"{choices.message}. {GOES_ON}")
    # Never the name of a place that the Model may still be leaving.
    best = choices.best
    assert best is not None, "search found one"
    tag = digest(best.candidate.name, best.pool.name, recorded.tag_in_names)
    target = placement_of(request, choices, spec, what, tag)
    if (target.cluster, target.node_pool) == (recorded.cluster, recorded.node_pool):
        return waiting(Whose.MODEL, "CannotMove", _another_workload(recorded, target))
    if spec.cluster is None or spec.cluster.node_pool is None:
        return waiting(Whose.MODEL, "MoveAnnounced", _announced(recorded, target, why))
    on_its_way = waiting(
        Whose.INFRASTRUCTURE,
        "Moving",
        f"moves to {where(target)}, {takes(target)} a replica: it serves on {where(recorded)} until it does "
        "there",
    )
    return Moving(recorded, Placed(target, on_its_way, sizing_of(what, choices)))


def _another_workload(recorded: Placement, target: Placement) -> str:
    return (
        f"this Model runs on {takes(recorded)}, and the spec now needs {takes(target)} of the same node "
        "pool, which is another workload: ask for less again, or delete this Model and claim it again. "
        f"{GOES_ON}"
    )


def _announced(recorded: Placement, target: Placement, why: str) -> str:
    namespace, _, name = target.claim.partition("/")
    return (
        f"{why}. It would move to {where(target)}, {takes(target)} a replica: its weights are downloaded "
        f"again there, it serves on {where(recorded)} until it does there, and then its address changes. To "
        f"agree, set spec.cluster to {{namespace: {namespace}, name: {name}, nodePool: {target.node_pool}}}. "
        f"{GOES_ON}"
    )
