"""Network policies of the Model's namespace: nothing in or out, except what each kind of pod needs."""

from __future__ import annotations

from typing import Any

from functions.api import contract
from functions.base import Resource

from ..plan import Plan
from . import metrics
from .objects import in_cluster
from .pod import SERVING

__all__ = ["DEFAULT_DENY", "DNS_PORTS", "SERVING_POLICY", "default_deny", "network_policy", "serving_policy"]

DEFAULT_DENY, SERVING_POLICY = "network-policy-default-deny", "network-policy-serving"
"""Names of composed resources, without the function's prefix."""
DNS_PORTS = [{"protocol": protocol, "port": port} for protocol in ("UDP", "TCP") for port in (53, 5353)]
"""OpenShift's name servers listen on 5353."""
_NODE_DNS = "169.254.20.10/32"
"""A node's own name server: https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/"""


def network_policy(plan: Plan, name: str, spec: dict[str, Any]) -> Resource:
    """Compose a NetworkPolicy, as `network-policy-NAME`."""
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": plan.placement.namespace},
        "spec": spec,
    }
    return in_cluster(plan, f"network-policy-{name}", manifest, label="the Model's network policy")


def default_deny(plan: Plan) -> Resource:
    """Compose the policy that denies all traffic that no other policy allows."""
    return network_policy(plan, "default-deny", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def serving_policy(plan: Plan, *, several_nodes: bool, in_cluster: bool, read: metrics.Ports) -> Resource:
    """Compose the policy of serving pods.

    Callers are the gateway's proxies, or pods of the namespace with the claim's namespace's name, and pods of
    the namespaces that the claim lists. Who may read metrics reaches what lets those alone out. Serving
    pods call nobody, except the other pods of a replica on several nodes.

    Args:
        plan: of the Model.
        several_nodes: whether a replica has pods on several nodes.
        in_cluster: whether the namespace with the claim's namespace's name is among the callers.
        read: at which ports metrics are. Pods of an older package have them at the engine's alone, and are
            read there until something else restarts them.
    """
    own = (plan.claim.namespace,) if in_cluster else ()
    callers = [_pods_of(namespace) for namespace in dict.fromkeys((*own, *plan.spec.access.namespaces))]
    if plan.gateway:
        proxies = {"matchLabels": {contract.COMPONENT: contract.GATEWAY_PROXY}}
        callers.append({**_pods_of(contract.GATEWAY_NAMESPACE), "podSelector": proxies})
    reading = metrics.readers(plan)
    if read.engines:
        callers += [each for each in reading if each not in callers]
    ingress = [{"from": callers, "ports": [_tcp(plan.engine.port)]}] if callers else []
    if read.own and reading:
        ingress.append({"from": reading, "ports": [_tcp(metrics.PORT)]})
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": SERVING},
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    }
    if several_nodes:
        _allow_peers(spec)
    return network_policy(plan, "serving", spec)


def _tcp(port: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": port}


def _pods_of(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


def _allow_peers(spec: dict[str, Any]) -> None:
    """Allow the pods of a replica any port of one another, and to resolve names in the cluster alone."""
    peers = {"podSelector": {"matchLabels": SERVING}}
    name_servers = [{"namespaceSelector": {}}, {"ipBlock": {"cidr": _NODE_DNS}}]
    spec["policyTypes"].append("Egress")
    spec["ingress"].append({"from": [peers]})
    spec["egress"] = [{"to": [peers]}, {"to": name_servers, "ports": DNS_PORTS}]
