"""function-vllm: from a Model to its serving pods, and from a changed spec to what changes of a live one."""

from __future__ import annotations

from dataclasses import replace

from functions.api import Endpoint, ModelSpec, Placement, Sizing, VLLMInput
from functions.base import Condition, Function, Outcome, Request, Whose

from .engine import engine_of
from .hub.read import Known, know, without_reading
from .live.arguments import runs_with
from .live.move import Moving
from .live.names import left, only, renamed
from .live.placement import Placed, placed_on, placement_of, sizing_of
from .live.stay import CLUSTER_MISSING, is_sized_again, placement_is_lost, recorded_placement, startable, stay
from .place.clusters import is_gone_for_good
from .place.search import search
from .plan import image_of
from .resources import carried_on, composed
from .serve.endpoint import SHARED
from .size.need import need
from .status.conditions import AFTER_PLACED, NEEDED_TO_SERVE, live_serving

__all__ = ["FUNCTION", "compose"]


def compose(request: Request) -> Outcome:
    """Place the Model, or keep its placement, and compose everything around it.

    Raises:
        Invalid: for a spec that no cluster, or the engine, could serve.
    """
    spec, given = request.spec(ModelSpec), request.parameters(VLLMInput)
    whole, request = request, replace(request, observed=without_reading(request))
    recorded = startable(request, spec, recorded_placement(request))
    engine, used = engine_of(spec), image_of(spec, given, recorded)
    if recorded is None or recorded.image != used:
        # A live Model goes on with its image, whatever this package would start.
        engine.refuse_image(spec, used)
    engine.refuse_spec(spec, used)
    args = spec.engine.args
    if args and not runs_with(only(request, recorded.tag_in_names if recorded else ""), args):
        # A newer package may count otherwise; what runs with its arguments goes on.
        engine.refuse_uncounted(spec)
    known = know(
        whole, spec, given, recorded, needed=recorded is None or is_sized_again(request, spec, recorded)
    )
    made = _placed(request, spec, given, recorded, known)
    return replace(
        made,
        resources=[*made.resources, *known.resources],
        gone=[*made.gone, *known.gone],
        status={**made.status, **known.status},
        unreachable=made.unreachable or known.unreachable,
    )


def _placed(
    request: Request, spec: ModelSpec, given: VLLMInput, recorded: Placement | None, known: Known
) -> Outcome:
    """Place the Model, or keep its placement, and compose everything around it but what reads its files."""
    placed = (
        _place(request, spec, given, known)
        if recorded is None
        else stay(request, spec, given, recorded, known)
    )
    if isinstance(placed, Moving):
        return _moving(request, spec, given, placed)
    tag = recorded.tag_in_names if recorded else ""
    own = only(request, tag)
    condition = placed if isinstance(placed, Condition) else placed.condition
    missing = condition is not None and condition.reason == CLUSTER_MISSING
    lost = missing and recorded is not None and is_gone_for_good(request, recorded)
    if isinstance(placed, Condition) or placed.sizing is None:
        return replace(renamed(carried_on(own, condition), tag), unreachable=lost)
    made = renamed(composed(own, spec, given, placed, recorded), tag)
    return replace(made, gone=[*made.gone, *_left(request, placed, tag)], unreachable=lost)


def _place(request: Request, spec: ModelSpec, given: VLLMInput, known: Known) -> Placed | Condition:
    """Choose a node pool among all clusters, or say why none holds the Model.

    Raises:
        Invalid: for a spec that no cluster could serve.
        Unanswered: when the clusters are not known yet.
    """
    if known.facts is None:
        assert known.unknown is not None, "it says why"
        return known.unknown
    engine_of(spec).refuse_model(spec, image_of(spec, given, None), known.facts)
    replica = need(spec, known.facts)
    choices = search(request, spec, given, replica)
    if isinstance(choices, Condition):
        return choices
    placement = placement_of(request, choices, spec, replica, image=image_of(spec, given, None))
    return Placed(placement, placed_on(placement), sizing_of(replica, choices))


def _left(request: Request, placed: Placed, *staying: str) -> list[str]:
    """Return what goes of the placements that the Model has left, once its own placement is sure."""
    return left(request, *staying) if placed.known and not placement_is_lost(request) else []


def _moving(request: Request, spec: ModelSpec, given: VLLMInput, move: Moving) -> Outcome:
    """Compose the new placement beside the old one, which serves until the new one answers.

    What is composed for the old placement goes with the next reconcile after that.
    """
    tag, old_tag = move.new.placement.tag_in_names, move.old.tag_in_names
    own = only(request, tag)
    made = composed(own, spec, given, move.new, None)
    arrived = _answers(own, made)
    made = renamed(made, tag)
    made = replace(made, gone=[*made.gone, *_left(request, move.new, tag, old_tag)])
    if arrived:
        return replace(made, conditions=[placed_on(move.new.placement), *made.conditions[1:]])
    standing = {"endpoint": request.status(Endpoint, "endpoint"), "sizing": request.status(Sizing, "sizing")}
    status = {key: value.plain() for key, value in standing.items() if value is not None}
    serves = renamed(Outcome(conditions=[live_serving(only(request, old_tag))]), old_tag).conditions
    return replace(
        made,
        resources=[r for r in made.resources if r.name not in SHARED],
        gone=[name for name in made.gone if name not in SHARED],
        conditions=[*made.conditions[:2], *serves],
        status={**status, "placement": move.old.plain()},
        connection=None,
    )


def _answers(request: Request, made: Outcome) -> bool:
    """Tell whether all that a placement needs to serve exists and is ready."""
    needed = {r.name: r.ready for r in made.resources if r.name in NEEDED_TO_SERVE and r.name not in SHARED}
    views = {name: request.resource(name) for name in needed}
    return all(view is not None and needed[name](view) for name, view in views.items())


FUNCTION = Function(
    name="vllm",
    conditions=("Placed", *AFTER_PLACED),
    status=("endpoint", "placement", "sizing", "weights", "engine", "model", "pods"),
    author=Whose.MODEL,
    compose=compose,
)
