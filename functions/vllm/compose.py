"""function-vllm: from a Model to its serving pods, and what a live one needs to change."""

from __future__ import annotations

from functions.api import ModelSpec, Placement, VLLMInput
from functions.base import (
    Condition,
    Function,
    Outcome,
    Progress,
    Request,
    Resource,
    Whose,
    condition_true,
)

from .endpoint import connection, endpoint
from .namespace import namespace, network_policies, service
from .place import Placed, place, recorded_placement
from .plan import Plan, make_plan
from .weights import download, is_download, keep_volume, token, volume, volume_name
from .workload import deployment

__all__ = ["FUNCTION", "compose"]


def compose(request: Request) -> Outcome:
    """Place the Model, or go on from its place, and compose everything around it."""
    spec, given = request.spec(ModelSpec), request.parameters(VLLMInput)
    placed = place(request, spec, given)
    if isinstance(placed, Condition):
        return Outcome(conditions=(placed,), complete=False)
    return _outcome(request, spec, given, placed)


def _outcome(request: Request, spec: ModelSpec, given: VLLMInput, placed: Placed) -> Outcome:
    size = placed.sizing
    if size is None:
        # Nothing was recorded to render from, and there is nothing to compute it with.
        return Outcome(conditions=(placed.condition,) if placed.condition else (), complete=False)
    plan = make_plan(request, spec, given, placed.placement, size.weights_gib, size.context_length)
    resources = _resources(request, plan)
    status = {
        "endpoint": endpoint(plan).plain(),
        "placement": _served(request, plan).plain(),
        "sizing": size.plain(),
    }
    said = (placed.condition,) if placed.condition else ()
    return Outcome(resources, (*said, *_progress(plan, resources)), status, placed.complete)


def _resources(request: Request, plan: Plan) -> list[Resource]:
    """Everything around a placed Model; while new weights arrive, the old ones are served."""
    fetch = download(plan, _finished(request, plan))
    serving = deployment(plan, fetch.name)
    store, old = volume(plan), _old_weights(request, plan)
    if request.resource(store.name):
        store = keep_volume(plan.placement.weights)
    kept = [keep_volume(old)] if old else []
    if old:
        serving = Resource(
            serving.name, None, serving.after, serving.ready, waits_for=f"the weights of {plan.spec.model}"
        )
    return [
        namespace(plan),
        *network_policies(plan),
        *token(plan),
        *kept,
        store,
        fetch,
        serving,
        service(plan),
        *connection(plan),
    ]


def _finished(request: Request, plan: Plan) -> str:
    """Return the composed resource of the download that filled the volume, if one did."""
    done = condition_true()
    for name in request.observed:
        view = request.resource(name)
        if is_download(name, plan.placement.weights) and view is not None and done(view):
            return name
    return ""


def _old_weights(request: Request, plan: Plan) -> str:
    """Return the weights being served while others are still downloaded, else nothing."""
    recorded = recorded_placement(request)
    if recorded is None or recorded.weights in ("", plan.placement.weights):
        return ""
    return "" if _finished(request, plan) else recorded.weights


def _served(request: Request, plan: Plan) -> Placement:
    """Return the placement to record, with the weights that are being served."""
    old = _old_weights(request, plan)
    return plan.placement.model_copy(update={"weights": old}) if old else plan.placement


def _progress(plan: Plan, resources: list[Resource]) -> tuple[Progress, Progress]:
    weights = plan.placement.weights
    fetch = next(r.name for r in resources if is_download(r.name, weights))
    return (
        Progress(
            "WeightsReady",
            ("vllm/namespace", f"vllm/{volume_name(weights)}", fetch),
            f"{plan.spec.model} at {plan.spec.revision} is downloaded",
            hint="If this lasts: check that the model and revision exist and, for a gated model, "
            "that spec.source.huggingFace.tokenSecretRef names a Secret with access",
        ),
        Progress(
            "Serving",
            ("vllm/deployment", "vllm/service"),
            "the Model answers at its endpoint",
            hint=f"Loading takes up to {plan.startup_seconds // 60} minutes",
        ),
    )


FUNCTION = Function(
    name="vllm",
    conditions=("Placed", "WeightsReady", "Serving"),
    status=("endpoint", "placement", "sizing"),
    author=Whose.MODEL,
    compose=compose,
)
