"""What a claim will use and cost, of clusters as they are planned."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Group

from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import aws, cluster, existing
from tools.console import text
from tools.costs import report
from tools.manifests import Manifest

NOT_IN_IT = "Not in it: the control plane, its system nodes, NAT gateways, disks, traffic, taxes."
L4 = {"name": "l4", "gpu": {"model": "L4"}, "nodes": {"min": 0, "max": 8}}
H100 = {"name": "h100", "gpu": {"model": "H100-80GB", "count": 8}, "nodes": {"min": 2, "max": 2}}
P5E = {"nodes": {"min": 1, "max": 1}, "name": "p5e", "instanceType": "p5e.48xlarge", "capacity": "Spot"}
B200 = {"nodes": {"min": 1, "max": 1}, "name": "b200", "instanceType": "p6-b200.48xlarge"}
BLOCK = {"capacity": "Reserved", "reservation": {"id": "cr-00000000000000001", "kind": "CapacityBlock"}}
SHARED = {"sharing": {"mode": "TimeSlicing", "slicesPerGPU": 4}}


def lines(xr: Manifest, required: list[Manifest]) -> list[str]:
    """What a file or a pipe gets."""
    return text(Group(*report(xr, required)))


def planned(spec: dict[str, Any]) -> Manifest:
    request = cluster(spec)
    return {**request.composite, "status": dict(FUNCTION.compose(request).status)}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        pytest.param(
            aws(L4),
            [
                "POOL  NODES   GPUS         MACHINE    CAPACITY  A NODE       USD/H",
                "l4    0 to 8  0 to 8 x L4  g6.xlarge  OnDemand  0.80 x 1.25  0.00 to 8.05",
                "Listed on demand in us-east-1 on 2026-07-20, times what eu-central-1 is known to differ by.",
                NOT_IN_IT,
            ],
            id="another-region",
        ),
        pytest.param(
            aws(
                {**L4, "capacity": "Spot", **SHARED},
                {**H100, **BLOCK, "zones": ["use1-az1"]},
                region="us-east-1",
            ),
            [
                "POOL   NODES    GPUS                        MACHINE      CAPACITY  A NODE   USD/H",
                "l4     0 to 8   0 to 8 x L4, 4 slices each  g6.xlarge    Spot      0.80     0.00 to 6.44",
                "h100   2        16 x H100-80GB              p5.48xlarge  Reserved  prepaid  0.00 to 0.00",
                "total  2 to 10  16 to 24                                                    0.00 to 6.44",
                "Listed on demand in us-east-1 on 2026-07-20.",
                "Spot is listed at the on-demand price, which it stays below.",
                "A Capacity Block is paid for beforehand.",
                NOT_IN_IT,
            ],
            id="spot-and-prepaid",
        ),
        pytest.param(
            aws(
                {**H100, **BLOCK, "reservation": {"id": "cr-00000000000000001"}, "zones": ["use1-az1"]},
                region="us-east-1",
            ),
            [
                "POOL  NODES  GPUS            MACHINE      CAPACITY  A NODE  USD/H",
                "h100  2      16 x H100-80GB  p5.48xlarge  Reserved  55.04   110.08 to 110.08",
                "Listed on demand in us-east-1 on 2026-07-20.",
                "An On-Demand Capacity Reservation costs the same while its machines are not used.",
                NOT_IN_IT,
            ],
            id="reserved",
        ),
        pytest.param(
            aws(P5E, region="us-west-2"),
            [
                "POOL  NODES  GPUS            MACHINE       CAPACITY  A NODE  USD/H",
                "p5e   1      8 x H200-141GB  p5e.48xlarge  Spot      -       -",
                "No price is known for p5e.48xlarge: it is not in the sums.",
                "Spot is listed at the on-demand price, which it stays below.",
                NOT_IN_IT,
            ],
            id="no-price",
        ),
        pytest.param(
            aws(B200, zones=["euc1-az1", "euc1-az2", "euc1-az3"]),
            [
                "POOL  NODES  GPUS      MACHINE           CAPACITY  A NODE  USD/H",
                "b200  1      8 x B200  p6-b200.48xlarge  OnDemand  113.93  113.93 to 113.93",
                "Listed on demand in us-east-1 on 2026-07-20, times what eu-central-1 is known to differ by.",
                "What eu-central-1 differs by is not known for p6-b200.48xlarge.",
                NOT_IN_IT,
            ],
            id="no-factor",
        ),
        pytest.param(
            existing({**L4, "nodes": {"min": 2, "max": 2}}),
            [
                "POOL  NODES  GPUS    MACHINE  CAPACITY  A NODE  USD/H",
                "l4    2      2 x L4  its own  -         -       -",
                "Nothing is bought: the cluster and its nodes exist already.",
            ],
            id="existing",
        ),
    ],
)
def test_a_cluster(spec: dict[str, Any], wanted: list[str]) -> None:
    # Proves: nodes, GPUs and listed price from min to max, where and when it was listed, and what is left out.
    assert lines(planned(spec), []) == wanted


def test_a_cluster_that_is_not_planned() -> None:
    # Proves: a refused claim shows its error alone.
    assert lines(dict(cluster(aws(L4)).composite), []) == []


PLACEMENT = {
    "cluster": "eu-prod-x7k2p",
    "claim": "platform/eu-prod",
    "nodePool": "l4",
    "gpuModel": "L4",
    "gpus": 2,
    "nodes": 1,
    "namespace": "team-a-x",
    "providerConfig": "x",
    "providerConfigNamespace": "crossplane-system",
}


def model(replicas: int = 1, **placement: Any) -> Manifest:
    status = {"placement": {**PLACEMENT, **placement}}
    spec = {"model": "Qwen/Qwen3-8B", "replicas": {"min": replicas}}
    return {"kind": "XModel", "metadata": {"name": "m"}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("xr", "pool", "wanted"),
    [
        pytest.param(
            model(3),
            {**L4, "gpu": {"model": "L4", "count": 4}},
            [
                "Takes 3 replicas x 1 node x 2 nvidia.com/gpu (L4) of pool l4 in platform/eu-prod.",
                "Its share of the listed price is 8.63 USD/h: 4.60 x 1.25 for each node with 4 nvidia.com/gpu, on demand "
                "in us-east-1 on 2026-07-20.",
            ],
            id="a-part-of-its-nodes",
        ),
        pytest.param(
            model(gpus=1),
            {**L4, **SHARED},
            [
                "Takes 1 replica x 1 node x 1 nvidia.com/gpu (L4) of pool l4 in platform/eu-prod.",
                "Its share of the listed price is 0.25 USD/h: 0.80 x 1.25 for each node with 4 nvidia.com/gpu, on demand "
                "in us-east-1 on 2026-07-20.",
            ],
            id="slices",
        ),
        pytest.param(
            model(nodes=2, cluster="another"),
            L4,
            ["Takes 1 replica x 2 nodes x 2 nvidia.com/gpu (L4) of pool l4 in platform/eu-prod."],
            id="cluster-not-given",
        ),
    ],
)
def test_a_model(xr: Manifest, pool: dict[str, Any], wanted: list[str]) -> None:
    # Proves: what a Model takes of its pool, and its part of the pool's price where the cluster is given.
    assert lines(xr, [planned(aws(pool)), {"kind": "ConfigMap", "metadata": {"name": "x"}}]) == wanted


def test_a_model_says_how_full_its_gpus_are() -> None:
    sizing = {
        "weightsGiB": 15.0,
        "kvCacheBytesPerToken": 1,
        "contextLength": 1,
        "concurrency": 1,
        "kvCacheGiB": 1.0,
        "usableGiBPerGPU": 18.06,
        "neededGiBPerGPU": 17.84,
        "explanation": "",
    }
    xr = model()
    (line,) = lines({**xr, "status": {**xr["status"], "sizing": sizing}}, [])
    assert line.endswith(" of pool l4 in platform/eu-prod, 17.8 of 18.1 GiB on each.")


def test_a_model_without_a_place() -> None:
    # Proves: nothing is said of what is not decided; the condition Placed says why.
    assert lines({"kind": "XModel", "metadata": {"name": "m"}, "spec": {}, "status": {}}, []) == []
