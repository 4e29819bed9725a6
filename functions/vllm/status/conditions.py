"""The conditions WeightsReady and Serving."""

from __future__ import annotations

from collections.abc import Container, Sequence

from functions.api import ModelSpec, contract
from functions.base import (
    Condition,
    Progress,
    Reason,
    Request,
    Resource,
    Status,
    View,
    Whose,
    condition_true,
    failing,
)

from ..live.placement import takes
from ..plan import Plan
from ..serve import WORKLOADS, live_workload, route
from ..serve.delivery import undelivered, whose_fault
from ..serve.endpoint import CONNECTION, HANDED_OUT, is_called_outside
from ..serve.network_policy import DEFAULT_DENY, SERVING_POLICY
from ..source import source_of
from ..source.failures import UNKNOWN, Cause
from .gateway import ANSWERED, answered, unanswered
from .pods import pods_in_trouble
from .weights import said_by_download

__all__ = [
    "AFTER_PLACED",
    "NEEDED_TO_SERVE",
    "closed",
    "live_serving",
    "not_placed_yet",
    "serving",
    "weights_ready",
]

AFTER_PLACED = ("WeightsReady", "Serving")
"""Conditions that follow from what is composed for a placement."""
NEEDED_TO_SERVE = (
    *(kind.resource for kind in WORKLOADS),
    "vllm/service",
    f"vllm/{DEFAULT_DENY}",
    f"vllm/{SERVING_POLICY}",
    *route.PARTS,
    CONNECTION,
    HANDED_OUT,
)
"""Composed resources that must be ready for a Model to answer."""

_ANSWERS = "the Model answers at its endpoint"
_STATUS = ("status", "atProvider", "manifest", "status")
"""Where an Object has the status of the object in the cluster."""
_CONDITIONS = (*_STATUS, "conditions")


def not_placed_yet() -> list[Condition]:
    """Return the conditions of a Model that nothing is composed for."""
    waits = "waits until the Model is placed: see the condition Placed"
    return [Condition(type_, Status.FALSE, "NotPlaced", waits, Whose.MODEL) for type_ in AFTER_PLACED]


def weights_ready(
    request: Request,
    plan: Plan,
    volume: str,
    download: str,
    secrets: Sequence[Resource],
    cause: Cause | None,
    failures: int,
) -> Condition | Progress:
    """Return the condition WeightsReady.

    Args:
        request: the Model's.
        plan: of the Model.
        volume: the composed resource.
        download: the composed resource.
        secrets: what brings the Secrets that the download needs.
        cause: why the download failed, or would fail; None while nothing is known against it.
        failures: how often it has failed.
    """
    trouble = _download_in_trouble(request, download, plan.spec)
    # An agent knows more of a pod that ended without a word.
    if cause is not None and not (trouble and cause.reason == UNKNOWN):
        again = f". {_tried_again(cause.again.seconds(failures), failures)}" if cause.again else ""
        said = said_by_download(request, download)
        detail = f" ({said.rstrip('. ')})" if said else ""
        return Condition(
            "WeightsReady", Status.FALSE, cause.reason, f"{cause.text(plan)}{detail}{again}", cause.whose
        )
    source = source_of(plan.spec)
    failed = [live for s in secrets if (live := request.resource(s.name)) is not None and failing(live)]
    lacks = trouble or undelivered(request, "WeightsReady", secrets)
    return lacks or Progress(
        "WeightsReady",
        ("vllm/namespace", volume, *(secret.name for secret in secrets), download),
        f"{plan.spec.model} at {plan.spec.revision} is downloaded",
        whose=whose_fault(request, failed[0]) if failed else Whose.INFRASTRUCTURE,
        hint=f"If this lasts, {source.hint}",
    )


def _tried_again(seconds: int, failures: int) -> str:
    """Say when a download that failed is tried again, and how to have it tried at once."""
    minutes = seconds // 60
    after = f"{minutes} minutes" if minutes <= 60 else f"{minutes / 60:.3g} hours"
    often = f"It failed {failures} times, and is tried again {after} after the last"
    once = f"It is tried again {after} after it failed"
    return f"{often if failures > 1 else once}. To try at once, set spec.source.restartedAt to the time"


def closed(request: Request, key: Sequence[Resource]) -> Condition | None:
    """Return the condition Serving of a Model that the gateway does not let anybody to; None where it does.

    Args:
        request: the Model's.
        key: what brings the Model's key.
    """
    lacks = undelivered(request, "Serving", key) or route.refused(request, "Serving")
    workload = request.resource(live_workload(request.observed))
    pods_are_ready = workload is not None and condition_true()(workload)
    return lacks or (unanswered(request, "Serving") if pods_are_ready else None)


