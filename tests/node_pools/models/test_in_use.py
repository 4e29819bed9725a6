"""A cluster in use is not deleted, and a cluster goes in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.base import Request, Resource, Selector
from functions.node_pools.compose import FUNCTION
from functions.vllm.compose import FUNCTION as VLLM
from tests.node_pools.requests import COMPOSITE, L4, aws, cluster, existing
from tests.vllm import world

GUARDS = ("node-pools/in-use", "node-pools/claim-in-use")


def record(model: str, pool: str = "l4", gpus: str = "1", pods: str = "1") -> dict[str, Any]:
    labels = {
        "freehold.dev/node-pool": pool,
        "freehold.dev/gpus": gpus,
        "freehold.dev/pod-count": pods,
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "labels": labels},
        "data": {"model": model},
    }


def asked(spec: dict[str, Any], *models: str, **more: Any) -> Request:
    return replace(cluster(spec, **more), answers={"models": tuple(map(record, models))})


def in_use(request: Request) -> list[int | None]:
    return [pool.get("gpusInUse") for pool in FUNCTION.compose(request).status["nodePools"]]


def guards(request: Request) -> dict[str, Resource]:
    return {r.name: r for r in FUNCTION.compose(request).resources if r.name in GUARDS}


@pytest.mark.parametrize("spec", [aws(), existing()], ids=["aws", "existing"])
def test_claim_and_composite_are_guarded(spec: dict[str, Any]) -> None:
    # Proves: the whole manifests; each names every Model.
    found = {n: r.manifest for n, r in guards(asked(spec, "b/two", "a/one")).items()}
    reason = "Models a/one, b/two run on it: delete those first"
    name = f"{COMPOSITE}-in-use-2bc83a"
    assert found == {
        "node-pools/in-use": {
            "apiVersion": "protection.crossplane.io/v1beta1",
            "kind": "ClusterUsage",
            "metadata": {"name": name},
            "spec": {
                "of": {
                    "apiVersion": "freehold.dev/v1alpha1",
                    "kind": "XInferenceCluster",
                    "resourceRef": {"name": COMPOSITE},
                },
                "reason": reason,
            },
        },
        "node-pools/claim-in-use": {
            "apiVersion": "protection.crossplane.io/v1beta1",
            "kind": "Usage",
            "metadata": {"name": name, "namespace": "platform"},
            "spec": {
                "of": {
                    "apiVersion": "freehold.dev/v1alpha1",
                    "kind": "InferenceCluster",
                    "resourceRef": {"name": "eu-prod"},
                },
                "reason": reason,
            },
        },
    }


def test_one_model_is_told_as_one() -> None:
    guard = guards(asked(existing(), "a/one"))["node-pools/in-use"].manifest
    assert guard is not None
    assert guard["spec"]["reason"] == "Model a/one runs on it: delete that first"


def test_many_models_are_not_all_named() -> None:
    guard = guards(asked(existing(), *(f"a/m{i:02}" for i in range(13))))["node-pools/in-use"].manifest
    assert guard is not None
    assert guard["spec"]["reason"].startswith("Models a/m00, a/m01, ")
    assert guard["spec"]["reason"].endswith(", a/m09 and 3 more run on it: delete those first")


def test_a_cluster_without_models_may_go() -> None:
    assert guards(asked(existing())) == {}


def test_a_composite_without_a_claim_has_one_guard() -> None:
    assert list(guards(asked(existing(), "a/one", claim={}))) == ["node-pools/in-use"]


def test_an_unanswered_requirement_keeps_the_guards() -> None:
    # Proves: a guard goes only because it is known that no Model is left.
    live = {name: {"metadata": {"name": "x"}} for name in GUARDS}
    assert not FUNCTION.compose(cluster(existing(), observed=live)).gone
    assert set(FUNCTION.compose(asked(existing(), observed=live)).gone) == set(GUARDS), "answered: none left"


def test_only_records_of_the_platform_namespace_are_believed() -> None:
    # Proves: a tenant cannot keep somebody's cluster from being deleted with a ConfigMap of its own.
    request = cluster(existing(), given={"platformNamespace": "infra"})
    FUNCTION.compose(request)
    labels = (("freehold.dev/cluster", COMPOSITE),)
    assert request.requirements["models"] == Selector("v1", "ConfigMap", labels=labels, namespace="infra")


def test_a_placed_model_leaves_the_record_that_its_cluster_looks_for() -> None:
    # Proves: both ends of the contract, by the functions themselves.
    request = world.request({"model": "Qwen/Qwen3-8B"}, world.cluster(allowed=["*"]))
    found = next(r.manifest for r in VLLM.compose(request).resources if r.name == "vllm/placed")
    assert found is not None
    assert found["metadata"]["namespace"] == "crossplane-system"
    assert found["metadata"]["labels"] == {
        "freehold.dev/model": found["metadata"]["labels"]["freehold.dev/model"],
        "freehold.dev/cluster": "eu-prod-x1",
        "freehold.dev/node-pool": "l4",
        "freehold.dev/gpus": "1",
        "freehold.dev/pod-count": "1",
    }
    assert found["data"] == {"model": "team-a/qwen"}


A100 = {"name": "a100", "gpu": {"model": "A100-80GB", "count": 8}, "nodes": {"min": 2, "max": 2}}
TAKEN = (record("a/one", "l4", "2"), record("a/two", "l4", "1"), record("b/one", "a100", "16"))


@pytest.mark.parametrize(
    ("records", "count"),
    [
        pytest.param((), [0, 0], id="no-models"),
        pytest.param(TAKEN, [3, 16], id="all-replicas-of-all-models"),
        pytest.param((record("a/one", "l4", "0"),), [0, 0], id="scaled-to-zero"),
        pytest.param((record("a/one", "gone", "4"),), [0, 0], id="pool-of-before"),
        pytest.param((record("a/one", "l4", "many"),), [0, 0], id="not-a-number"),
        pytest.param(({"metadata": {"name": "x"}},), [0, 0], id="without-labels"),
    ],
)
@pytest.mark.parametrize("make", [aws, existing])
def test_gpus_in_use(make: Any, records: tuple[dict[str, Any], ...], count: list[int]) -> None:
    # Proves: counted once, in the cluster, from what Models left beside it.
    assert in_use(replace(cluster(make({**L4, "name": "l4"}, A100)), answers={"models": records})) == count


def test_pods_are_counted_by_their_gpus() -> None:
    # Proves: two replicas of 4 GPUs on a node are told from one of 8.
    records = (
        record("a/halves", "a100", "8", "2"),
        record("a/half", "a100", "4"),
        record("a/whole", "a100", "8"),
        record("a/asleep", "a100", "0", "0"),
        {"metadata": {"name": "x", "labels": {"freehold.dev/node-pool": "l4", "freehold.dev/gpus": "2"}}},
    )
    asked = replace(cluster(existing({**L4, "name": "l4"}, A100)), answers={"models": records})
    l4, a100 = FUNCTION.compose(asked).status["nodePools"]
    assert a100["podsInUse"] == [{"gpus": 4, "pods": 3}, {"gpus": 8, "pods": 1}]
    assert l4["podsInUse"] == [{"gpus": 2, "pods": 1}], "a record without the label: as few pods as can be"


def test_what_models_take_changes_no_offer() -> None:
    # Proves: a Model that is placed wakes no other.
    def offer(*records: dict[str, Any]) -> Any:
        made = FUNCTION.compose(replace(cluster(existing(L4, A100)), answers={"models": records}))
        return next(r.manifest for r in made.resources if r.name == "node-pools/offer")

    assert offer() == offer(record("a/halves", "a100", "8", "2"))


def test_the_last_count_stands_while_the_records_are_not_known() -> None:
    pool = {"gpuModel": "L4", "gpusPerNode": 1, "gpuMemoryMiB": 23034, "nodes": {}}
    pods = [{"gpus": 1, "pods": 3}]
    recorded = {"nodePools": [{**pool, "name": "l4", "gpusInUse": 3, "podsInUse": pods}]}
    asked = cluster(existing(L4, A100), status=recorded)
    assert in_use(asked) == [3, None]
    assert FUNCTION.compose(asked).status["nodePools"][0]["podsInUse"] == pods


def test_a_part_goes_after_another() -> None:
    # Proves: the cluster answers until nothing reaches into it, and its roles and its key go last.
    resources = {r.name: r for r in FUNCTION.compose(cluster(aws())).resources}
    order = {
        (usage["of"]["kind"], usage["of"]["resourceRef"]["name"], usage["by"]["kind"])
        for name, r in resources.items()
        if name.endswith("-last") and r.manifest
        for usage in [r.manifest["spec"]]
    }

    def made(name: str) -> str:
        manifest = resources[f"node-pools/{name}"].manifest
        assert manifest is not None
        return str(manifest["metadata"]["name"])

    attachments = (
        "role-cluster-cluster",
        *(f"role-node-{policy}" for policy in ("worker", "registry", "cni")),
        *(f"role-{driver}-{driver}" for driver in ("ebs-csi", "efs-csi")),
    )
    roles = {("RolePolicyAttachment", made(name), "Cluster") for name in attachments}
    assert order == {("Key", made("kms-key"), "Cluster"), *roles}
    last = resources["node-pools/role-node-cni-last"]
    assert last.after == ("node-pools/role-node-cni", "node-pools/cluster")
