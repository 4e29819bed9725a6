"""What serving pods run and may do."""

from __future__ import annotations

import pytest

from functions.vllm.compose import compose
from tests.vllm.world import (
    DOWNLOAD,
    EU,
    H100,
    L4,
    SPEC,
    cluster,
    condition_text,
    first,
    manifests,
    pod_of,
    request,
)


def test_environment_once() -> None:
    env = [{"name": "HOME", "value": "/mine"}, {"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    made = manifests(compose(request({**SPEC, "engine": {"env": env}}, EU)))
    container = pod_of(made["vllm/deployment"])["containers"][0]
    values = {e["name"]: e["value"] for e in container["env"]}
    assert len(values) == len(container["env"])
    assert (values["HOME"], values["A"]) == ("/mine", "2")


@pytest.mark.parametrize(
    ("mode", "resource", "utilization"),
    [
        # 0.92 / 2: the engine sees the whole GPU.
        ("TimeSlicing", "nvidia.com/gpu", "0.46"),
        ("MPS", "nvidia.com/gpu", "0.46"),
        ("MIG", "nvidia.com/mig-1g.10gb", "0.92"),
    ],
)
def test_a_replica_takes_one_slice(mode: str, resource: str, utilization: str) -> None:
    slices = {"mode": mode, "resource": resource, "perGPU": 2, "memoryMiB": 11444}
    shared = cluster("eu", {**L4, "sharing": slices}, allowed=["*"])
    outcome = compose(request({"model": "meta-llama/Llama-3.2-1B-Instruct"}, shared))
    container = pod_of(manifests(outcome)["vllm/deployment"])["containers"][0]
    assert f"--gpu-memory-utilization={utilization}" in container["args"]
    assert container["resources"]["requests"][resource] == container["resources"]["limits"][resource] == "1"
    pod = pod_of(manifests(outcome)["vllm/deployment"])
    # With MPS the device plugin mounts its daemon's shared memory there.
    shared_memory = set() if mode == "MPS" else {"shm"}
    assert {v["name"] for v in pod["volumes"]} == {"models", "cache", "tmp"} | shared_memory
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    assert condition_text(outcome) == "on platform/eu, node pool l4, 1 slice of L4 per replica"


def test_data_parallel_attention() -> None:
    """DeepSeek-R1's latent would be on every GPU; experts are divided."""
    h200 = {**H100, "gpuModel": "H200-141GB", "gpuMemoryMiB": 143771}
    spec = {"model": "deepseek-ai/DeepSeek-R1", "contextLength": 163840}
    for concurrency, args in (
        (3, {"--tensor-parallel-size=8"}),
        (4, {"--tensor-parallel-size=1", "--data-parallel-size=8", "--enable-expert-parallel"}),
    ):
        outcome = compose(request({**spec, "concurrency": concurrency}, cluster("eu", h200, allowed=["*"])))
        container = pod_of(manifests(outcome)["vllm/deployment"])["containers"][0]
        assert {arg for arg in container["args"] if "parallel" in arg} == args
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
    # (626.9 - 609.1 x 7 / 8) x 1.01
    said = "weights 626.9 with experts divided by 8, x 1.01 = 94.9"
    assert said in outcome.status["sizing"]["explanation"]


def test_a_shared_gpu_is_not_taken_whole() -> None:
    # vLLM takes the last of two equal arguments: no spelling that only another version knows goes before it.
    slices = {"mode": "TimeSlicing", "resource": "nvidia.com/gpu", "perGPU": 2, "memoryMiB": 11444}
    spec = {"model": "meta-llama/Llama-3.2-1B-Instruct", "engine": {"args": ["--seed=1"]}}
    outcome = compose(request(spec, cluster("eu", {**L4, "sharing": slices}, allowed=["*"])))
    args = pod_of(manifests(outcome)["vllm/deployment"])["containers"][0]["args"]
    assert args[-2:] == ["--seed=1", "--gpu-memory-utilization=0.46"]


def test_the_pools_taints_are_tolerated() -> None:
    taint = {"key": "team", "value": "ml", "effect": "NoExecute"}
    outcome = compose(request(SPEC, cluster("eu", {**L4, "taints": [taint]}, allowed=["*"])))
    pods = [
        pod_of(m)
        for n, m in manifests(outcome).items()
        if n.startswith(("vllm/deployment", "vllm/download-"))
    ]
    assert [pod["tolerations"] for pod in pods] == 2 * [
        [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "team", "operator": "Equal", "value": "ml", "effect": "NoExecute"},
        ]
    ]


@pytest.mark.parametrize("what", ["vllm/deployment", DOWNLOAD])
def test_pods_are_restricted(what: str) -> None:
    pod = pod_of(manifests(first())[what])
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        # Else an image that asks for every GPU gets them on nodes with NVIDIA's default runtime.
        if "nvidia.com/gpu" not in container["resources"]["limits"]:
            assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"} in container["env"]


def test_the_drain_fits_in_the_grace_period() -> None:
    """After the drain vLLM ends its engine and leaves streams that still run hanging: not for long."""
    pod = pod_of(manifests(first())["vllm/deployment"])
    container = pod["containers"][0]
    timeout = next(int(a.split("=")[1]) for a in container["args"] if a.startswith("--shutdown-timeout="))
    stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert stop >= 15, "by then callers know that the pod goes"
    assert stop + timeout < pod["terminationGracePeriodSeconds"] <= stop + timeout + 5


@pytest.mark.parametrize(
    ("model", "minutes"),
    [("Qwen/Qwen3-8B", 30), ("meta-llama/Llama-3.3-70B-Instruct", 55), ("deepseek-ai/DeepSeek-R1", 180)],
)
def test_the_startup_budget_grows_with_the_weights(model: str, minutes: int) -> None:
    # 15 min + 18 s/GiB: 15.26 -> 19.6, so the least 30; 131.42 -> 54.4; 641.3 -> 207, so the most 180
    pool = {**H100, "gpusPerNode": 16}
    outcome = compose(request({"model": model}, cluster("eu", pool, allowed=["*"])))
    probe = pod_of(manifests(outcome)["vllm/deployment"])["containers"][0]["startupProbe"]
    assert -(-probe["failureThreshold"] * probe["periodSeconds"] // 60) == minutes
