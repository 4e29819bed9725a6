"""EKS clusters that live: settled in process, with managedFields and provider status as a control plane has them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from functions.base import Request
from functions.base.assemble import assemble
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import cluster
from tools.manifests import RESOURCE_NAME
from tools.observe import observe

Manifests = dict[str, dict[str, Any]]
"""Composed resources by their names in the composition."""

_ROUNDS = 60


def world(spec: Mapping[str, Any], **more: Any) -> Request:
    """Return the request of a cluster that is made and changes no more; `more` as in `requests.cluster`."""
    request = cluster(spec, **more)
    for _ in range(_ROUNDS):
        outcome = FUNCTION.compose(request)
        manifests = assemble(request, FUNCTION, outcome).manifests
        seen = observed(manifests, request.composite)
        if seen.keys() == request.observed.keys() and outcome.status == request.composite["status"]:
            return request
        request = cluster(spec, observed=seen, status=dict(outcome.status), **more)
    raise AssertionError("never settled")


def observed(manifests: Mapping[str, Any], composite: Mapping[str, Any]) -> Manifests:
    """Return composed resources as they live, all ready."""
    named = []
    for name, manifest in manifests.items():
        manifest = copy.deepcopy(dict(manifest))
        manifest["metadata"].setdefault("annotations", {})[RESOURCE_NAME] = name
        named.append(manifest)
    return {m["metadata"]["annotations"][RESOURCE_NAME]: m for m in observe(named, dict(composite))}


def desired(request: Request) -> Manifests:
    """Return what is desired of a request."""
    made = assemble(request, FUNCTION, FUNCTION.compose(request)).manifests
    return {name: dict(manifest) for name, manifest in made.items()}


def again(
    request: Request,
    spec: Mapping[str, Any],
    *,
    status: Mapping[str, Any] | None = None,
    seen: Mapping[str, Mapping[str, Any]] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Request:
    """Return the next request of a living cluster: with another spec, status, input or observed resources."""
    return cluster(
        spec,
        observed=request.observed if seen is None else seen,
        status=request.composite["status"] if status is None else status,
        given=request.input if given is None else given,
    )


def without_status(request: Request) -> Manifests:
    """Return the observed resources as a restored backup has them: with their spec alone."""
    return {name: {k: v for k, v in o.items() if k != "status"} for name, o in request.observed.items()}
