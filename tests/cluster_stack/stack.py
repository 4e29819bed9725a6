"""Clusters as function-cluster-stack is asked about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.api import contract
from functions.base import Request
from functions.cluster_stack.compose import FUNCTION

NFD, OPERATOR, POLICY = (
    "cluster-stack/node-feature-discovery",
    "cluster-stack/gpu-operator",
    "cluster-stack/cluster-policy",
)
NFD_ALL = [f"{NFD}-namespace", NFD, f"{NFD}-daemonset", f"{NFD}-deployment"]
OPERATOR_ALL = [f"{OPERATOR}-namespace", OPERATOR, POLICY, f"{OPERATOR}-deployment"]
ALWAYS = [*NFD_ALL, *OPERATOR_ALL]
"""The components that every cluster gets, in their order."""
AGENT = "cluster-stack/agent"
AGENT_ALL = [
    f"{AGENT}-{part}"
    for part in ("namespace", "crd", "service-account", "role", "binding", "network-policy", "deployment")
]
"""What every cluster gets and is ready without."""
AGENT_GOES = [f"{AGENT}-{part}" for part in ("namespace", "crd", "role", "binding")]
"""What of it goes with the claim of an existing cluster; the rest goes with the namespace."""
CRDS = [f"{NFD}-crds"]
"""What has the CRDs of charts upgraded that every cluster gets; a cluster is ready without it, too."""
REACHABLE = "node-pools/reachable"
AWS = {"aws": {"region": "eu-central-1"}, "nodePools": [{"name": "l4", "gpu": {"model": "L4"}}]}
EXISTING = {
    "existing": {"kubeconfigSecretRef": {"name": "kubeconfig-eu"}},
    "nodePools": [{"name": "l4", "gpu": {"model": "L4"}}],
}
ACCESS = {
    "namespace": "crossplane-system",
    "kubernetesProviderConfig": "eu-prod-kubernetes",
    "helmProviderConfig": "eu-prod-helm",
}


PLACES: dict[str, dict[str, Any]] = {
    "aws": {
        "cloud": {"name": "aws", "region": "eu-central-1", "partition": "aws"},
        "nodeImage": {"driver": True, "containerToolkit": True},
        "deletedWithClaim": True,
    },
    "existing": {"deletedWithClaim": False},
}
"""What node-pools says of a cluster, by the field of the spec that places it."""


def pool(name: str = "l4", **more: Any) -> dict[str, Any]:
    """Return a pool as the status records it."""
    nodes = {"min": 0, "max": 2}
    return {"name": name, "gpuModel": "L4", "gpusPerNode": 1, "gpuMemoryMiB": 23034, "nodes": nodes, **more}


def shared(mode: str, per_gpu: int, resource: str = "nvidia.com/gpu") -> dict[str, Any]:
    """Return how a pool's GPUs are shared as the status records it."""
    return {"mode": mode, "resource": resource, "perGPU": per_gpu, "memoryMiB": 5000}


def request(
    spec: Mapping[str, Any] = AWS,
    *,
    status: Mapping[str, Any] | None = None,
    pools: Sequence[Mapping[str, Any]] = (),
    access: Mapping[str, Any] | None = ACCESS,
    ready: Sequence[str] = (),
    unready: Sequence[str] = (),
    recorded: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
) -> Request:
    """Return one run.

    Args:
        spec: of the composite.
        status: what node-pools says beside access and pools.
        pools: as node-pools records them; one plain pool where none is given.
        access: as node-pools records it.
        ready: composed resources that are there and ready.
        unready: composed resources that are there.
        recorded: components of the composite's status.
        given: the function's input.
    """
    place = next(said for field, said in PLACES.items() if field in spec)
    said = {**place, "nodePools": list(pools) or [pool()], **(status or {})}
    return Request(
        composite={
            "metadata": {"name": "eu-prod-x7k2p"},
            "spec": spec,
            "status": {"components": list(recorded)},
        },
        observed={name: live(name in ready) for name in (*ready, *unready)},
        composed_before={name: name in ready for name in (REACHABLE, *contract.ORDER_OF_DELETION)},
        status_before={**said, "access": access} if access else {},
        answers={},
        input=given or {},
    )


def live(ready: bool) -> dict[str, Any]:
    """Return an observed object that says whether it is ready, and nothing else."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "apiVersion": "v1",
        "kind": "Live",
        "metadata": {"name": "live"},
        "status": {"conditions": [condition]},
    }


def composed(spec: Mapping[str, Any] = AWS, **more: Any) -> dict[str, Any]:
    """Return what is asked for, by name; arguments as of `request`."""
    return {r.name: r.manifest for r in FUNCTION.compose(request(spec, **more)).resources}


def values(manifest: Any) -> dict[str, Any]:
    """Return the values of a Release."""
    found: dict[str, Any] = manifest["spec"]["forProvider"]["values"]
    return found
