"""Which machine a pool gets, and what a user reads who asks for one that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, live

AWS_HAS = (
    "A100-40GB, A100-80GB, A10G, B200, B300, H100-80GB, H200-141GB, L4, L40S, RTX-PRO-6000, T4, V100-16GB, "
    "V100-32GB"
)


def pool(**fields: Any) -> dict[str, Any]:
    return {"name": "p", **fields}


def planned(spec: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    pools: list[dict[str, Any]] = FUNCTION.compose(cluster(spec, **more)).status["nodePools"]
    return pools


def machine(asked: dict[str, Any], **place: Any) -> str:
    return str(planned(aws(asked, **place))[0]["instanceType"])


@pytest.mark.parametrize(
    ("asked", "region", "wanted"),
    [
        pytest.param({"gpu": {"model": "L4"}}, "eu-central-1", "g6.xlarge", id="cheapest-of-many"),
        pytest.param({"gpu": {"model": "L4", "count": 4}}, "eu-central-1", "g6.12xlarge", id="exact-count"),
        pytest.param(
            {"gpu": {"model": "H200-141GB", "count": 8}}, "us-west-2", "p5en.48xlarge", id="price-first"
        ),
        pytest.param({"instanceType": "g6.4xlarge"}, "eu-central-1", "g6.4xlarge", id="override"),
        pytest.param(
            {"instanceType": "g6.4xlarge", "gpu": {"model": "L4"}},
            "eu-central-1",
            "g6.4xlarge",
            id="agreeing",
        ),
    ],
)
def test_picks(asked: dict[str, Any], region: str, wanted: str) -> None:
    # Proves: the cheapest machine that has exactly these GPUs and is sold in the region.
    assert machine(pool(**asked), region=region) == wanted


def test_a_slice_or_an_arm_machine_is_never_picked() -> None:
    # Proves: g6f (an eighth of an L4) and g5g (arm64) are cheaper than what is picked.
    assert machine(pool(gpu={"model": "L4"})) != "g6f.large"
    with pytest.raises(Invalid, match="T4G cannot serve on AWS: its CPU is arm64"):
        machine(pool(gpu={"model": "T4G"}))


def test_a_vouched_machine_is_taken_where_the_catalog_does_not_know_it() -> None:
    # Proves: an old catalog does not keep a new offer away from whoever names its zones.
    zones = ["euc1-az1", "euc1-az2", "euc1-az3"]
    assert machine(pool(instanceType="g7e.2xlarge"), zones=zones) == "g7e.2xlarge"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param(
            {"gpu": {"model": "L5"}},
            "spec.nodePools[1].gpu.model: L5 is not an NVIDIA GPU that the catalog knows. Did you mean L4? "
            f"AWS has L4, {AWS_HAS.replace(' L4,', '')}.",
            id="mistyped-gpu",
        ),
        pytest.param(
            {"gpu": {"model": "a100"}},
            "spec.nodePools[1].gpu.model: a100 is not an NVIDIA GPU that the catalog knows. Did you mean "
            f"A100-40GB or A100-80GB? AWS has {AWS_HAS}.",
            id="half-a-name",
        ),
        pytest.param(
            {"gpu": {"model": "MI300X"}},
            "spec.nodePools[1].gpu.model: MI300X is not an NVIDIA GPU that the catalog knows. "
            f"AWS has {AWS_HAS}.",
            id="amd",
        ),
        pytest.param(
            {"gpu": {"model": "A40"}},
            "spec.nodePools[1].gpu.model: AWS has no machine with A40. Use g6e.xlarge (1 x L40S), the "
            f"cheapest in eu-central-1 that would do. AWS has A10G, {AWS_HAS.replace(' A10G,', '')}.",
            id="not-at-this-cloud",
        ),
        pytest.param(
            {"gpu": {"model": "T4G", "count": 2}},
            "spec.nodePools[1].gpu.model: T4G cannot serve on AWS: its CPU is arm64; the vLLM image is for "
            "amd64. Use g4dn.12xlarge (4 x T4), the cheapest in eu-central-1 that would do. "
            f"AWS has T4, {AWS_HAS.replace(' T4,', '')}.",
            id="arm-gpu",
        ),
        pytest.param(
            {"gpu": {"model": "GB300"}},
            f"spec.nodePools[1].gpu.model: AWS has no machine with GB300. AWS has {AWS_HAS}.",
            id="nothing-as-large",
        ),
        pytest.param(
            {"gpu": {"model": "L4", "count": 3}},
            "spec.nodePools[1].gpu.count: no AWS machine has 3 x L4. Machines with L4 have 1, 4 or 8.",
            id="no-such-count",
        ),
        pytest.param(
            {"gpu": {"model": "B200", "count": 8}},
            "spec.nodePools[1].gpu: eu-central-1 is not known to have machines with 8 x B200. Regions that "
            "have them: us-east-1, us-east-2, us-west-2; eu-central-1 has A100-40GB, A100-80GB, A10G, L4, "
            "L40S, T4, V100-16GB.",
            id="not-in-this-region",
        ),
        pytest.param(
            {"instanceType": "g6.xlage"},
            "spec.nodePools[1].instanceType: g6.xlage is no AWS GPU machine in the catalog. Nearest are "
            "g6.xlarge, g6e.xlarge, g6.8xlarge.",
            id="unknown-type",
        ),
        pytest.param(
            {"instanceType": "g6.12xlarge", "gpu": {"model": "L4", "count": 1}},
            "spec.nodePools[1].instanceType: g6.12xlarge has 4 x L4, and gpu asks for 1 x L4. Drop one of "
            "instanceType and gpu, or make them agree.",
            id="contradicting-count",
        ),
        pytest.param(
            {"instanceType": "g6.xlarge", "gpu": {"model": "T4"}},
            "spec.nodePools[1].instanceType: g6.xlarge has 1 x L4, and gpu asks for 1 x T4. Drop one of "
            "instanceType and gpu, or make them agree.",
            id="contradicting-model",
        ),
        pytest.param(
            {"instanceType": "g6f.xlarge"},
            "spec.nodePools[1].instanceType: g6f.xlarge cannot serve: it has a slice of a GPU; vLLM needs "
            "whole ones. Use g6.xlarge (1 x L4), the cheapest in eu-central-1 that would do.",
            id="slice",
        ),
        pytest.param(
            {"instanceType": "g5g.xlarge"},
            "spec.nodePools[1].instanceType: g5g.xlarge cannot serve: its CPU is arm64; the vLLM image is "
            "for amd64. Use g4dn.xlarge (1 x T4), the cheapest in eu-central-1 that would do.",
            id="arm",
        ),
        pytest.param(
            {"instanceType": "g7.2xlarge"},
            "spec.nodePools[1].instanceType: g7.2xlarge cannot serve: the EKS NVIDIA image has no driver for "
            "it yet. Use g6e.xlarge (1 x L40S), the cheapest in eu-central-1 that would do.",
            id="no-driver",
        ),
        pytest.param(
            {"instanceType": "p6-b200.48xlarge"},
            "spec.nodePools[1].instanceType: p6-b200.48xlarge is not known to be sold in eu-central-1. "
            "Regions that have them: us-east-1, us-east-2, us-west-2, or vouch for it by naming the "
            "zones that have it.",
            id="type-not-in-this-region",
        ),
    ],
)
def test_what_cannot_be(asked: dict[str, Any], message: str) -> None:
    # Proves: the exact text that the claim shows, with the path of the field.
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(aws(L4, pool(**asked))))
    assert str(caught.value) == message


RECORD = {
    "name": "l4",
    "gpuModel": "L4",
    "gpusPerNode": 1,
    "gpuMemoryMiB": 20000,
    "instanceType": "g6.2xlarge",
    "nodes": {"min": 0, "max": 1},
    "capacity": "OnDemand",
}
GONE = {**RECORD, "gpuModel": "L4-MARK-2", "instanceType": "g66.xlarge"}


SHARED = {
    "mode": "TimeSlicing",
    "resource": "nvidia.com/gpu",
    "perGPU": 4,
    "memoryMiB": 5000,
}
RESERVATION = "cr-00000000000000001"
BOUGHT = {
    **RECORD,
    "instanceType": "p5.48xlarge",
    "gpuModel": "H100-80GB",
    "gpusPerNode": 8,
    "capacity": "Reserved",
    "reservation": {"id": "cr-00000001", "kind": "CapacityBlock"},
    "zones": ["euc1-az2"],
    "fabric": {"resource": "vpc.amazonaws.com/efa", "perNode": 31},
    "alternatives": ["p66.48xlarge 1.00 USD/h"],
}
BUYS = {
    "gpu": {"model": "H100-80GB", "count": 8},
    "capacity": "Reserved",
    "reservation": {"id": "cr-00000001", "kind": "CapacityBlock"},
    "zones": ["euc1-az2"],
    "fabric": "RDMA",
    "nodes": {"max": 2},
}


def group(machine: str) -> dict[str, dict[str, Any]]:
    """A node group that is there."""
    manifest = {"metadata": {"name": "x"}, "spec": {"forProvider": {"instanceTypes": [machine]}}}
    return {"node-pools/pool-l4": live(manifest)}


@pytest.mark.parametrize(
    ("asked", "record", "wanted"),
    [
        pytest.param({"gpu": {"model": "L4"}}, RECORD, ("g6.2xlarge", 20000), id="record-over-catalog"),
        pytest.param(
            {"gpu": {"model": "L4-MARK-2"}}, GONE, ("g66.xlarge", 20000), id="gpu-gone-from-the-catalog"
        ),
        pytest.param(
            {"instanceType": "g66.xlarge"}, GONE, ("g66.xlarge", 20000), id="type-gone-from-the-catalog"
        ),
        pytest.param({"gpu": {"model": "T4"}}, RECORD, ("g4dn.xlarge", 15360), id="another-gpu-asked"),
        pytest.param({"instanceType": "g6.8xlarge"}, RECORD, ("g6.8xlarge", 22888), id="another-type-asked"),
    ],
)
def test_a_recorded_machine_stays(
    asked: dict[str, Any], record: dict[str, Any], wanted: tuple[str, int]
) -> None:
    # Proves: the plan in the status wins over the catalog until the spec contradicts it.
    found = planned(aws({"name": "l4", **asked}), status={"nodePools": [record]})[0]
    assert (found["instanceType"], found["gpuMemoryMiB"]) == wanted


SHARES = {"fabric": "None", "sharing": {"mode": "TimeSlicing", "slicesPerGPU": 4}}


@pytest.mark.parametrize(
    ("record", "asked"),
    [
        pytest.param(BOUGHT, BUYS, id="fabric"),
        pytest.param({**BOUGHT, "fabric": None, "sharing": SHARED}, {**BUYS, **SHARES}, id="sharing"),
    ],
)
def test_the_record_of_a_living_pool_is_kept_whole(record: dict[str, Any], asked: dict[str, Any]) -> None:
    # Proves: sharing, fabric, reservation, zones and alternatives go on as recorded, whatever a newer
    # catalog has: 31 cards, 5000 MiB and p66.48xlarge are in none.
    status = {"nodePools": [record]}
    found = planned(aws({"name": "l4", **asked}), status=status, observed=group("p5.48xlarge"))[0]
    kept = ("sharing", "fabric", "reservation", "zones", "alternatives", "gpuMemoryMiB")
    assert {key: found.get(key) for key in kept} == {key: record.get(key) for key in kept}


def test_zones_of_a_living_pool_may_be_left_out() -> None:
    # Proves: no zones named means that it stays where it is.
    asked = {"name": "l4", **{k: v for k, v in BUYS.items() if k != "zones"}}
    found = planned(aws(asked), status={"nodePools": [BOUGHT]}, observed=group("p5.48xlarge"))[0]
    assert found["zones"] == ["euc1-az2"]


def test_a_pool_that_is_not_there_yet_is_planned_anew() -> None:
    # Proves: until its node group exists, a pool may become another; only the machine is kept.
    asked = {"name": "l4", "gpu": {"model": "L4"}, "sharing": {"mode": "MPS", "slicesPerGPU": 2}}
    found = planned(aws(asked), status={"nodePools": [{**RECORD, "sharing": SHARED}]})[0]
    assert (found["instanceType"], found["sharing"]["mode"], found["sharing"]["memoryMiB"]) == (
        "g6.2xlarge",
        "MPS",
        10000,
    )
    connected = planned(
        aws({"name": "l4", "gpu": {"model": "L4"}, "fabric": "RDMA", "nodes": {"max": 2}}),
        status={"nodePools": [RECORD]},
    )[0]
    assert connected["instanceType"] == "g6.8xlarge"


def test_a_living_pool_keeps_its_machine_when_the_record_is_lost() -> None:
    # Proves: the cheapest is not picked again over the one that the node group runs on.
    found = planned(aws({"name": "l4", "gpu": {"model": "L4"}}), observed=group("g6.4xlarge"))
    assert found[0]["instanceType"] == "g6.4xlarge"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param(
            {"gpu": {"model": "T4"}},
            "spec.nodePools[0].gpu: the pool runs on g6.2xlarge and cannot change while it lives. Add a pool "
            "with another name, move the Models, then remove pool l4.",
            id="gpu",
        ),
        pytest.param(
            {"instanceType": "g6.8xlarge"},
            "spec.nodePools[0].instanceType: the pool runs on g6.2xlarge and cannot change while it lives. "
            "Add a pool with another name, move the Models, then remove pool l4.",
            id="type",
        ),
        pytest.param(
            {"gpu": {"model": "L4"}, "capacity": "Spot"},
            "spec.nodePools[0].capacity: the pool is OnDemand and cannot change while it lives. Add a pool "
            "with another name, move the Models, then remove pool l4.",
            id="capacity",
        ),
    ],
)
def test_a_living_pool_cannot_change(asked: dict[str, Any], message: str) -> None:
    # Proves: what EKS would answer by replacing every node is refused, with the way to do it.
    request = cluster(
        aws({"name": "l4", **asked}), status={"nodePools": [RECORD]}, observed=group("g6.2xlarge")
    )
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(request)
    assert str(caught.value) == message


TO_REPLACE = (
    " and cannot change while it lives. Add a pool with another name, move the Models, then remove pool l4."
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"reservation": {"id": "cr-00000002", "kind": "CapacityBlock"}},
            "spec.nodePools[0].reservation: the pool draws from cr-00000001",
            id="reservation",
        ),
        pytest.param(
            {"capacity": "OnDemand", "reservation": None},
            "spec.nodePools[0].capacity: the pool is Reserved",
            id="no-reservation",
        ),
        pytest.param(
            {"fabric": "None"}, "spec.nodePools[0].fabric: the pool has vpc.amazonaws.com/efa", id="no-fabric"
        ),
        pytest.param(
            {"zones": ["euc1-az3"]}, "spec.nodePools[0].zones: the pool is in euc1-az2", id="another-zone"
        ),
    ],
)
def test_a_living_pool_keeps_what_it_was_made_with(change: dict[str, Any], message: str) -> None:
    # Proves: what would replace or reconfigure every node under running Models is refused.
    asked = {"name": "l4", **BUYS, **change}
    request = cluster(aws(asked), status={"nodePools": [BOUGHT]}, observed=group("p5.48xlarge"))
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(request)
    assert str(caught.value) == message + TO_REPLACE


@pytest.mark.parametrize(
    ("record", "asked", "message"),
    [
        pytest.param(
            {"sharing": SHARED},
            {"sharing": {"mode": "TimeSlicing", "slicesPerGPU": 8}},
            "spec.nodePools[0].sharing: the pool shares its GPUs by TimeSlicing (4 x slices a GPU)",
            id="another-count",
        ),
        pytest.param(
            {"sharing": {**SHARED, "mode": "MIG", "resource": "nvidia.com/mig-1g.10gb", "perGPU": 7}},
            {},
            "spec.nodePools[0].sharing: the pool shares its GPUs by MIG (7 x 1g.10gb a GPU)",
            id="whole-again",
        ),
        pytest.param(
            {},
            {"fabric": "RDMA", "nodes": {"max": 2}},
            "spec.nodePools[0].fabric: the pool has no fabric",
            id="a-fabric",
        ),
        pytest.param(
            {},
            {"zones": ["euc1-az3"]},
            "spec.nodePools[0].zones: the pool is where its machine was known to be",
            id="zones",
        ),
        pytest.param(
            {"capacity": "Reserved"},
            {"capacity": "Reserved", "reservation": {"id": "cr-00000001"}},
            "spec.nodePools[0].reservation: the pool draws from no reservation",
            id="a-reservation",
        ),
        pytest.param(
            {},
            {"sharing": {"mode": "TimeSlicing", "slicesPerGPU": 8}},
            "spec.nodePools[0].sharing: the pool does not share its GPUs",
            id="sharing",
        ),
    ],
)
def test_a_living_pool_takes_nothing_on(record: dict[str, Any], asked: dict[str, Any], message: str) -> None:
    # Proves: the same from the other side: what the pool was made without.
    request = cluster(
        aws({"name": "l4", "gpu": {"model": "L4"}, **asked}),
        status={"nodePools": [{**RECORD, **record}]},
        observed=group("g6.2xlarge"),
    )
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(request)
    assert str(caught.value) == message + TO_REPLACE


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(L4, "l4: g6.xlarge (1 x L4, 22888 MiB each), 0 to 8 nodes", id="whole-gpus"),
        pytest.param(
            {**L4, "sharing": {"mode": "MPS", "slicesPerGPU": 4}},
            "l4: g6.xlarge (1 x L4, 22888 MiB each, in 4 slices of 5722 MiB by MPS), 0 to 8 nodes",
            id="shared",
        ),
        pytest.param(
            {**L4, "fabric": "RDMA"},
            "l4: g6.8xlarge (1 x L4, 22888 MiB each, 1 x vpc.amazonaws.com/efa), 0 to 8 nodes",
            id="connected",
        ),
    ],
)
def test_the_plan_is_told(asked: dict[str, Any], told: str) -> None:
    # Proves: the Planned condition names machine, GPUs, memory and bounds of every pool.
    first = FUNCTION.compose(cluster(aws(asked))).conditions[0]
    assert (first.type, getattr(first, "message", "")) == ("Planned", told)


@pytest.mark.parametrize("model", ["H100", "h100-80gb", "NVIDIA-H100-80GB-HBM3"])
def test_a_gpu_by_another_name(model: str) -> None:
    # Proves: a GPU's other names choose the same machine, and a live pool keeps what is recorded of it.
    asked = pool(gpu={"model": model, "count": 8})
    [found] = planned(aws(asked, region="us-east-1"))
    assert (found["gpuModel"], found["instanceType"]) == ("H100-80GB", "p5.48xlarge")
    kept = planned(aws(asked, region="us-east-1"), status={"nodePools": [{**found, "gpuMemoryMiB": 7}]})
    assert kept[0]["gpuMemoryMiB"] == 7
