"""function-vllm: from a Model to its serving pods, and what a live one needs to change."""

from __future__ import annotations

from dataclasses import replace

from functions.api import Endpoint, ModelSpec, Sizing, VLLMInput
from functions.base import Condition, Function, Outcome, Request, Whose

from .live.move import Moving
from .live.names import CONNECTION, left, only, renamed
from .live.recorded import Placed, placed_on
from .live.stay import CLUSTER_MISSING, record_is_lost, recorded_placement, stay
from .place.clusters import is_gone_for_good
from .place.search import place
from .serve.resources import AFTER_PLACED, SERVING, answers, carried_on, composed

__all__ = ["FUNCTION", "compose"]


def compose(request: Request) -> Outcome:
    """Place the Model, or go on from its place, and compose everything around it."""
    spec, given = request.spec(ModelSpec), request.parameters(VLLMInput)
    recorded = recorded_placement(request)
    placed = place(request, spec, given) if recorded is None else stay(request, spec, given, recorded)
    if isinstance(placed, Moving):
        return _moving(request, spec, given, placed)
    tag = recorded.tag_in_names if recorded else ""
    here = only(request, tag)
    said = placed if isinstance(placed, Condition) else placed.condition
    missing = said is not None and said.reason == CLUSTER_MISSING
    lost = missing and recorded is not None and is_gone_for_good(request, recorded)
    # Where nothing was recorded to render from, there is nothing to compute it with either.
    if isinstance(placed, Condition) or placed.sizing is None:
        return replace(renamed(carried_on(here, said), tag), unreachable=lost)
    made = renamed(composed(here, spec, given, placed, recorded), tag)
    return replace(made, gone=[*made.gone, *_left(request, placed, tag)], unreachable=lost)


def _left(request: Request, placed: Placed, *staying: str) -> list[str]:
    """Return what goes of the places that the Model has left, once it is sure which it is in."""
    return left(request, *staying) if placed.known and not record_is_lost(request) else []


def _moving(request: Request, spec: ModelSpec, given: VLLMInput, move: Moving) -> Outcome:
    """Build the new place beside the old one, which serves until then and a look longer."""
    tag = move.new.placement.tag_in_names
    there = only(request, tag)
    made = composed(there, spec, given, move.new, None)
    arrived = _arrived(there, made)
    made = renamed(made, tag)
    made = replace(made, gone=[*made.gone, *_left(request, move.new, tag, move.old.tag_in_names)])
    if arrived:
        conditions = [placed_on(move.new.placement), *made.conditions[1:]]
        return replace(made, conditions=conditions)
    standing = {"endpoint": request.status(Endpoint, "endpoint"), "sizing": request.status(Sizing, "sizing")}
    status = {key: value.plain() for key, value in standing.items() if value is not None}
    was = move.old.tag_in_names
    serves = renamed(Outcome(conditions=[answers(only(request, was))]), was).conditions
    return replace(
        made,
        resources=[r for r in made.resources if r.name != CONNECTION],
        conditions=[*made.conditions[:2], *serves],
        status={**status, "placement": move.old.plain()},
    )


def _arrived(there: Request, made: Outcome) -> bool:
    """Tell whether the new place answers: everything that serving needs is there and ready."""
    needed = {r.name: r.ready for r in made.resources if r.name in SERVING and r.name != CONNECTION}
    views = {name: there.resource(name) for name in needed}
    return all(view is not None and needed[name](view) for name, view in views.items())


FUNCTION = Function(
    name="vllm",
    conditions=("Placed", *AFTER_PLACED),
    status=("endpoint", "placement", "sizing"),
    author=Whose.MODEL,
    compose=compose,
)
