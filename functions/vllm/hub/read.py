"""What is known of a Model, and the pod that reads the model's files where nothing else knows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from functions.api import Access, ModelFiles, ModelSpec, Placement, VLLMInput
from functions.base import Condition, Request, Resource, Whose, remote
from functions.catalog import ModelFacts

from ..place.clusters import Cluster, provider_config_is_gone
from ..place.search import usable_clusters
from ..place.why_not import not_placed
from ..serve.delivery import undelivered
from ..size.need import facts_of, require_base
from ..size.stated import refuse_stated
from .pod import POD, is_reading, reading
from .told import from_pod, not_understood, reads

__all__ = ["Known", "know", "without_reading"]

_MANIFEST = ("status", "atProvider", "manifest")


class Known(NamedTuple):
    """What is known of a Model, and what reads the model's files until it is."""

    facts: ModelFacts | None
    unknown: Condition | None = None
    """The condition Placed of a Model whose facts are not known (yet)."""
    resources: Sequence[Resource] = ()
    """What reads the files."""
    gone: Sequence[str] = ()
    """Composed resources that read files which are known now, or which nobody asks for any more."""
    status: Mapping[str, Any] = {}
    """What to record."""
    unreachable: bool = False
    """Whether the cluster in which the files were read is gone for good."""


def without_reading(request: Request) -> dict[str, Mapping[str, Any]]:
    """Return the observed composed resources but those that read files: they belong to no placement."""
    return {name: live for name, live in request.observed.items() if not is_reading(name)}


def know(
    request: Request, spec: ModelSpec, given: VLLMInput, recorded: Placement | None, *, needed: bool
) -> Known:
    """Return the facts of a Model: from the spec, the function's input, the catalog or the model's files.

    Args:
        request: the Model's.
        spec: the Model's.
        given: the function's input.
        recorded: where the Model is placed; None where it is not.
        needed: whether the Model has to be sized in this run.

    Raises:
        Invalid: for a base model that is not known, and for numbers that the spec states and that cannot be
            right.
        Unanswered: when the clusters are not known yet, one of which would read the files.
    """
    live = [name for name in request.observed if is_reading(name)]
    if needed:
        require_base(spec, given)
        refuse_stated(spec, given)
    facts = facts_of(spec, given)
    files = request.status(ModelFiles, "model")
    if facts is not None or not needed:
        stale = files is not None and files.name != spec.model
        return Known(facts, gone=live, status={"model": None} if stale else {})
    if files is not None and (files.name, files.revision) == (spec.model, spec.revision):
        facts, problem = _understood(spec.model, files.report)
        return Known(facts, not_understood(spec, problem), gone=live)
    return _read(request, spec, given, recorded, live)


def _read(
    request: Request, spec: ModelSpec, given: VLLMInput, recorded: Placement | None, live: list[str]
) -> Known:
    cluster = _cluster(request, spec, given, recorded)
    if isinstance(cluster, Condition):
        return Known(None, cluster)
    if cluster is None:
        # It has left the clusters that the Model may use: its pod goes, and another cluster reads.
        gone = _is_out_of_reach(request, live)
        waits = not_placed(Whose.INFRASTRUCTURE, "ReadingModel", "reads the model's files in another cluster")
        return Known(None, waits, gone=[] if gone else live, unreachable=gone)
    claim, access = cluster
    made = reading(request, spec, given, access)
    pod = made[-1].name
    others = [name for name in live if name.startswith(POD) and name != pod]
    view = request.resource(pod)
    if view is not None and view.text(*_MANIFEST, "status", "phase") == "Failed":
        # Evicted, or its node is gone: such a pod never starts again.
        return Known(None, reads(spec, claim, view), made[:-1], [*others, pod])
    told = from_pod(view)
    if told.error or told.report is None:
        lacks = None if told.error else undelivered(request, "Placed", made)
        unread = (
            told.condition(spec, request, given, claim)
            if lacks is None
            else replace(lacks, decides_ready=False)
        )
        return Known(None, unread, made, others)
    facts, problem = _understood(spec.model, told.report)
    if facts is None:
        return Known(None, not_understood(spec, problem), made, others)
    files = ModelFiles(
        name=spec.model,
        revision=spec.revision,
        commit=told.commit or None,
        summary=_summary(facts),
        report=told.report,
    )
    # The pod goes once the status has what it read.
    return Known(facts, None, made, others, {"model": files.plain()})


def _cluster(
    request: Request, spec: ModelSpec, given: VLLMInput, recorded: Placement | None
) -> tuple[str, Access] | Condition | None:
    """Choose the cluster that reads: the Model's own, else the one that reads already, else the first.

    Returns:
        The cluster's claim and access; why there is none; or None where the one that reads is no longer
        among those that the Model may be placed on.
    """
    if recorded is not None:
        access = Access(
            namespace=recorded.provider_config_namespace,
            kubernetes_provider_config=recorded.provider_config,
            helm_provider_config="",
        )
        return recorded.claim, access
    clusters = usable_clusters(request, spec, given)
    if isinstance(clusters, Condition):
        return clusters
    reads_now = _provider_config(request)
    if not reads_now:
        return _access(min(clusters, key=lambda c: (c.claim.namespace, c.claim.name, c.name)))
    return next((found for c in clusters if _at(found := _access(c)) == reads_now), None)


def _access(cluster: Cluster) -> tuple[str, Access]:
    access = cluster.status.access
    assert access is not None, "a usable cluster has published its access"
    return f"{cluster.claim.namespace}/{cluster.claim.name}", access


def _at(found: tuple[str, Access]) -> tuple[str, str]:
    return found[1].namespace, found[1].kubernetes_provider_config


def _provider_config(request: Request) -> tuple[str, str] | None:
    """Return namespace and name of the ProviderConfig of the cluster that reads; None where none does."""
    name = min(filter(is_reading, request.observed), default="")
    live = request.resource(name)
    if live is None:
        return None
    return live.text("metadata", "namespace") or "", live.text("spec", "providerConfigRef", "name") or ""


def _is_out_of_reach(request: Request, live: Sequence[str]) -> bool:
    """Tell whether what reads has still to be told to leave its cluster alone, which is gone for good."""
    at = _provider_config(request)
    if at is None or not provider_config_is_gone(request, at[1], at[0]):
        return False
    views = [view for name in live if (view := request.resource(name)) and view.text("kind") == "Object"]
    policies = [view.texts("spec", "managementPolicies") for view in views]
    return any(set(each) != set(remote.NEVER_DELETE) for each in policies)


@lru_cache(maxsize=256)
def _understood(name: str, report: str) -> tuple[ModelFacts | None, str]:
    """Return the facts that a report gives, or why it gives none."""
    # Few Models need it, and no server should start later for it.
    from functions.checkpoint import NotUnderstood
    from functions.checkpoint.read import read

    try:
        return read(name, json.loads(report)).facts, ""
    except NotUnderstood as error:
        return None, str(error).rstrip(".")
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        return None, f"the report of its files makes no sense ({error}). Name another model"


def _summary(facts: ModelFacts) -> str:
    return (
        f"{facts.parameters_billions:.1f} billion parameters in {facts.precision}, "
        f"{facts.checkpoint_gib:.1f} GiB of files, {facts.layers} layers, at most {facts.max_context} tokens"
    )
