"""Node pools and models for the cases of placements."""

from __future__ import annotations

from typing import Any, NamedTuple


def pool(
    name: str, gpu: str, count: int, memory_mib: int, usd: float | None, most: int = 2, **more: Any
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "gpuModel": gpu,
        "gpusPerNode": count,
        "gpuMemoryMiB": memory_mib,
        "nodes": {"min": 0, "max": most},
        "nodeSelector": {"freehold.dev/node-pool": name},
        **more,
    }
    return made if usd is None else {**made, "priceUsdPerHour": usd}


T4 = pool("t4", "T4", 1, 15360, 0.526)
L4 = pool("l4", "L4", 1, 22888, 0.8048)
L4X4 = pool("l4x4", "L4", 4, 22888, 4.6016)
L4X8 = pool("l4x8", "L4", 8, 22888, 13.3504)
A10 = pool("a10", "A10G", 1, 22888, 1.006)
A10X4 = pool("a10x4", "A10G", 4, 22888, 5.672)
L40S = pool("l40s", "L40S", 1, 45776, 1.861)
L40SX4 = pool("l40sx4", "L40S", 4, 45776, 10.4926)
A100 = pool("a100", "A100-80GB", 8, 81920, 27.447)
H100 = pool("h100", "H100-80GB", 8, 81559, 55.04)
H200 = pool("h200", "H200-141GB", 8, 143771, 63.296)
B200 = pool("b200", "B200", 8, 183359, 113.933)
BARE = pool("bare", "L4", 1, 22888, None)
# Priced as others are, to see what decides then.
TWIN = pool("l4-twin", "L4", 1, 22888, 0.8048)
LARGE = pool("a-large", "L40S", 1, 45776, 0.8048)
SPOT = pool("spot", "L4", 1, 22888, 0.8048, capacity="Spot")
BARE_H100 = pool("bare-h100", "H100-80GB", 8, 81559, None)
BARE_L4X4 = pool("bare-l4x4", "L4", 4, 22888, None)


def sliced(name: str, mode: str, per_gpu: int, memory_mib: int, base: dict[str, Any]) -> dict[str, Any]:
    resource = "nvidia.com/mig-1g.10gb" if mode == "MIG" else "nvidia.com/gpu"
    slices = {"mode": mode, "resource": resource, "perGPU": per_gpu, "memoryMiB": memory_mib}
    return {**base, "name": name, "sharing": slices}


# A part of 22.03 GiB each, which vLLM sees whole: x 0.46 and x 0.23.
HALF = sliced("l4-half", "TimeSlicing", 2, 11444, L4)
QUARTER = sliced("l4-quarter", "MPS", 4, 5722, L4)
# 55.04 / (8 x 7) = 0.983 USD/h.
MIG = sliced("h100-1g", "MIG", 7, 9984, H100)


def used(base: dict[str, Any], units: int) -> dict[str, Any]:
    return {**base, "gpusInUse": units}


class Case(NamedTuple):
    id: str
    spec: dict[str, Any]
    pools: list[dict[str, Any]]
    expected: str
    """POOL x GPUs, or the message of the refusal."""
    why: str
    """The sum."""
    needs: float | None = None
    """GiB on one GPU, where it is placed."""
    shared: bool = False
    """Whether several nodes can read a volume of the cluster."""
    groups: bool = False
    """Whether it runs LeaderWorkerSet, for a replica on several nodes."""


def m(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, **more}


EDGE = {
    **{"parametersBillions": 31.138512896, "layers": 32, "attentionHeads": 32, "kvHeads": 8},
    **{"headDim": 128, "maxContextLength": 131072},
}


def edge(**more: Any) -> dict[str, Any]:
    """58 GiB of bf16 (31.138512896e9 x 2 / 2^30) and a cache of 1 GiB for 8192 tokens (32 x 2 x 8 x 128 x 2)."""
    return {"model": "acme/edge", "architecture": EDGE, **more}


Q8, Q32, R1 = "Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-R1"
L70 = "meta-llama/Llama-3.3-70B-Instruct"
EFA = {"resource": "vpc.amazonaws.com/efa", "perNode": 4}
SMALL = "meta-llama/Llama-3.2-1B-Instruct"
FP8, AWQ = "Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B-AWQ"
OSS20, OSS120 = "openai/gpt-oss-20b", "openai/gpt-oss-120b"
MOE, BIG = "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8"
MIXTRAL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
FLASH, PHI = "zai-org/GLM-4.7-Flash", "microsoft/phi-4"
ASK = ". Ask the platform team for a node pool that can run this model"
QUANTISE = (
    "do not fit any node: ask the platform team for a node pool with more GPU memory, or name a quantised "
    "or smaller model"
)
