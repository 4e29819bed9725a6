"""What keeps a Model serving while nodes come and go, and where its pods prefer to be."""

from __future__ import annotations

import pytest

from functions.base import Outcome
from functions.vllm.compose import compose
from tests.vllm.world import DOWNLOAD, SPEC, cluster, first, live, manifests, pod_of, request

BUDGET = "vllm/pod-disruption-budget"
SHARED = cluster("eu", allowed=["*"], sharedStorage=True)


def model(replicas: int, before: Outcome | None = None) -> Outcome:
    spec = {**SPEC, "replicas": {"min": replicas}}
    if before is None:
        return compose(request(spec, SHARED))
    return compose(request(spec, SHARED, status=dict(before.status), observed=live(before)))


def test_several_replicas_are_not_evicted_at_once() -> None:
    made = manifests(model(2))
    budget = made[BUDGET]["spec"]["forProvider"]["manifest"]
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    template = made["vllm/deployment"]["spec"]["forProvider"]["manifest"]["spec"]["template"]
    assert budget["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert budget["metadata"]["namespace"] == template["metadata"]["labels"]["freehold.dev/model"]


@pytest.mark.parametrize("replicas", [0, 1])
def test_a_single_replica_stops_no_node_upgrade(replicas: int) -> None:
    assert BUDGET not in manifests(model(replicas))
    scaled = model(replicas, before=model(2))
    assert (BUDGET in manifests(scaled), BUDGET in scaled.gone) == (False, True)


def test_scaling_restarts_no_pod() -> None:
    one, two = (pod_of(manifests(model(n))["vllm/deployment"]) for n in (1, 2))
    assert one == two


def test_replicas_prefer_other_nodes_and_zones() -> None:
    spread = pod_of(manifests(model(2))["vllm/deployment"])["topologySpreadConstraints"]
    assert {(c["topologyKey"], c["whenUnsatisfiable"]) for c in spread} == {
        ("topology.kubernetes.io/zone", "ScheduleAnyway"),
        ("kubernetes.io/hostname", "ScheduleAnyway"),
    }


def test_pods_prefer_nodes_that_other_models_have_begun_to_fill() -> None:
    pod = pod_of(manifests(first())["vllm/deployment"])
    [preferred] = pod["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    term = preferred["podAffinityTerm"]
    assert (term["topologyKey"], term["namespaceSelector"]) == ("kubernetes.io/hostname", {})
    [others] = term["labelSelector"]["matchExpressions"]
    assert (others["operator"], others["values"]) == ("NotIn", ["team-a-qwen-69e9ae072db0ed27"])


@pytest.mark.parametrize("what", ["vllm/deployment", DOWNLOAD])
def test_no_autoscaler_takes_the_node_of_a_pod_that_loads(what: str) -> None:
    template = manifests(first())[what]["spec"]["forProvider"]["manifest"]["spec"]["template"]
    assert template["metadata"]["annotations"] == {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
    }


def test_images_are_pulled_with_the_platforms_secret() -> None:
    eu = cluster("eu", allowed=["*"])
    made = manifests(compose(request(SPEC, eu, given={"pullSecretRef": {"name": "registry"}})))
    delivery = made["vllm/pull-secret-delivery"]["spec"]
    key = ".dockerconfigjson"
    assert delivery["source"] == {"namespace": "crossplane-system", "name": "registry", "key": key}
    target = delivery["target"]
    assert (target["type"], target["key"]) == ("kubernetes.io/dockerconfigjson", key)
    downloads = [name for name in made if "/download-" in name]
    for name in ("vllm/deployment", *downloads):
        assert pod_of(made[name])["imagePullSecrets"] == [{"name": target["name"]}]
    assert "imagePullSecrets" not in pod_of(manifests(first())["vllm/deployment"])


def test_a_secret_that_is_named_no_more_stays_for_live_pods() -> None:
    eu = cluster("eu", allowed=["*"])
    before = compose(request(SPEC, eu, given={"pullSecretRef": {"name": "registry"}}))
    after = compose(request(SPEC, eu, status=dict(before.status), observed=live(before)))
    assert not [name for name in after.gone if "pull-secret" in name]
    assert manifests(after)["vllm/deployment"] == manifests(before)["vllm/deployment"]


def test_serving_pods_have_the_platforms_priority_and_downloads_none() -> None:
    eu = cluster("eu", allowed=["*"])
    made = manifests(compose(request(SPEC, eu, given={"priorityClassName": "models"})))
    assert pod_of(made["vllm/deployment"])["priorityClassName"] == "models"
    [download] = [name for name in made if "/download-" in name]
    for other in (pod_of(made[download]), pod_of(manifests(first())["vllm/deployment"])):
        assert "priorityClassName" not in other


def test_another_priority_restarts_no_live_model() -> None:
    eu = cluster("eu", allowed=["*"])
    before = first()
    given = {"priorityClassName": "models"}
    after = compose(request(SPEC, eu, status=dict(before.status), observed=live(before), given=given))
    assert manifests(after)["vllm/deployment"] == manifests(before)["vllm/deployment"]


def test_a_model_that_sleeps_takes_no_gpu() -> None:
    """Its record counts none, and its download takes none."""
    made = manifests(model(0))
    labels = made["vllm/placed"]["metadata"]["labels"]
    assert (labels["freehold.dev/gpus"], labels["freehold.dev/pod-count"]) == ("0", "0")
    [download] = [name for name in made if "/download-" in name]
    assert "nvidia.com/gpu" not in str(pod_of(made[download])["containers"])
