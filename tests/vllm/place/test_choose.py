"""Where a Model goes, and the words when it goes nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Condition, Invalid, Status
from functions.node_pools.compose import FUNCTION as CLUSTER
from functions.vllm.compose import compose
from tests.node_pools.requests import cluster as of_cluster
from tests.node_pools.requests import existing
from tests.vllm.world import H100, L4, T4, cluster, request

CARD = {
    "name": "card",
    "gpuModel": "RTX 4080 SUPER",
    "gpusPerNode": 1,
    "gpuMemoryMiB": 32760,
    "computeCapability": "8.9",
    "nodes": {"min": 0, "max": 4},
    "ready": True,
}
L4X4 = {**L4, "name": "l4x4", "gpusPerNode": 4, "priceUsdPerHour": 4.6016}


def placed(spec: dict[str, Any], *clusters: dict[str, Any], **more: Any) -> Condition:
    """The Placed condition of a new Model."""
    condition = compose(request(spec, *clusters, **more)).conditions[0]
    assert isinstance(condition, Condition)
    return condition


@pytest.mark.parametrize(
    ("spec", "pools", "message"),
    [
        pytest.param({"model": "Qwen/Qwen3-8B"}, [H100, L4], "l4, 1 L4", id="one GPU each: the cheaper"),
        pytest.param({"model": "Qwen/Qwen3-8B"}, [T4, L4], "l4, 1 L4", id="bf16 does not run on T4"),
        pytest.param(
            {"model": "Qwen/Qwen3-8B"}, [{**L4, "leaving": True}, H100], "h100, 1 H100-80GB", id="l4 leaves"
        ),
        pytest.param({"model": "Qwen/Qwen3-32B"}, [L4X4, H100], "l4x4, 4 L4", id="the cheaper"),
        pytest.param({"model": "Qwen/Qwen3-32B"}, [L4X4], "l4x4, 4 L4", id="tensor parallel in a node"),
        pytest.param(
            {"model": "Qwen/Qwen3-8B", "gpu": {"model": "H100-80GB"}},
            [L4, H100],
            "h100, 1 H100-80GB",
            id="model asked",
        ),
        pytest.param(
            {"model": "Qwen/Qwen3-8B", "gpu": {"model": "H100"}},
            [L4, H100],
            "h100, 1 H100-80GB",
            id="a short name",
        ),
        pytest.param(
            {"model": "Qwen/Qwen3-8B", "gpu": {"model": "NVIDIA-H100-80GB-HBM3"}},
            [L4, H100],
            "h100, 1 H100-80GB",
            id="a node's label",
        ),
        pytest.param(
            {"model": "Qwen/Qwen3-8B", "gpu": {"model": "rtx 4080-super"}},
            [L4, CARD],
            "card, 1 RTX 4080 SUPER",
            id="a declared GPU by name",
        ),
        pytest.param(
            {"model": "Qwen/Qwen3-8B-FP8"},
            [{**CARD, "computeCapability": "8.6"}, H100],
            "h100, 1 H100-80GB",
            id="a declared compute capability without fp8",
        ),
        pytest.param({"model": "Qwen/Qwen3-8B-FP8"}, [CARD], "card, 1 RTX 4080 SUPER", id="one with fp8"),
        pytest.param({"model": "Qwen/Qwen3-8B", "gpu": {"count": 2}}, [L4X4], "l4x4, 2 L4", id="count asked"),
    ],
)
def test_choice(spec: dict[str, Any], pools: list[dict[str, Any]], message: str) -> None:
    condition = placed(spec, cluster("eu", *pools, allowed=["*"]))
    assert condition.status is Status.TRUE, condition.message
    assert condition.message == f"on platform/eu, node pool {message} per replica"


MODEL = {"model": "Qwen/Qwen3-8B"}
NOWHERE = [
    pytest.param(
        MODEL,
        [],
        (
            "NoCluster",
            "[platform] there is no InferenceCluster in the Model's namespace or in one whose clusters the "
            "platform shares: ask the platform team to create one, or name one and its namespace in "
            "spec.cluster",
        ),
        id="no cluster",
    ),
    pytest.param(
        {**MODEL, "cluster": {"name": "us"}},
        [cluster("eu", allowed=["*"])],
        (
            "ClusterNotFound",
            "[model] there is no InferenceCluster us in the Model's namespace or in one whose clusters the "
            "platform shares: correct spec.cluster, set spec.cluster.namespace to the cluster's namespace, "
            "or leave spec.cluster out",
        ),
        id="unknown cluster",
    ),
    pytest.param(
        MODEL,
        [cluster("eu", allowed=["research"])],
        (
            "NamespaceNotAllowed",
            "[platform] no InferenceCluster admits Models of namespace team-a: ask the cluster's owner to "
            "add team-a to its spec.allowedNamespaces",
        ),
        id="namespace not admitted",
    ),
    pytest.param(
        MODEL,
        [cluster("eu")],
        (
            "NamespaceNotAllowed",
            "[platform] no InferenceCluster admits Models of namespace team-a: ask the cluster's owner to "
            "add team-a to its spec.allowedNamespaces",
        ),
        id="only its own namespace by default",
    ),
    pytest.param(
        MODEL,
        [cluster("eu", allowed=["*"], ready=False)],
        (
            "ClusterNotReady",
            "[infrastructure] waits until a cluster is ready. eu: its control plane is not ready yet "
            "(Creating)",
        ),
        id="cluster not ready",
    ),
    pytest.param(
        {**MODEL, "contextLength": 40960, "concurrency": 2},
        [cluster("eu", allowed=["*"])],
        (
            "NothingFits",
            "[model] eu/l4: the Model needs 26.7 GiB on 1 GPU (weights 15.4, KV cache 11.2), and 18.3 GiB "
            "are usable. It would fit eu/l4 with contextLength: 10496",
        ),
        id="context too long",
    ),
    pytest.param(
        {"model": "meta-llama/Llama-3.3-70B-Instruct"},
        [cluster("eu", L4, T4, allowed=["*"])],
        (
            "NothingFits",
            "[model] eu/l4: the Model needs 137.7 GiB on 1 GPU (weights 132.7, KV cache 5.0), and 18.3 GiB "
            "are usable; eu/t4: the Model needs 137.7 GiB on 1 GPU (weights 132.7, KV cache 5.0), and 11.5 "
            "GiB are usable. The weights of 131.4 GiB do not fit any node: ask the platform team for a node "
            "pool with more GPU memory, or name a quantised or smaller model",
        ),
        id="weights too large",
    ),
    pytest.param(
        {**MODEL, "gpu": {"model": "H100-80GB"}},
        [cluster("eu", allowed=["*"])],
        (
            "NothingFits",
            "[model] eu/l4: its GPUs are L4, and spec.gpu.model is H100-80GB. Without spec.gpu, it would "
            "fit eu/l4 on 1 L4",
        ),
        id="GPU that no pool has",
    ),
    pytest.param(
        {**MODEL, "replicas": {"min": 2}},
        [cluster("eu", allowed=["*"])],
        (
            "NothingFits",
            "[model] eu/l4: 2 replicas mount one volume, and its cluster has no shared storage. It would "
            "fit eu/l4 with replicas.min: 1",
        ),
        id="replicas without shared storage",
    ),
    pytest.param(
        {**MODEL, "replicas": {"min": 9}},
        [cluster("eu", allowed=["*"], sharedStorage=True)],
        (
            "NothingFits",
            "[model] eu/l4: 9 replicas with 1 GPU each do not fit its 4 nodes. It would fit eu/l4 with "
            "replicas.min: 4",
        ),
        id="more replicas than nodes",
    ),
]


@pytest.mark.parametrize(("spec", "clusters", "expected"), NOWHERE)
def test_nowhere(spec: dict[str, Any], clusters: list[dict[str, Any]], expected: tuple[str, str]) -> None:
    condition = placed(spec, *clusters)
    assert (condition.reason, condition.text) == expected
    assert condition.status is Status.FALSE


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ({"name": "eu", "namespace": "platform"}, "platform/eu"),
        ({"name": "eu", "namespace": "other"}, "other/eu"),
    ],
)
def test_clusters_of_one_name(choice: dict[str, str], found: str) -> None:
    other = cluster("eu", allowed=["*"], namespace="other")
    other["metadata"]["name"] = "eu-x2"
    condition = placed({**MODEL, "cluster": choice}, cluster("eu", allowed=["*"]), other)
    assert condition.message.startswith(f"on {found},")


def test_labels_do_not_make_a_claim() -> None:
    # A tenant may label its own cluster like another's claim; only claimRef counts.
    impostor = cluster("mine", allowed=["*"], namespace="evil")
    impostor["metadata"]["labels"] = {"crossplane.io/claim-name": "eu"}
    assert placed({**MODEL, "cluster": {"name": "eu"}}, impostor).reason == "ClusterNotFound"


def test_a_stranger_attracts_nobody() -> None:
    """Whoever owns a cluster reads what runs there, tokens included."""
    trap = cluster("eu", H100, allowed=["*"], namespace="evil")
    trap["metadata"]["name"] = "eu-x2"
    assert placed(MODEL, trap).reason == "NoCluster"
    assert placed({**MODEL, "cluster": {"name": "eu"}}, trap).reason == "ClusterNotFound"
    assert placed(
        {**MODEL, "cluster": {"name": "eu"}}, trap, cluster("eu", allowed=["*"])
    ).message.startswith("on platform/eu,")
    assert placed({**MODEL, "cluster": {"name": "eu", "namespace": "evil"}}, trap).status is Status.TRUE
    assert placed(MODEL, trap, given={"clusterNamespaces": ["e*"]}).status is Status.TRUE


def test_a_name_that_two_share() -> None:
    other = cluster("eu", allowed=["*"], namespace="other")
    other["metadata"]["name"] = "eu-x2"
    condition = placed(
        {**MODEL, "cluster": {"name": "eu"}},
        cluster("eu", allowed=["*"]),
        other,
        given={"clusterNamespaces": ["*"]},
    )
    assert (condition.reason, condition.text) == (
        "ClusterAmbiguous",
        "[model] namespaces other and platform each have an InferenceCluster eu: set "
        "spec.cluster.namespace to one of them",
    )


def test_a_cluster_with_one_bad_field_still_admits() -> None:
    odd = cluster("eu", allowed=["*"])
    odd["spec"]["aws"] = {"region": "eu-central-1", "publicAccessCidrs": ["1.2.3.4/99"]}
    assert placed(MODEL, odd).status is Status.TRUE


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (
            3,
            "spec.gpu.count: Qwen/Qwen3-8B cannot be divided among 3 GPUs: their number must be a power of two "
            "that divides its 32 attention heads, 8 key-value heads and MLPs. Use one of 1, 2, 4, 8, 16.",
        ),
    ],
)
def test_gpus_that_cannot_share_the_heads(count: int, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        placed({**MODEL, "gpu": {"count": count}}, cluster("eu", L4X4, allowed=["*"]))
    assert str(caught.value) == message


def test_only_concurrency_is_too_high() -> None:
    condition = placed({**MODEL, "concurrency": 1024}, cluster("eu", allowed=["*"]))
    assert condition.message.endswith("It would fit eu/l4 with concurrency: 1 at 16384 tokens")


def test_wildcards_admit() -> None:
    assert placed(MODEL, cluster("eu", allowed=["team-*"])).status is Status.TRUE


def test_the_same_whatever_the_order() -> None:
    one, two = cluster("eu", L4, allowed=["*"]), cluster("us", L4, allowed=["*"])
    assert placed(MODEL, one, two) == placed(MODEL, two, one)


def test_each_reason_is_given_once() -> None:
    pools = [{**pool, "name": f"{pool['name']}{i}"} for i in range(10) for pool in (L4, T4)]
    many = [cluster(f"c{i:02}", *pools, allowed=["*"]) for i in range(50)]
    condition = placed({"model": "google/gemma-2-27b-it"}, *many)
    assert condition.message == (
        "c00/l40 and 499 more: the Model needs 54.1 GiB on 1 GPU (weights 51.2, KV cache 2.9), and 17.9 GiB "
        "are usable; 4 nodes with 1 GPU each would hold it, but its cluster has no shared storage for the "
        "weights; c00/t40 and 499 more: T4 has compute capability 7.5; bf16 weights need 8.0. The weights of "
        "50.7 GiB do not fit any node: ask the platform team for a node pool with more GPU memory, or name a "
        "quantised or smaller model"
    )


def test_many_reasons_stay_readable() -> None:
    full = [{**L4, "name": f"pool-with-a-long-na{i:02}", "gpusInUse": 4 + i} for i in range(32)]
    condition = placed(MODEL, cluster("c" * 60, *full, allowed=["*"]))
    assert "and 24 more reasons" in condition.message
    assert len(condition.message) < 1500


def test_the_next_best_are_recorded() -> None:
    pools = [L4X4, H100, L4, *({**L4, "name": f"twin{i}"} for i in range(9))]
    placement = compose(request(MODEL, cluster("eu", *pools, allowed=["*"]))).status["placement"]
    assert placement["priceUsdPerHour"] == 0.8048
    assert placement["runnersUp"] == [
        {
            "claim": "platform/eu",
            "nodePool": f"twin{i}",
            "gpus": "1 L4",
            "why": "fits as well, and its name comes later in the alphabet",
        }
        for i in range(5)
    ]


def test_why_each_lost() -> None:
    bare = {**L4, "name": "bare", "priceUsdPerHour": None}
    large = {**H100, "name": "large", "priceUsdPerHour": 8 * 0.8048}
    placement = compose(request(MODEL, cluster("eu", L4X4, bare, large, L4, allowed=["*"]))).status[
        "placement"
    ]
    assert [(r["nodePool"], r["why"]) for r in placement["runnersUp"]] == [
        ("large", "fits at the same price, on a larger GPU"),
        ("l4x4", "fits, for 1.15 USD/h instead of 0.80"),
        ("bare", "fits, but has no listed price"),
    ]


def test_a_declared_gpu_serves() -> None:
    # Proves: from a declaration in an InferenceCluster to a Model on it, with nothing of the catalog.
    declared = {"model": "RTX 4080 SUPER", "memoryGiB": 31.99, "computeCapability": "8.9"}
    pool = {"name": "card", "gpu": declared, "labels": {"example.com/gpu": "card"}}
    offered = CLUSTER.compose(of_cluster(existing(pool))).status["nodePools"]
    condition = placed({"model": "Qwen/Qwen3-8B-FP8"}, cluster("eu", *offered, allowed=["*"]))
    assert condition.message == "on platform/eu, node pool card, 1 RTX 4080 SUPER per replica"
