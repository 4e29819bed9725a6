"""What a pod requests of its machine: every GPU or slice of a pool can be had, whatever the machine."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import contract, quantity
from functions.catalog import machines
from functions.node_pools.aws.nodes import allocatable
from functions.vllm.compose import compose
from tests.vllm.world import (
    DOWNLOAD,
    L4,
    SPEC,
    cluster,
    condition_text,
    first,
    live,
    manifests,
    pod_of,
    reason,
    request,
)
from tools.control_plane.nodes import gpu_node

SMALL = {"model": "Qwen/Qwen2.5-0.5B-Instruct"}
RUN_THE_SMALLEST = sorted(
    name
    for name, machine in machines("aws").items()
    if machine.gpu in ("L4", "L40S", "A10G", "A100-80GB", "H100-80GB") and machine.whole_gpus and machine.gpus
)
"""Machines whose GPUs run a small model, divided too."""
DAEMONS = (300, 512)
"""Thousandths of a core and MiB that daemons of EKS' nodes request, roughly."""


def node(machine: str, **more: Any) -> dict[str, Any]:
    """Return a pool of a machine of AWS, as its cluster's status has it."""
    made = machines("aws")[machine]
    found = allocatable(made)
    assert found is not None
    return {
        **L4,
        "gpuModel": made.gpu,
        "gpusPerNode": made.gpus,
        "gpuMemoryMiB": made.gpu_memory_mib,
        "instanceType": machine,
        "allocatable": found.plain(),
        **more,
    }


def shared(pool: dict[str, Any], per_gpu: int, mode: str = "TimeSlicing") -> dict[str, Any]:
    memory = pool["gpuMemoryMiB"] // per_gpu
    slices = {"mode": mode, "resource": contract.GPU, "perGPU": per_gpu, "memoryMiB": memory}
    return {**pool, "sharing": slices}


def requests(
    pool: dict[str, Any], spec: dict[str, Any] = SMALL, what: str = "vllm/deployment"
) -> tuple[int, int]:
    """Return what a Model's pod requests, in thousandths of a core and MiB."""
    made = manifests(compose(request(spec, cluster("eu", pool, allowed=["*"]))))[what]
    asked = pod_of(made)["containers"][0]["resources"]["requests"]
    cpu, memory = quantity.millicores(asked["cpu"]), quantity.mebibytes(asked["memory"])
    assert cpu is not None
    assert memory is not None
    return cpu, memory


def played(machine: str) -> tuple[int, int]:
    """Return what pods can request of a played node, which knows nothing of the product's estimate."""
    status = gpu_node("x", machine, zone="a")["status"]["allocatable"]
    return quantity.millicores(status["cpu"]) or 0, quantity.mebibytes(status["memory"]) or 0


@pytest.mark.parametrize("machine", RUN_THE_SMALLEST)
@pytest.mark.parametrize("per_gpu", [1, 2, 4])
def test_every_gpu_or_slice_can_be_had(machine: str, per_gpu: int) -> None:
    """Beside daemons and the download of somebody's next weights."""
    pool = node(machine) if per_gpu == 1 else shared(node(machine), per_gpu)
    cpu, memory = requests(pool)
    download, has = (500, 1024), played(machine)
    devices = pool["gpusPerNode"] * per_gpu
    assert devices * cpu + DAEMONS[0] + download[0] <= has[0]
    assert devices * memory + DAEMONS[1] + download[1] <= has[1]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        pytest.param(L4, ("2", "11Gi"), id="nothing-known"),
        pytest.param(node("g6.xlarge"), ("2", "11Gi"), id="a-whole-gpu-of-a-small-machine"),
        # (3920 - 300 - 500) / 4 - 10; (16384 x 0.925 - 1565 - 512 - 1024) / 4 - 32
        pytest.param(shared(node("g6.xlarge"), 4), ("770m", "2981Mi"), id="a-quarter"),
        pytest.param(shared(L4, 4), ("500m", "2816Mi"), id="a-quarter-of-an-unknown-machine"),
        pytest.param(shared(node("g6.48xlarge"), 2), ("2", "11Gi"), id="half-of-a-gpu-of-a-large-machine"),
    ],
)
def test_what_a_pod_requests(pool: dict[str, Any], expected: tuple[str, str]) -> None:
    made = manifests(compose(request(SMALL, cluster("eu", pool, allowed=["*"]))))["vllm/deployment"]
    resources = pod_of(made)["containers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["requests"]["memory"]) == expected
    assert resources["limits"]["memory"] == expected[1]


def test_a_download_fits_beside_the_engines() -> None:
    asked = pod_of(manifests(first())[DOWNLOAD])["containers"][0]["resources"]["requests"]
    assert (quantity.millicores(asked["cpu"]) or 0) <= 500
    assert (quantity.mebibytes(asked["memory"]) or 0) <= 1024


def test_slices_that_are_too_thin_are_refused() -> None:
    """(9000 - 512 - 1024) / 4 MiB."""
    thin = node("g6.xlarge", allocatable={"cpuMillicores": 3920, "memoryMiB": 9000})
    made = compose(request(SMALL, cluster("eu", shared(thin, 4), allowed=["*"])))
    assert condition_text(made).startswith(
        "[model] eu/l4: the share of a slice in its machine's memory is 1.8 GiB, and the engine needs 2.5. "
    )


def test_a_newer_status_of_the_pool_restarts_nothing() -> None:
    before = compose(request(SPEC, cluster("eu", node("g6.xlarge"), allowed=["*"])))
    other = cluster(
        "eu", node("g6.xlarge", allocatable={"cpuMillicores": 1500, "memoryMiB": 9000}), allowed=["*"]
    )
    after = compose(request(SPEC, other, status=dict(before.status), observed=live(before)))
    assert manifests(after)["vllm/deployment"] == manifests(before)["vllm/deployment"]


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"cpu": "6"}, "spec.engine.resources.cpu is 6, and pods can request 3920m of its nodes"),
        (
            {"memory": "15Gi"},
            "spec.engine.resources.memory is 15Gi, and pods can request 13.3Gi of its nodes",
        ),
    ],
)
def test_more_than_the_machine_has_is_refused(resources: dict[str, str], words: str) -> None:
    eu = cluster("eu", node("g6.xlarge"), allowed=["*"])
    asked = {**SPEC, "engine": {"resources": resources}}
    assert words in condition_text(compose(request(asked, eu)))
    before = compose(request(SPEC, eu))
    after = compose(request(asked, eu, status=dict(before.status), observed=live(before)))
    assert (reason(after), list(after.resources), list(after.gone)) == ("MachineTooSmall", [], [])
    assert condition_text(after) == f"[model] {words}: ask for less. Until then the Model runs as before"


def test_what_the_spec_asks_for_goes_first() -> None:
    eu = cluster("eu", node("g6.xlarge"), allowed=["*"])
    made = compose(request({**SPEC, "engine": {"resources": {"cpu": "3", "memory": "12Gi"}}}, eu))
    resources = pod_of(manifests(made)["vllm/deployment"])["containers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["memory"]) == ("3", "12Gi")
