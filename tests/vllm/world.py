"""Made-up clusters and requests for the tests of function-vllm."""

from __future__ import annotations

from typing import Any

from functions.base import Request
from tools.offers import offers

L4 = {
    "name": "l4",
    "gpuModel": "L4",
    "gpusPerNode": 1,
    "gpuMemoryMiB": 22888,
    "nodes": {"min": 0, "max": 4},
    "priceUsdPerHour": 0.8048,
    "nodeSelector": {"freehold.dev/node-pool": "l4"},
    "ready": True,
}
H100 = {
    "name": "h100",
    "gpuModel": "H100-80GB",
    "gpusPerNode": 8,
    "gpuMemoryMiB": 81559,
    "nodes": {"min": 0, "max": 2},
    "priceUsdPerHour": 55.04,
    "nodeSelector": {"freehold.dev/node-pool": "h100"},
    "ready": True,
}
T4 = {
    "name": "t4",
    "gpuModel": "T4",
    "gpusPerNode": 1,
    "gpuMemoryMiB": 15360,
    "nodes": {"min": 0, "max": 4},
    "ready": True,
}


def cluster(
    name: str = "eu-prod",
    *pools: dict[str, Any],
    allowed: list[str] | None = None,
    namespace: str = "platform",
    ready: bool = True,
    **status: Any,
) -> dict[str, Any]:
    """An XInferenceCluster as it stands once its control plane answers."""
    spec: dict[str, Any] = {
        "existing": {"kubeconfigSecretRef": {"name": "kubeconfig"}},
        "nodePools": [{"name": "any", "gpu": {"model": "L4"}}],
        "claimRef": {"namespace": namespace, "name": name},
    }
    if allowed is not None:
        spec["allowedNamespaces"] = allowed
    condition = {
        "type": "ControlPlaneReady",
        "status": "True" if ready else "False",
        "reason": "Creating",
    }
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "XInferenceCluster",
        "metadata": {"name": f"{name}-x1"},
        "spec": spec,
        "status": {
            "access": {
                "namespace": "crossplane-system",
                "kubernetesProviderConfig": f"{name}-kubernetes",
                "helmProviderConfig": f"{name}-helm",
            },
            "nodePools": list(pools or (L4,)),
            "conditions": [condition],
            **status,
        },
    }


def request(
    spec: dict[str, Any],
    *clusters: dict[str, Any],
    status: dict[str, Any] | None = None,
    observed: dict[str, Any] | None = None,
    answers: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    namespace: str = "team-a",
    name: str = "qwen",
) -> Request:
    """One run over a Model; `clusters` answer both requirements unless `answers` is given.

    In `answers` a cluster under `cluster` stands for its offer, which is what a placed Model requires.
    """
    composite = {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "XModel",
        "metadata": {"name": f"{name}-x1"},
        "spec": {**spec, "claimRef": {"namespace": namespace, "name": name}},
        "status": status or {},
    }
    if answers is None:
        placed = (status or {}).get("placement", {}).get("cluster")
        answers = {
            "clusters": tuple(clusters),
            "cluster": tuple(c for c in clusters if c["metadata"]["name"] == placed),
        }
    if "cluster" in answers:
        answers = {**answers, "cluster": tuple(offers(answers["cluster"]))}
    return Request(
        composite=composite,
        observed=observed or {},
        composed_before={},
        status_before={},
        answers=answers,
        input={"clusterNamespaces": ["platform"], **(given or {})},
    )
