"""The host of a cluster's gateway, which one cluster of a control plane has: who asked for it first.

Each cluster that asks for a host leaves a record of it in the platform namespace, where tenants cannot
write, and requires the records of that host alone. The oldest record has the host.
"""

from __future__ import annotations

from typing import NamedTuple

from functions.api import Gateway, contract
from functions.base import (
    Condition,
    Request,
    Resource,
    Selector,
    Status,
    Unanswered,
    View,
    Whose,
    digest,
    exists,
    label_value,
    unique_name,
)

__all__ = ["Host", "decide"]

_PREFIX = "node-pools/gateway-host-"
_COMPOSITE, _HOST, _CLAIM = "composite", "host", "claim"
_OWN = f"{contract.GATEWAY}.{contract.GATEWAY_NAMESPACE}.svc"
"""Name of the Service that leads to the gateway in every cluster, so that it is each cluster's own."""


class Host(NamedTuple):
    """What becomes of the host that a cluster asks for."""

    resources: list[Resource]
    """The cluster's record of it."""
    gone: list[str]
    """Records of hosts that the cluster asks for no more."""
    taken: Condition | None
    """Says that another cluster has the host; None: none is known to."""


def decide(request: Request, asked: Gateway | None, namespace: str) -> Host:
    """Decide whether a cluster has the host that its spec asks for.

    Args:
        request: the cluster's.
        asked: as the spec has it.
        namespace: the platform namespace.
    """
    if asked is None or asked.host == _OWN or asked.host.startswith(f"{_OWN}."):
        return Host([], list(request.others(_PREFIX)), None)
    key = digest(asked.host, digits=16)
    claim = request.claim
    record = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": unique_name(request.name, "gateway-host", key),
            "namespace": namespace,
            "labels": {contract.RECORD_HOST: label_value(asked.host)},
        },
        "data": {_COMPOSITE: request.name, _HOST: asked.host, _CLAIM: f"{claim.namespace}/{claim.name}"},
    }
    label = "the record of the gateway's host"
    made = Resource(f"{_PREFIX}{key}", record, ready=exists, label=label)
    other = _first(request, made.name, asked.host, namespace)
    taken = _taken(request, asked.host, other) if other else None
    return Host([made], list(request.others(_PREFIX, (key,))), taken)


def _first(request: Request, own: str, host: str, namespace: str) -> View | None:
    """Return the record of the other cluster that asked for a host first; None where none is known to."""
    labels = ((contract.RECORD_HOST, label_value(host)),)
    try:
        found = request.require(
            "gateway-host", Selector("v1", "ConfigMap", labels=labels, namespace=namespace)
        )
    except Unanswered:
        return None
    others = [
        r for r in found if r.text("data", _HOST) == host and r.text("data", _COMPOSITE) != request.name
    ]
    live = request.resource(own)
    earlier = [other for other in others if live is None or _since(other) < _since(live)]
    return min(earlier, key=_since, default=None)


def _since(record: View) -> tuple[str, str]:
    """Return what orders records: their age, and among those of one second their names."""
    return record.text("metadata", "creationTimestamp") or "", record.name


def _taken(request: Request, host: str, other: View) -> Condition:
    # Whose cluster it is tells nobody but the same namespace.
    claim = other.text("data", _CLAIM) or ""
    ours = claim.partition("/")[0] == request.claim.namespace and request.claim.namespace
    whose = f"InferenceCluster {claim}" if ours else "another InferenceCluster of this control plane"
    return Condition(
        "Planned",
        Status.FALSE,
        "HostTaken",
        f"spec.gateway.host {host} belongs to {whose}, which asked for it first, and DNS leads it to one "
        "gateway alone. Until another host stands there, or that cluster gives it up, new Models of this "
        "cluster get no address at its gateway; what has one keeps it. `kubectl get configmaps "
        f"--all-namespaces --selector {contract.RECORD_HOST}` tells the platform team who has which host",
        Whose.PLATFORM,
    )
