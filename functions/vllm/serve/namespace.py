"""A namespace of the Model's own, closed by default, and the address inside it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from functions.base import Resource, remote

from ..plan import Plan
from .remote import LABEL, in_cluster

__all__ = ["PORT", "SERVICE", "base_url", "namespace", "network_policies", "service"]

PORT = 8000
"""Where vLLM listens."""
SERVICE = "vllm"
SERVING = {"freehold.dev/component": "serving"}
DOWNLOAD = {"freehold.dev/component": "download"}
"""Labels of the two kinds of pods, for the policies and the Service."""
LEADER = {"freehold.dev/answers": "true"}
"""Label of the pod that answers for a group on several nodes."""
_DNS = [{"protocol": protocol, "port": port} for protocol in ("UDP", "TCP") for port in (53, 5353)]
"""OpenShift's name servers listen on 5353."""
_NODE_DNS = "169.254.20.10/32"
"""A node's own name server: https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/"""


def namespace(plan: Plan) -> Resource:
    """Compose the namespace, under the restricted pod security standard."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": plan.placement.namespace,
            "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
        },
    }
    return in_cluster(
        plan, "namespace", manifest, after=(), ready=remote.NAMESPACE_ACTIVE, annotations=plan.note
    )


def network_policies(plan: Plan) -> list[Resource]:
    """Compose the policies: nothing by default; callers in; the downloader out."""
    return [
        _policy(plan, "default-deny", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        _policy(plan, "serving", _serving(plan)),
        _policy(plan, "download", _download(plan)),
    ]


def _policy(plan: Plan, name: str, spec: dict[str, Any]) -> Resource:
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": plan.placement.namespace},
        "spec": spec,
    }
    return in_cluster(plan, f"network-policy-{name}", manifest)


def _serving(plan: Plan) -> dict[str, Any]:
    """Callers are pods of the namespace that is named like the claim's; serving pods call nobody else."""
    callers = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": plan.claim.namespace}}}
    policy: dict[str, Any] = {
        "podSelector": {"matchLabels": SERVING},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [callers], "ports": [{"protocol": "TCP", "port": PORT}]}],
    }
    if plan.placement.nodes > 1:
        _open_group(policy)
    return policy


def _open_group(policy: dict[str, Any]) -> None:
    """Let the nodes of a group talk on any port, and find one another by name in the cluster alone."""
    group = {"podSelector": {"matchLabels": SERVING}}
    names = [{"namespaceSelector": {}}, {"ipBlock": {"cidr": _NODE_DNS}}]
    policy["policyTypes"].append("Egress")
    policy["ingress"].append({"from": [group]})
    policy["egress"] = [{"to": [group]}, {"to": names, "ports": _DNS}]


def _download(plan: Plan) -> dict[str, Any]:
    """The downloader resolves names and reaches the Hub's port; a policy cannot name a host."""
    hub = urlsplit(plan.hub)
    port = hub.port or (443 if hub.scheme == "https" else 80)
    return {
        "podSelector": {"matchLabels": DOWNLOAD},
        "policyTypes": ["Egress"],
        "egress": [{"ports": [*_DNS, {"protocol": "TCP", "port": port}]}],
    }


def service(plan: Plan) -> Resource:
    """Compose the Service that callers use."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": plan.placement.namespace},
        "spec": {
            "type": "ClusterIP",
            "selector": {LABEL: plan.name, **SERVING, **(LEADER if plan.placement.nodes > 1 else {})},
            # AWS's network policies need the Service's port to be the pod's own:
            # https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html
            "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": PORT}],
        },
    }
    return in_cluster(plan, "service", manifest)


def base_url(plan: Plan) -> str:
    """Return the OpenAI base URL inside the cluster's network."""
    return f"http://{SERVICE}.{plan.placement.namespace}.svc.cluster.local:{PORT}/v1"