def serving(
    request: Request, plan: Plan, names: Container[str], hindered: Condition | None, update: str
) -> Condition | Progress:
    """Return the condition Serving of a Model whose resources are composed.

    Args:
        request: the Model's.
        plan: of the Model.
        names: of all composed resources that apps need.
        hindered: why the gateway lets nobody to the Model; None where it does, or where apps need no gateway.
        update: what is out of date, in words; empty where nothing is.
    """
    if plan.spec.replicas.min == 0:
        text = "scaled to zero: set spec.replicas.min to 1 or more to serve"
        # It is what was asked for, so the Model is Ready once its pods are gone.
        return Condition("Serving", Status.FALSE, "ScaledToZero", text, Whose.MODEL, decides_ready=False)
    needed = tuple(name for name in NEEDED_TO_SERVE if name in names)
    told = answered(request) if is_called_outside(request, plan) else None
    # Without a gateway, ready pods are all that can be known.
    unasked = " by what its pods and the gateway say: nobody has asked it there yet"
    text = f"{_ANSWERS}{told or (unasked if is_called_outside(request, plan) else '')}"
    return (
        _stuck(request, plan.spec)
        or hindered
        or Progress(
            "Serving",
            needed,
            f"{text}. {update}" if update else text,
            hint=_hint(request, plan),
            reason=ANSWERED if told else Reason.AVAILABLE.value,
        )
    )


def _hint(request: Request, plan: Plan) -> str:
    workload = request.resource(live_workload(request.observed))
    if workload is None:
        return "It is created after the download: see the condition WeightsReady"
    replicas = plan.spec.replicas.min
    ready = int(workload.number(*_STATUS, "readyReplicas") or 0)
    return (f"{ready} of {replicas} replicas are ready. " if replicas > 1 else "") + (
        f"Loading takes up to {plan.startup_seconds // 60} minutes. If this lasts longer, check that node "
        f"pool {plan.placement.node_pool} has room for each replica ({takes(plan.placement)}), and that its "
        "nodes can pull the engine's image"
    )


def live_serving(request: Request) -> Condition | Progress:
    """Return the condition Serving of what is live, whatever the spec says now."""
    workload = live_workload(request.observed) or WORKLOADS[0].resource
    return _stuck(request) or Progress("Serving", (workload, "vllm/service"), _ANSWERS)


def _download_in_trouble(request: Request, download: str, spec: ModelSpec) -> Condition | None:
    """Return the condition of a download whose pod is in trouble; None for one that is done or under way."""
    live = request.resource(download)
    if live is None or condition_true()(live):
        return None
    return pods_in_trouble(request, contract.DOWNLOAD, "WeightsReady", spec)


def _stuck(request: Request, spec: ModelSpec | None = None) -> Condition | None:
    """Return the condition of a workload whose pods are refused, in trouble or late; None where they are not.

    Crossplane and provider-kubernetes see no fault in such a workload. The agent's report tells it, and of
    a Deployment its own conditions, which say no more than that pods are refused or late:
    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment
    """
    workload = request.resource(live_workload(request.observed))
    if workload is None or condition_true()(workload):
        return None
    told = {condition.text("type"): condition for condition in workload.each(*_CONDITIONS)}
    refused, progress = told.get("ReplicaFailure"), told.get("Progressing")
    if refused is not None and refused.text("status") == "True":
        return _pods_refused(refused)
    reported = pods_in_trouble(request, contract.SERVING, "Serving", spec)
    if reported is not None:
        return reported
    if progress is not None and progress.text("reason") == "ProgressDeadlineExceeded":
        namespace = workload.text("spec", "forProvider", "manifest", "metadata", "namespace")
        text = (
            "the Model's pods did not become ready in the time allowed for loading. Ask the cluster's owner "
            f"what `kubectl describe pods --namespace {namespace}` says there, and the pods' logs"
        )
        return Condition("Serving", Status.FALSE, "PodsNotReady", text, Whose.MODEL)
    return None


def _pods_refused(failure: View) -> Condition:
    why = (failure.text("message") or "").rstrip(". \n")
    text = (
        f"the cluster refuses the Model's pods: {why}. Ask the cluster's owner to admit them; Kubernetes "
        "keeps trying"
    )
    return Condition("Serving", Status.FALSE, "PodsRefused", text, Whose.PLATFORM)
