"""Made-up clusters and requests for the tests of function-vllm."""

from __future__ import annotations

from typing import Any

from functions.base import Condition, Outcome, Request, Selector
from functions.vllm.compose import compose
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


SPEC = {"model": "Qwen/Qwen3-8B"}
EU = cluster("eu", allowed=["*"])
OFFER = Selector("v1", "ConfigMap", name="eu-x1-offer-63897f", namespace="crossplane-system")
VOLUME = "vllm/weights-543937"
ARCHITECTURE = {
    "parametersBillions": 3.1,
    "layers": 36,
    "attentionHeads": 16,
    "kvHeads": 2,
    "headDim": 128,
    "maxContextLength": 32768,
}


def live(outcome: Outcome) -> dict[str, Any]:
    """What Crossplane observes after an outcome: every resource there and ready."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {r.name: {**(r.manifest or {}), "status": ready} for r in outcome.resources}


def stays(outcome: Outcome, name: str) -> bool:
    """Tell whether a live resource is carried on: neither rendered again nor given up."""
    return manifests(outcome).get(name) is None and name not in outcome.gone


def first() -> Outcome:
    """A new Model that is placed."""
    return compose(request(SPEC, EU))


DOWNLOAD = next(r.name for r in first().resources if r.name.startswith("vllm/download-543937-"))


def again(
    spec: dict[str, Any] | None = None, *clusters: dict[str, Any], **more: Any
) -> tuple[Request, Outcome]:
    """Run once more over a live Model."""
    made = first()
    asked = request(
        spec or SPEC, *(clusters or (EU,)), **{"status": dict(made.status), "observed": live(made), **more}
    )
    return asked, compose(asked)


def manifests(outcome: Outcome) -> dict[str, Any]:
    return {r.name: r.manifest for r in outcome.resources}


def reason(outcome: Outcome) -> str:
    condition = outcome.conditions[0]
    assert isinstance(condition, Condition)
    return condition.reason


def kept(outcome: Outcome) -> dict[str, Any]:
    """Manifests of a live Model: its volume and its finished download are carried on, not rendered."""
    return {name: m for name, m in manifests(outcome).items() if name not in (VOLUME, DOWNLOAD)}


def condition_text(outcome: Outcome) -> str:
    condition = outcome.conditions[0]
    assert isinstance(condition, Condition)
    return condition.text


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of the pods of a composed workload or Job."""
    found: dict[str, Any] = manifest["spec"]["forProvider"]["manifest"]["spec"]["template"]["spec"]
    return found
