"""Everything composed for one place of a Model, and what its conditions say."""

from __future__ import annotations

from dataclasses import dataclass

from functions.api import Endpoint, ModelSpec, Placement, VLLMInput
from functions.base import (
    Condition,
    Outcome,
    Progress,
    Request,
    Resource,
    Status,
    Whose,
    condition_true,
)

from ..live.names import CONNECTION
from ..live.record import record
from ..live.recorded import Placed, takes
from ..live.stay import record_is_lost, storage
from ..plan import Plan, make_plan
from ..source.weights import TOKEN, download, is_download, is_volume, token, volume, volume_name
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
        return Outcome(conditions=conditions)
    weights = tuple(sorted(name for name in live if is_download(name) or is_volume(name)))
    return Outcome(
        conditions=[
            *conditions,
            Progress("WeightsReady", ("vllm/namespace", *weights), "the weights are downloaded"),
            answers(request),
        ],
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
    fetch = _download(request, plan, replaced)
    resources = _resources(request, plan, fetch, replaced)
    # Apps follow the endpoint: it names the new model when that is served.
    standing = request.status(Endpoint, "endpoint") if replaced else None
    status = {
        "endpoint": (standing or endpoint(plan)).plain(),
        "placement": _served(plan, replaced).plain(),
        "sizing": size.plain(),
    }
    said = [placed.condition] if placed.condition else []
    sure = placed.known and not record_is_lost(request)
    return Outcome(
        resources,
        [*said, *_progress(request, plan, fetch.name, resources)],
        status,
        gone=_gone(request, plan, fetch.name, replaced) if sure else (),
    )


def _gone(request: Request, plan: Plan, fetch: str, replaced: Placement | None) -> list[str]:
    """Return volumes and downloads of weights that are served no more, and the copy of a token."""
    needed = [f"vllm/{volume_name(plan.placement.weights)}"]
    if replaced:
        needed.append(f"vllm/{volume_name(replaced.weights)}")
    gone = []
    for name in request.observed:
        of_replaced = replaced is not None and is_download(name, replaced.weights)
        if is_volume(name) and name not in needed:
            gone.append(name)
        if is_download(name) and name != fetch and not of_replaced:
            gone.append(name)
    if TOKEN in request.observed and plan.spec.source.hugging_face.token_secret_ref is None:
        gone.append(TOKEN)
    return gone


def _resources(request: Request, plan: Plan, fetch: _Download, replaced: Placement | None) -> list[Resource]:
    """Everything around a placed Model; while new weights arrive, the old ones are served."""
    store = volume(plan)
    served, called = workload(plan, fetch.name), connection(plan)
    if replaced:
        served = served.waiting("the new weights")
        called = [resource.waiting("the new weights") for resource in called]
    home = namespace(plan)
    return [
        home,
        *record(plan, home),
        *network_policies(plan),
        *token(plan),
        *([] if store.name in request.observed else [store]),
        *([fetch.job] if fetch.job else []),
        served,
        service(plan),
        *called,
    ]


@dataclass(frozen=True)
class _Download:
    name: str
    """In the composition."""
    job: Resource | None = None
    """None for one that is finished, which is carried on: a new Job would download again."""


def _download(request: Request, plan: Plan, replaced: Placement | None) -> _Download:
    """The download that filled the volume, the one under way, or a new one."""
    weights, live = plan.placement.weights, bool(serving(request.observed))
    under_way = [name for name in request.observed if is_download(name, weights)]
    finished = _finished(request, weights)
    if not finished and live and replaced is None and under_way:
        # Its volume is served, so it is done, whatever its Object says of the moment.
        finished = under_way[0]
    if finished:
        return _Download(finished)
    # One that began before there were serving pods goes on where it is.
    variants = [download(plan, beside_serving=beside) for beside in (live, not live)]
    job = next((v for v in variants if v.name in under_way), variants[0])
    return _Download(job.name, job)


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


def _progress(
    request: Request, plan: Plan, fetch: str, resources: list[Resource]
) -> list[Condition | Progress]:
    weights = plan.placement.weights
    names = [r.name for r in resources]
    token = [TOKEN] if TOKEN in names else []
    ready = Progress(
        "WeightsReady",
        ("vllm/namespace", f"vllm/{volume_name(weights)}", *token, fetch),
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
