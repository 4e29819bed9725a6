"""Everything that is composed for one placement of a Model, with its conditions and status."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from functions.api import Endpoint, ModelSpec, Placement, VLLMInput
from functions.base import Condition, Outcome, Progress, Request, Resource, View, condition_true

from .live.placement import Placed
from .live.record import record
from .live.stay import placement_is_lost, storage
from .plan import Plan, make_plan
from .serve import live_workload, tokens, workload_of
from .serve import route as gate
from .serve.clients import left_out
from .serve.delivery import Delivered, delivered
from .serve.disruption_budget import DISRUPTION_BUDGET, disruption_budget
from .serve.endpoint import (
    HANDED_OUT,
    Connection,
    called_inside,
    connection,
    details,
    endpoint,
    is_called_outside,
    is_told,
)
from .serve.limits import doubtful
from .serve.metrics import ports as metrics_ports
from .serve.namespace import namespace
from .serve.network_policy import SERVING_POLICY, default_deny, serving_policy
from .serve.pull_secret import pull_secret
from .serve.service import service
from .serve.template import Pods, pods
from .source import SOURCES, source_of
from .source.failures import Cause, cause_of, failed
from .source.job import (
    again,
    counted,
    download,
    download_policy,
    failures,
    fills,
    goes,
    goes_on,
    is_download,
)
from .source.volume import is_volume, volume, volume_resource, volume_uid
from .status.conditions import closed, live_serving, not_placed_yet, serving, weights_ready
from .status.engine import engine_status, out_of_date
from .status.pods import evidence, pod_report
from .status.weights import weights_status

__all__ = ["carried_on", "composed"]


def carried_on(request: Request, placed: Condition | None) -> Outcome:
    """Leave everything as it is, and say how it does.

    Args:
        request: the Model's.
        placed: the condition Placed; None leaves the one that the composite has.
    """
    conditions: list[Condition | Progress] = [placed] if placed else []
    live = {name for name in request.observed if name.startswith("vllm/")}
    if not live:
        return Outcome(conditions=[*conditions, *not_placed_yet()])
    weights = tuple(sorted(name for name in live if is_download(name) or is_volume(name)))
    downloaded = Progress("WeightsReady", ("vllm/namespace", *weights), "the weights are downloaded")
    return Outcome(conditions=[*conditions, downloaded, live_serving(request)], status=evidence(request))


def composed(
    request: Request, spec: ModelSpec, given: VLLMInput, placed: Placed, recorded: Placement | None
) -> Outcome:
    """Compose a placement.

    Args:
        request: the Model's.
        spec: the Model's.
        given: the function's input.
        placed: the placement, and its sizing.
        recorded: the placement that the status records; None for one that the Model is new to.
    """
    size = placed.sizing
    assert size is not None, "without a sizing everything is carried on"
    stored = size.checkpoint_gib or size.weights_gib
    plan = make_plan(request, spec, given, placed.placement, stored, size.context_length)
    replaced = _weights_being_replaced(request, plan, recorded)
    fetch = _download(request, plan, replaced)
    workload = workload_of(plan.placement)
    templates = pods(plan, workload.templates(plan), request.resource(workload.resource))
    secrets = delivered(
        request, [*source_of(plan.spec).credentials(plan), *pull_secret(plan)], needed=not fetch.done
    )
    key = delivered(request, gate.key(plan), needed=True)
    handed_out = connection(request, plan)
    resources = _resources(request, plan, fetch, replaced, templates, secrets, key, handed_out)
    hindered = closed(request, key.resources)
    needed = {r.name for r in resources}
    notes = [*secrets.notes, *key.notes, *handed_out.notes, *left_out(request, plan, key.resources)]
    notes += tokens.not_taken(request, plan)
    notes += doubtful(plan)
    if not is_called_outside(request, plan):
        # Apps call the Service, and go on to until the route answers.
        notes += [hindered.text] if hindered and plan.gateway else []
        hindered, needed = None, needed - {*gate.PARTS, HANDED_OUT}
    elif handed_out.handed_over:
        needed -= {HANDED_OUT}
    update = out_of_date(plan, templates)
    # Apps follow the endpoint, so it names the new model only once that is served.
    standing = request.status(Endpoint, "endpoint") if replaced else None
    told = standing or (endpoint(request, plan) if is_told(request, plan) else None)
    status = {
        "endpoint": told.plain() if told else None,
        "placement": _served(plan, replaced).plain(),
        "sizing": size.plain(),
        "weights": weights_status(request, plan, fetch.name).plain(),
        "engine": engine_status(plan, update).plain(),
        **evidence(request),
    }
    conditions = [
        *([placed.condition] if placed.condition else []),
        weights_ready(
            request, plan, f"vllm/{plan.volume}", fetch.name, secrets.resources, fetch.cause, fetch.failures
        ),
        serving(request, plan, needed, hindered, update),
    ]
    sure = placed.known and not placement_is_lost(request)
    gone = [*secrets.gone, *handed_out.gone]
    if sure:
        gone += _gone(request, plan, fetch.name, replaced)
    return Outcome(resources, conditions, status, gone=gone, notes=notes, connection=details(plan, told))


def _gone(request: Request, plan: Plan, fetch: str, replaced: Placement | None) -> list[str]:
    """Return volumes and downloads of weights that are served no more, and what has no use any more."""
    volumes = [f"vllm/{plan.volume}", *([volume_resource(replaced.weights)] if replaced else [])]
    own = source_of(plan.spec)
    # Those of an older package go once the Secret is taken over.
    credentials = set(own.credential_names) if own.credentials(plan) else set()
    possible = {name for source in SOURCES for name in source.credential_names}
    gone = []
    for name in request.observed:
        of_replaced = replaced is not None and is_download(name, replaced.weights)
        if (
            (is_volume(name) and name not in volumes)
            or (is_download(name) and name != fetch and not of_replaced)
            or (name in possible and name not in credentials)
            or (name == DISRUPTION_BUDGET and plan.spec.replicas.min <= 1)
        ):
            gone.append(name)
    return [*gone, *(tokens.gone(request, plan) if plan.gateway else gate.gone(request))]


def _resources(
    request: Request,
    plan: Plan,
    fetch: _Download,
    replaced: Placement | None,
    templates: Pods,
    secrets: Delivered,
    key: Delivered,
    handed_out: Connection,
) -> list[Resource]:
    """Compose everything around a placed Model; while new weights are downloaded, the old ones are served."""
    workload = workload_of(plan.placement)
    home = namespace(plan)
    served = workload.compose(plan, fetch.name.removeprefix("vllm/"), templates)
    secret = handed_out.resources
    if replaced:
        served = served.waiting("the new weights")
        secret = [resource.waiting("the new weights") for resource in secret]
    return [
        home,
        *record(plan, home),
        pod_report(plan),
        default_deny(plan),
        serving_policy(
            plan,
            several_nodes=workload.several_nodes,
            in_cluster=called_inside(request, plan),
            read=metrics_ports(request, plan, workload.resource, f"vllm/{SERVING_POLICY}", templates),
        ),
        download_policy(plan),
        *secrets.resources,
        *disruption_budget(plan),
        *volume(request, plan, filled=fetch.done),
        *([_after(fetch.job, secrets)] if fetch.job else []),
        served,
        service(plan, workload.endpoint_labels),
        *key.resources,
        *gate.route(plan, workload.resource, key.resources),
        *secret,
    ]


def _after(job: Resource, secrets: Delivered) -> Resource:
    """Have a download wait for the Secrets that its pod needs."""
    return replace(job, after=(*job.after, *(resource.name for resource in secrets.resources)))


class _Download(NamedTuple):
    name: str
    """Name of the composed resource."""
    job: Resource | None = None
    """None for a finished one, which is carried on: a new Job would download again."""
    cause: Cause | None = None
    """Why it failed, or would fail."""
    failures: int = 0
    """How often it has failed."""
    done: bool = False
    """Whether the weights are in the volume."""


def _download(request: Request, plan: Plan, replaced: Placement | None) -> _Download:
    """Return the download that filled the volume, the one under way, or a new one."""
    weights, live = plan.placement.weights, bool(live_workload(request.observed))
    jobs = _downloads(request, weights)
    finished = _finished(request, weights)
    broken = {name: message for name, job in jobs.items() if (message := failed(job))}
    if not finished and live and replaced is None and jobs and not broken:
        # The volume is served, so its download is done, whatever the Job's Object says now.
        finished = next(iter(jobs))
    if finished and not goes(jobs[finished]):
        return _Download(finished, done=True)
    job = download(plan, volume_uid=volume_uid(request, weights), beside_serving=live)
    if finished:
        return _Download(finished, job if job.name == finished else None, done=True)
    source = source_of(plan.spec)
    if job.name in jobs and job.name not in broken:
        return _Download(job.name, counted(job, *failures(jobs[job.name], failed=False)))
    for name, found in jobs.items():
        if name not in broken and goes_on(found, plan):
            return _Download(name, replace(job, name=name).waiting("itself"))
    if job.name in broken:
        cause = cause_of(broken[job.name], source.causes)
        times, uid = failures(jobs[job.name], failed=True)
        seconds = cause.again.seconds(times) if cause.again else 0
        return _Download(job.name, again(counted(job, times, uid), seconds), cause, times)
    refused = source.refused(plan)
    return _Download(job.name, job.waiting("what the Model's spec lacks") if refused else job, refused)


def _downloads(request: Request, weights: str) -> dict[str, View]:
    """Return the observed downloads of a set of weights into the volume that there is now."""
    uid = volume_uid(request, weights)
    found = {n: request.resource(n) for n in request.observed if is_download(n, weights)}
    return {name: job for name, job in found.items() if job is not None and fills(job, uid)}


def _finished(request: Request, weights: str) -> str:
    """Return the composed resource of the download that filled a volume; empty where none did."""
    done = condition_true()
    return next((name for name, job in _downloads(request, weights).items() if done(job)), "")


def _weights_being_replaced(request: Request, plan: Plan, recorded: Placement | None) -> Placement | None:
    """Return the placement whose weights are served while others are still downloaded."""
    if recorded is None or recorded.weights in ("", plan.placement.weights):
        return None
    return None if _finished(request, plan.placement.weights) else recorded


def _served(plan: Plan, replaced: Placement | None) -> Placement:
    """Return the placement to record, with the weights that are served now and their volume's storage."""
    if replaced is None:
        return plan.placement
    return plan.placement.model_copy(update={"weights": replaced.weights, **storage(replaced)})
