"""A cluster that Models are to run in: storage, network policies, nodes."""

from __future__ import annotations

from collections.abc import Iterator

from functions.api import contract
from functions.base import Whose
from tools.check.finding import Finding, State
from tools.check.reading import Reader

__all__ = ["gpus", "network_policies", "storage"]

_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_ENFORCE = {
    "calico-node": "Calico",
    "cilium": "Cilium",
    "antrea-agent": "Antrea",
    "kube-router": "kube-router",
    "weave-net": "Weave Net",
    "kube-ovn-cni": "Kube-OVN",
    "ovnkube-node": "OVN-Kubernetes",
    "canal": "Canal",
}
"""DaemonSets of network plugins that enforce NetworkPolicies, by name."""
_AWS = "aws-node"


def storage(cluster: Reader) -> Iterator[Finding]:
    """Look for the class that volumes of weights have where a claim names none."""
    classes = cluster.all("storage.k8s.io/v1", "StorageClass")
    named = [each["metadata"]["name"] for each in classes]
    default = [
        each["metadata"]["name"]
        for each in classes
        if (each["metadata"].get("annotations") or {}).get(_DEFAULT) == "true"
    ]
    subject, whose = "StorageClass", Whose.INFRASTRUCTURE
    if not classes:
        mend = "install a CSI driver and a StorageClass"
        yield Finding(subject, State.MISSING, "is not there: weights need volumes", whose, mend)
    elif not default:
        patch = f'{{"metadata":{{"annotations":{{"{_DEFAULT}":"true"}}}}}}'
        mend = f"kubectl patch storageclass {named[0]} --patch '{patch}'"
        says = f"has no default: name one of {', '.join(named)} in existing.storageClassName, or make one it"
        yield Finding(subject, State.MISSING, says, whose, mend)
    else:
        says = (
            f"{default[-1]} is the default; it does not tell whether several nodes may share a volume of it"
        )
        yield Finding(subject, State.OK, says, whose)


def network_policies(cluster: Reader) -> Iterator[Finding]:
    """Look for a network plugin that enforces NetworkPolicies, as far as its DaemonSet's name tells."""
    subject, whose = "Network policies", Whose.INFRASTRUCTURE
    sets = {each["metadata"]["name"]: each for each in cluster.all("apps/v1", "DaemonSet")}
    known = sorted({title for name, title in _ENFORCE.items() if name in sets})
    if _AWS in sets:
        containers = sets[_AWS]["spec"]["template"]["spec"]["containers"]
        on = any("--enable-network-policy=true" in (each.get("args") or ()) for each in containers)
        known += ["the VPC CNI"] if on else []
    if known:
        yield Finding(subject, State.OK, f"are enforced by {', '.join(known)}", whose)
        return
    says = (
        "may be enforced by nobody: no network plugin is known that does, and no API server tells. Without, "
        "pods of Models can be reached from everywhere in the cluster"
    )
    yield Finding(subject, State.UNKNOWN, says, whose)


def gpus(cluster: Reader) -> Iterator[Finding]:
    """Look for nodes that offer GPUs; before the install none does."""
    nodes = cluster.all("v1", "Node")
    offering = [
        n for n in nodes if int((n.get("status", {}).get("allocatable") or {}).get(contract.GPU, "0"))
    ]
    subject, whose = "Nodes with GPUs", Whose.INFRASTRUCTURE
    if offering:
        yield Finding(subject, State.OK, f"are {len(offering)} of {len(nodes)}", whose)
    else:
        says = (
            f"none of {len(nodes)} offers {contract.GPU}: the GPU Operator that a claim installs changes that"
        )
        yield Finding(subject, State.UNKNOWN, says, whose)
