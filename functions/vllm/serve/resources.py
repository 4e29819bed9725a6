"""Everything composed for one place of a Model, and what its conditions say."""

from __future__ import annotations

from functions.api import Endpoint, ModelSpec, Placement, VLLMInput
from functions.base import Condition, Outcome, Progress, Request, Resource, Status, Whose, condition_true

from ..live.names import CONNECTION
from ..live.record import record
from ..live.recorded import Placed, takes
from ..live.stay import record_is_lost, storage
from ..plan import Plan, make_plan
from ..source.weights import download, is_download, is_volume, keep, token, volume, volume_name
from ..status.stuck import stuck
from .deployment import WORKLOADS, serving, workload
from .endpoint import connection, endpoint
from .namespace import namespace, network_policies, service

__all__ = ["AFTER_PLACED", "SERVING", "answers", "carried_on", "composed"]

AFTER_PLACED = ("WeightsReady", "Serving")
"""Conditions of a Model that has a place."""
SERVING = (
    *WORKLOADS,
    "vllm/service",
    "vllm/network-policy-default-deny",
    "vllm/network-policy-serving",
    CONNECTION,
)
"""What has to be there and ready for a Model to answer."""
_ANSWERS = "the Model answers at its endpoint"


def answers(request: Request) -> Condition | Progress:
    """The condition Serving of what lives in a place, whatever its spec."""
    workload = serving(request.observed) or WORKLOADS[0]
    return stuck(request) or Progress("Serving", (workload, "vllm/service"), _ANSWERS)


def carried_on(request: Request, said: Condition | None) -> Outcome:
    """Leave everything as it is, and say how it does."""
    conditions = [said] if said else []
    live = {name for name in request.observed if name.startswith("vllm/")}
    if not live:
        waits = "waits for a place: see the condition Placed"
        conditions += [Condition(t, Status.FALSE, "NotPlaced", waits, Whose.MODEL) for t in AFTER_PLACED]
        return Outcome(conditions=conditions, complete=False)
    weights = tuple(sorted(name for name in live if is_download(name) or is_volume(name)))
    return Outcome(
        conditions=[
            *conditions,
            Progress("WeightsReady", ("vllm/namespace", *weights), "the weights are downloaded"),
            answers(request),
        ],
        complete=False,
    )


def composed(
    request: Request, spec: ModelSpec, given: VLLMInput, placed: Placed, recorded: Placement | None
) -> Outcome:
    """Compose a place; `recorded` is what the status says of it, where the Model lives there already."""
    size = placed.sizing
    assert size is not None, "the caller looked"
    stored = size.checkpoint_gib or size.weights_gib
    plan = make_plan(request, spec, given, placed.placement, stored, size.context_length)
    replaced = _weights_being_replaced(request, plan, recorded)
    resources = _resources(request, plan, replaced)
    # Apps follow the endpoint: it names the new model when that is served.
    standing = request.status(Endpoint, "endpoint") if replaced else None
    status = {
        "endpoint": (standing or endpoint(plan)).plain(),
        "placement": _served(plan, replaced).plain(),
        "sizing": size.plain(),
    }
    said = [placed.condition] if placed.condition else []
    complete = placed.complete and not record_is_lost(request)
    return Outcome(resources, [*said, *_progress(request, plan, resources)], status, complete)


def _resources(request: Request, plan: Plan, replaced: Placement | None) -> list[Resource]:
    """Everything around a placed Model; while new weights arrive, the old ones are served."""
    fetch = _download(request, plan, replaced)
    store = volume(plan)
    if request.resource(store.name):
        store = keep(store.name)
    served, called = workload(plan, fetch.name), connection(plan)
    kept: list[Resource] = []
    if replaced:
        old = [name for name in request.observed if is_download(name, replaced.weights)]
        kept = [keep(f"vllm/{volume_name(replaced.weights)}"), *map(keep, old)]
        served = Resource(served.name, None, served.after, served.ready, waits_for="the new weights")
        called = [Resource(r.name, None, ready=r.ready, waits_for="the new weights") for r in called]
    home = namespace(plan)
    return [
        home,
        *record(plan, home),
        *network_policies(plan),
        *token(plan),
        *kept,
        store,
        fetch,
        served,
        service(plan),
        *called,
    ]


def _download(request: Request, plan: Plan, replaced: Placement | None) -> Resource:
    """The download that filled the volume, the one under way, or a new one."""
    weights, live = plan.placement.weights, bool(serving(request.observed))
    under_way = [name for name in request.observed if is_download(name, weights)]
    finished = _finished(request, weights)
    if not finished and live and replaced is None and under_way:
        # Its volume is served, so it is done, whatever its Object says of the moment.
        finished = under_way[0]
    if finished:
        return keep(finished)
    # One that began before there were serving pods goes on where it is.
    variants = [download(plan, beside_serving=beside) for beside in (live, not live)]
    return next((v for v in variants if v.name in under_way), variants[0])


def _finished(request: Request, weights: str) -> str:
    """Return the composed resource of the download that filled a volume, if one did."""
    done = condition_true()
    for name in request.observed:
        view = request.resource(name)
        if is_download(name, weights) and view is not None and done(view):
            return name
    return ""


def _weights_being_replaced(request: Request, plan: Plan, recorded: Placement | None) -> Placement | None:
    """Return the placement whose weights are served while others are still downloaded."""
    if recorded is None or recorded.weights in ("", plan.placement.weights):
        return None
    return None if _finished(request, plan.placement.weights) else recorded


def _served(plan: Plan, replaced: Placement | None) -> Placement:
    """Return the placement to record, with the weights that are being served and their volume."""
    if replaced is None:
        return plan.placement
    return plan.placement.model_copy(update={"weights": replaced.weights, **storage(replaced)})


def _progress(request: Request, plan: Plan, resources: list[Resource]) -> list[Condition | Progress]:
    weights = plan.placement.weights
    names = [r.name for r in resources]
    fetching = ("vllm/namespace", f"vllm/{volume_name(weights)}", "vllm/hub-token")
    fetch = next(name for name in names if is_download(name, weights))
    ready = Progress(
        "WeightsReady",
        (*(name for name in fetching if name in names), fetch),
        f"{plan.spec.model} at {plan.spec.revision} is downloaded",
        hint="If this lasts: check that the model and revision exist, that a GPU is free in the pool and, "
        "for a gated model, that spec.source.huggingFace.tokenSecretRef names a Secret with access",
    )
    if plan.spec.replicas.min == 0:
        text = "scaled to zero: set spec.replicas.min to 1 or more to serve"
        return [ready, Condition("Serving", Status.FALSE, "ScaledToZero", text, Whose.MODEL)]
    served = Progress(
        "Serving",
        tuple(name for name in SERVING if name in names),
        _ANSWERS,
        hint=f"Loading takes up to {plan.startup_seconds // 60} minutes; if this lasts, check that "
        f"{takes(plan.placement)} are free in node pool {plan.placement.node_pool} and that the image can be "
        "pulled there",
    )
    return [ready, stuck(request) or served]
