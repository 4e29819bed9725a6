"""Models on pools, with the placement worked out by hand from the formulas of `docs/sizing.md`.

All in GiB on one GPU or slice. usable = memory x 0.92 - 2.5, or - 3.0 from two GPUs on
(more for models with large layers, where a case says so):

Of pools that fit, the lowest hourly price of what a replica takes wins; pools without a price come last,
and among them fewer GPUs, then the smaller GPU.

    T4 11.30 / 10.80   L4, A10G 18.063 / 17.563   L40S 38.627 / 38.127   A100-80GB 71.10 / 70.60
    H100 70.776 / 70.276   H200 126.669 / 126.169   B200 162.237 / 161.737

weights = checkpoint x 1.02 / GPUs; cache = requests x bytes a token x tokens / 2^30 x share. Bytes a
token = layers x 2 x key-value heads x head size x 2, or layers x latent x 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from functions.base import Condition, Invalid, Status
from functions.vllm.compose import compose
from tests.vllm.world import cluster, request


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


# A part of 22888 MiB each: 11444 -> 11.176 x 0.92 - 2.5 = 7.782; 5722 -> 5.588 x 0.92 - 2.5 = 2.641.
HALF = sliced("l4-half", "TimeSlicing", 2, 11444, L4)
QUARTER = sliced("l4-quarter", "MPS", 4, 5722, L4)
# 9984 MiB -> 9.75 x 0.92 - 2.5 = 6.47; 55.04 / (8 x 7) = 0.983 USD/h.
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
FLASH, PHI = "zai-org/GLM-4.7-Flash", "microsoft/phi-4"
ASK = ". Ask the platform team for a node pool that can run this model"
QUANTISE = (
    "do not fit any node: ask the platform team for a node pool with more GPU memory, or name a quantised "
    "or smaller model"
)

CASES = [
    # Dense: Qwen3-8B, 15.26 GiB, 36 x 2 x 8 x 128 x 2 = 147456 bytes a token.
    Case("fits", m(Q8), [L4], "l4 x 1", "15.565 + 16384 tokens 2.25 <= 18.063", 17.82),
    Case(
        *("a little too long", m(Q8, contextLength=18432), [L4]),
        "[model] eu/l4: the Model needs 18.1 GiB on 1 GPU (weights 15.6, KV cache 2.5), and 18.1 GiB are "
        "usable. It would fit eu/l4 with contextLength: 18176",
        "15.565 + 2.531 = 18.096 > 18.063; room for 2.498 = 18191 tokens, by 256: 18176; not one request",
    ),
    Case(
        "the nearest fit fits", m(Q8, contextLength=18176), [L4], "l4 x 1", "15.565 + 2.496 = 18.061", 18.06
    ),
    Case(
        *("split in two", m(Q8, contextLength=18432), [L4X4], "l4x4 x 2"),
        *("one: 18.096 > 18.063; two: 7.783 + 1.266 <= 17.563", 9.05),
    ),
    Case(
        *("two cheap before one dear", m(Q8, contextLength=18432), [L4X4, H100], "l4x4 x 2"),
        *("two L4 for 2.30 an hour before one H100 for 6.88: 7.783 + 1.266", 9.05),
    ),
    Case(
        *("four of a node", m(Q32), [L4X4], "l4x4 x 4"),
        *("61.02 x 1.02 = 62.240, cache 4: two 31.120 + 2 no; four 15.560 + 1 <= 17.563", 16.56),
    ),
    Case(
        *("docs/sizing.md", m(L70, concurrency=8), [A100], "a100 x 4"),
        *("134.048, cache 8 x 5: two 67.024 + 20 = 87.0 > 70.6; four 33.512 + 10", 43.51),
    ),
    # On the edge: 58 x 1.02 = 59.16 on a GPU with 71.10 leaves 11.94.
    Case(
        "1 GiB less than usable",
        edge(contextLength=89620),
        [A100],
        "a100 x 1",
        "59.16 + 10.94 = 70.10",
        70.10,
    ),
    Case(
        "the last request", edge(contextLength=8192, concurrency=11), [A100], "a100 x 1", "59.16 + 11", 70.16
    ),
    Case(
        "one request more",
        edge(contextLength=8192, concurrency=12),
        [A100],
        "a100 x 2",
        "71.16 > 71.10",
        35.58,
    ),
    Case("the last token", edge(contextLength=97812), [A100], "a100 x 1", "11.94 x 8192 = 97812.48", 71.10),
    Case("one token more", edge(contextLength=97813), [A100], "a100 x 2", "29.58 + 5.970", 35.55),
    Case(
        *("1 GiB more than usable", edge(contextLength=106004, gpu={"count": 1}), [A100]),
        "[model] eu/a100: the Model needs 72.1 GiB on 1 GPU (weights 59.2, KV cache 12.9), and 71.1 GiB "
        "are usable. Without spec.gpu, it would fit eu/a100 on 2 A100-80GB",
        "59.16 + 12.94; two: 29.58 + 6.47",
    ),
    # What a GPU can run.
    Case(
        *("bf16 on Turing", m(Q8), [T4]),
        f"[model] eu/t4: T4 has compute capability 7.5; bf16 weights need 8.0{ASK}",
        "T4 is 7.5",
    ),
    Case("int4 on Turing", m(AWQ), [L4, T4], "t4 x 1", "5.794 + 2.25 <= 11.3, and T4 is cheaper", 8.04),
    Case(
        *("fp8 on Ampere", m(FP8), [A10, A100]),
        "[model] eu/a10: A10G has compute capability 8.6; fp8 weights need 8.9; "
        f"eu/a100: A100-80GB has compute capability 8.0; fp8 weights need 8.9{ASK}",
        "fp8 from 8.9",
    ),
    Case("fp8 on Ada", m(FP8), [A10, L4], "l4 x 1", "8.79 x 1.02 = 8.966, + 2.25", 11.22),
    Case(
        *("mxfp4 on Turing", m(OSS20), [T4]),
        f"[model] eu/t4: T4 has compute capability 7.5; mxfp4 weights need 8.0{ASK}",
        "mxfp4 from 8.0",
    ),
    Case(
        *("mxfp4 on Ampere", m(OSS120), [A10X4], "a10x4 x 4"),
        *("61.906 / 4 + (18 x 16384 + 18 x (128 + 2048)) x 2048 bytes = 0.637 / 4", 15.64),
    ),
    # Windows: they stop growing, and hold what is computed at once beside: 2048 tokens, on GPUs from
    # 70 GiB on 8192.
    Case("window", m(OSS20), [L4], "l4 x 1", "13.059 + (12 x 16384 + 12 x 2176) x 2048 bytes = 0.425", 13.48),
    Case(
        *("window and long requests", m(OSS20, contextLength=131072, concurrency=3), [L4]),
        "[model] eu/l4: the Model needs 22.1 GiB on 1 GPU (weights 13.1, KV cache 9.1), and 18.1 GiB are "
        "usable. It would fit eu/l4 with contextLength: 71936, or with concurrency: 1 at 131072 tokens",
        "3 x 3 + 12 x (3 x 128 + 2048) x 2048 bytes = 9.056; room 5.004, without windows 4.948: three of 72066 "
        "tokens, by 256: 71936; one request 3.05, two 6.05",
    ),
    Case(
        *(
            "counted in full it would not fit",
            m("google/gemma-3-27b-it", contextLength=131072),
            [H100],
            "h100 x 1",
        ),
        *("52.116 + (10 x 131072 + 60 x (1024 + 8192)) x 8192 bytes = 14.219; in full 62", 66.33),
    ),
    Case(
        *(
            "chunks",
            m("meta-llama/Llama-4-Scout-17B-16E-Instruct", contextLength=1048576),
            [H100],
            "h100 x 4",
        ),
        *("206.398, cache (12 x 1048576 + 36 x 16384) x 4096 bytes = 50.25: two 128.3 no; four", 64.16),
    ),
    # Layers without attention.
    Case(
        *("hybrid", m("Qwen/Qwen3-Next-80B-A3B-Instruct", contextLength=262144), [H100], "h100 x 4"),
        *("151.373, cache 12 of 48 layers 6, state 0.072: two 75.7 + 3 no; four 37.843 + 6 / 2 heads", 40.86),
    ),
    Case(
        *("hybrid, 24 heads", m("Qwen/Qwen3.6-27B"), [L4X4], "l4x4 x 4"),
        *("51.950, cache 1.143: two 26.5 no; three do not divide 4 heads; four 12.988 + 0.286", 13.27),
    ),
    # Mixtures of experts: all experts are loaded.
    Case("MoE on one", m(MOE), [H100], "h100 x 1", "58.007 + 48 x 2 x 4 x 128 x 2 x 16384 = 1.5", 59.51),
    Case("MoE on two", m(MOE), [L40SX4], "l40sx4 x 2", "one 59.507 > 38.627; two 29.004 + 0.75", 29.75),
    Case("MoE on four", m(MOE), [L4X4], "l4x4 x 4", "two 29.754 > 17.563; four 14.502 + 0.375", 14.88),
    Case(
        *("MoE, MHA of old", m("mistralai/Mixtral-8x7B-Instruct-v0.1"), [A100], "a100 x 2"),
        *("88.730, cache 2: one 90.7 > 71.1; two 44.365 + 1", 45.37),
    ),
    Case(
        *("large MoE", m(BIG), [H100], "h100 x 4"),
        *("224.584, cache 94 x 2 x 4 x 128 x 2 x 16384 = 2.938: two 113.8 no; four 56.146 + 0.734", 56.88),
    ),
    Case(
        *("a head is not split", m(BIG, contextLength=131072, concurrency=6), [H100], "h100 x 8"),
        *("6 x 23.5 = 141: four 56.146 + 35.25 no; eight 28.073 + 141 / 4 heads, not / 8", 63.32),
    ),
    Case(
        *("a head that is not split is too much", m(BIG, contextLength=131072, concurrency=8), [H100]),
        "[model] eu/h100: the Model needs 75.1 GiB on each of 8 GPUs (weights 28.1, KV cache 47.0), and "
        "70.3 GiB are usable. It would fit eu/h100 with contextLength: 117504, or with concurrency: 7 at "
        "131072 tokens",
        "188 / 4; room 42.203 = 7.18 requests of 23.5 / 4, or eight of 117693 tokens, by 256: 117504",
    ),
    # MLA: 61 x (512 + 64) x 2 = 70272 bytes a token, all of it on every GPU. Weights 626.918 x 1.02 = 639.457,
    # without the 14 GiB for speculation. Overhead: 1.75 + 8192 x 2 bytes x (4 x 7168 + 8 x (7168 + 256) +
    # 3 x 256) = 3.106.
    Case(
        *("MLA does not fit", m(R1), [H100]),
        "[model] eu/h100: the Model needs 81.0 GiB on each of 8 GPUs (weights 79.9, KV cache 1.1), and "
        "70.2 GiB are usable; 2 nodes with 8 GPUs each would hold it, but its cluster has no shared "
        f"storage for the weights. The weights of 626.9 GiB {QUANTISE}",
        "639.457 / 8 = 79.932 alone is more than 79.647 x 0.92 - 3.106",
    ),
    Case("MLA", m(R1), [H200], "h200 x 8", "four 159.9 no; eight 79.932 + 1.072", 81.00),
    Case("MLA on larger GPUs", m(R1), [B200], "b200 x 4", "two 319.7 no; four 159.864 + 1.072", 160.94),
    Case(
        *("MLA is replicated", m(R1, contextLength=163840, concurrency=4), [H200], "h200 x 8"),
        *("79.932 + 4 x 10.723, not / 8", 122.82),
    ),
    Case(
        *("MLA, on one GPU", m(R1, contextLength=163840, concurrency=5, gpu={"count": 1}), [H200]),
        "[model] eu/h200: the Model needs 693.1 GiB on 1 GPU (weights 639.5, KV cache 53.6), and 126.2 GiB "
        "are usable. Without spec.gpu, it would fit eu/h200 on 8 H200-141GB",
        "one GPU holds no more than one",
    ),
    # Data parallel attention, where the latent on every GPU is too much: 609.149 of R1 are experts, so
    # (17.770 + 609.149 / 8) x 1.02 = 95.792. Overhead: 1.75 + 8192 x 2 bytes x (4 x 7168 + 8 x (7168 +
    # 2048) + 3 x 2048) = 3.406, so 125.763 usable.
    Case(
        *("requests of their own on each GPU", m(R1, contextLength=163840, concurrency=5), [H200]),
        *(
            "h200 x 8, 8 data parallel",
            "79.932 + 5 x 10.723 = 133.5 > 126.064; one each: 95.792 + 10.723",
            106.51,
        ),
    ),
    Case(
        *("two on each", m(R1, contextLength=163840, concurrency=16), [H200]),
        *("h200 x 8, 8 data parallel", "95.792 + 21.445 <= 125.763", 117.24),
    ),
    Case(
        *("three are too many", m(R1, contextLength=163840, concurrency=17), [H200]),
        "[model] eu/h200: the Model needs 262.2 GiB on each of 8 GPUs (weights 79.9, KV cache 182.3), and "
        "126.1 GiB are usable. It would fit eu/h200 with contextLength: 41216, or with concurrency: 4 at "
        "163840 tokens",
        "95.792 + 32.168 > 125.763; shared by all, room 46.132 / 17 = 41464 tokens, by 256: 41216",
    ),
    Case("MLA, 1 TB", m("moonshotai/Kimi-K2-Instruct"), [H200], "h200 x 8", "977.660 / 8 + 1.072", 123.28),
    # GLM-4.7-Flash: 20 heads, 47 x 1152 = 54144 bytes a token, 56.885 of weights.
    Case("MLA, 20 heads", m(FLASH), [L4X8], "l4x8 x 4", "two 29.3 no; four 14.221 + 0.826", 15.05),
    Case(
        "MLA, the edge", m(FLASH, contextLength=65536), [L4X8], "l4x8 x 4", "14.221 + 3.305 <= 17.563", 17.53
    ),
    Case("five divide 20 heads", m(FLASH, contextLength=67584), [L4X8], "l4x8 x 5", "11.377 + 3.408", 14.79),
    Case(
        *("five are not in the node", m(FLASH, contextLength=67584), [L4X4]),
        "[model] eu/l4x4: the Model needs 17.6 GiB on each of 4 GPUs (weights 14.2, KV cache 3.4), and "
        "17.6 GiB are usable. It would fit eu/l4x4 with contextLength: 66048",
        "14.221 + 3.408 = 17.629 > 17.563; room 3.342 = 66277 tokens, by 256: 66048",
    ),
    # Tensor parallel sizes: phi-4 has 40 heads and 10 key-value heads.
    Case("two divide 10", m(PHI), [L4X4], "l4x4 x 2", "27.856, cache 3.125: two 13.928 + 1.563", 15.49),
    Case(
        *("four do not divide 10", m(PHI, concurrency=8), [L4X4]),
        "[model] eu/l4x4: the Model needs 26.4 GiB on each of 2 GPUs (weights 13.9, KV cache 12.5), and "
        "17.6 GiB are usable. It would fit eu/l4x4 with contextLength: 4608, or with concurrency: 2 at "
        "16384 tokens",
        "room 3.635 = 2.33 requests of 3.125 / 2, or eight of 4764 tokens, by 256: 4608",
    ),
    Case("five do", m(PHI, concurrency=8), [L4X8], "l4x8 x 5", "5.571 + 25 / 5", 10.57),
    Case(
        *("count that does not divide", m("Qwen/Qwen2.5-7B-Instruct", gpu={"count": 7}), [L4X8]),
        "spec.gpu.count: 7 GPUs cannot share the 28 attention heads and 4 key-value heads of "
        "Qwen/Qwen2.5-7B-Instruct. Use one of 1, 2, 4.",
        "7 divides 28, not 4; 14 neither",
    ),
    Case(
        *("14 are a multiple of 2", m("Qwen/Qwen2.5-0.5B-Instruct", gpu={"count": 4}), [L4X8]),
        "spec.gpu.count: 4 GPUs cannot share the 14 attention heads and 2 key-value heads of "
        "Qwen/Qwen2.5-0.5B-Instruct. Use one of 1, 2, 14.",
        "4 does not divide 14; 7 is no multiple of 2; 14 is",
    ),
    # Ties.
    Case("same memory: the cheaper", m(Q8), [A10, L4], "l4 x 1", "0.8048 before 1.006"),
    Case("a part of a node's price", m(FP8), [L40S, L4X4], "l4x4 x 1", "4.6016 / 4 = 1.15 before 1.861"),
    Case("same price: the smaller GPU", m(FP8), [LARGE, L4], "l4 x 1", "22888 MiB before 45776"),
    Case("same in all: by name", m(Q8), [TWIN, L4], "l4 x 1", "l4 before l4-twin"),
    Case("no price comes last", m(Q8), [BARE, A10], "a10 x 1", "1.006 before not known"),
    Case("any price before none", m(Q32), [BARE_H100, L4X4], "l4x4 x 4", "4.60 before not known", 16.56),
    Case("no price: fewer GPUs", m(Q32), [BARE_L4X4, BARE_H100], "bare-h100 x 1", "1 before 4: 62.240 + 4"),
    Case("no price: the smaller GPU", m(Q8), [BARE_H100, BARE], "bare x 1", "22888 MiB before 81559"),
    # Several nodes, each with a stage of the layers: only where no pool's single node is enough.
    Case(
        *("a stage a node", m(L70), [L4X4], "l4x4 x 4 x 2 nodes"),
        *("four 33.512 + 1.25 > 17.563; 40 of 80 layers each: 16.756 + 0.625", 17.38),
        shared=True,
        groups=True,
    ),
    Case(
        *("the larger of two stages", m(R1), [H100], "h100 x 8 x 2 nodes"),
        *("79.932 + 1.072 > 70.276; 31 of 61 layers: 40.621 + 0.545", 41.17),
        shared=True,
        groups=True,
    ),
    Case(
        *("one node first", m(L70), [L4X4, H200], "h200 x 2"),
        *("67.024 + 2.5 <= 126.169 for 15.82 USD/h, before two nodes for 9.20", 69.52),
        shared=True,
        groups=True,
    ),
    Case(
        *("fewest GPUs of two nodes", m(BIG, contextLength=131072, concurrency=8), [H100]),
        *("h100 x 4 x 2 nodes", "28.073 + 188 / 4 > 70.276; 47 of 94 layers on four: 28.073 + 23.5", 51.57),
        shared=True,
        groups=True,
    ),
    Case(
        *("as many nodes as it takes", m(L70), [{**L4, "nodes": {"min": 0, "max": 8}}]),
        *(
            "l4 x 1 x 8 nodes",
            "134.048 / 8 + 5 / 8 <= 20.563 - 3.0; seven: 12 of 80: 20.107",
            17.38,
        ),
        shared=True,
        groups=True,
    ),
    Case(
        *("too few nodes", m(L70), [{**L4, "nodes": {"min": 0, "max": 7}}]),
        "[model] eu/l4: the Model needs 139.0 GiB on 1 GPU (weights 134.0, KV cache 5.0), and 18.1 GiB are "
        "usable; 8 nodes with 1 GPU each would hold it, but the pool has at most 7. It would fit eu/l4 "
        "with quantization: FP8, on 5 L4 on 5 nodes",
        "8 > 7; 68.451e9 x 1.00024 + 2.101e9 x 2 bytes = 67.68 x 1.02: a fifth of it 13.81 + 1, a quarter 18.51",
        shared=True,
        groups=True,
    ),
    Case(
        *("nothing that runs it", m(L70), [L4X4]),
        "[model] eu/l4x4: the Model needs 34.8 GiB on each of 4 GPUs (weights 33.5, KV cache 1.2), and "
        "17.6 GiB are usable; 2 nodes with 4 GPUs each would hold it, but its cluster does not run "
        f"LeaderWorkerSet. The weights of 131.4 GiB {QUANTISE}",
        "no leader-worker-set among its components",
        shared=True,
    ),
    Case(
        *("not for less than a node", m(Q32, gpu={"count": 2}), [L4X4]),
        "[model] eu/l4x4: the Model needs 33.1 GiB on each of 2 GPUs (weights 31.1, KV cache 2.0), and "
        "17.6 GiB are usable. Without spec.gpu, it would fit eu/l4x4 on 4 L4",
        "two of four: the node is not used up",
        shared=True,
        groups=True,
    ),
    Case(
        *("nodes in use", m(L70), [used(L4X4, 4)]),
        "[platform] eu/l4x4: 4 of its 8 GPUs are in use. The Model waits until enough are free: delete a "
        "Model that nobody needs, or ask the platform team to raise nodes.max of a node pool, such as "
        "eu/l4x4",
        "8 - 4 < 2 x 4",
        shared=True,
        groups=True,
    ),
    Case(
        *("two replicas of two nodes", m(L70, replicas={"min": 2}), [L4X4]),
        "[model] eu/l4x4: 2 x 8 GPUs do not fit its 2 nodes. It would fit eu/l4x4 with replicas.min: 1",
        "2 nodes x 1 / 2 = 1",
        shared=True,
        groups=True,
    ),
    Case(
        *("RDMA among equals", m(L70), [L4X4, {**L4X4, "name": "rdma", "fabric": EFA}]),
        *(
            "rdma x 4 x 2 nodes",
            "the same price: l4x4 before rdma by name, but without RDMA",
            17.38,
        ),
        shared=True,
        groups=True,
    ),
    # Slices: a Model takes one.
    Case(
        *("half a GPU", m(SMALL), [L4, HALF], "l4-half x 1"),
        *("2.30 x 1.02 + 16 x 2 x 8 x 64 x 2 x 16384 = 0.5; 0.40 before 0.80", 2.85),
    ),
    Case("a quarter is too small", m(SMALL), [L4, QUARTER], "l4 x 1", "2.846 > 2.641", 2.85),
    Case(
        *("a quarter is enough", m(SMALL, contextLength=8192), [HALF, QUARTER], "l4-quarter x 1"),
        *("2.346 + 0.25 <= 2.641; 0.20 before 0.40", 2.60),
    ),
    Case("a MIG slice", m(SMALL), [H100, MIG], "h100-1g x 1", "0.98 before 6.88: 2.846 <= 6.47", 2.85),
    Case(
        *("larger than a slice", m(Q8), [HALF]),
        "[model] eu/l4-half: the Model needs 17.8 GiB on 1 slice (weights 15.6, KV cache 2.2), and 7.8 "
        f"GiB are usable. The weights of 15.3 GiB {QUANTISE}",
        "15.565 alone > 7.782, and slices are not added up",
    ),
    Case(
        *("several slices", m(SMALL, gpu={"count": 2}), [HALF]),
        "[model] eu/l4-half: a Model gets one slice of its shared GPUs, and spec.gpu.count is 2. Without "
        "spec.gpu, it would fit eu/l4-half on 1 slice of L4",
        "two slices may be parts of one GPU",
    ),
    Case(
        *("slices are counted", m(SMALL, replicas={"min": 4}), [HALF], "l4-half x 1"),
        *("4 <= 2 nodes x 1 x 2", 2.85, True),
    ),
    # What other Models take.
    Case("a full pool is passed over", m(Q8), [used(L4, 2), A10], "a10 x 1", "2 nodes x 1 are taken", 17.82),
    Case("the last one", m(Q8), [used(L4, 1), A10], "l4 x 1", "1 of 2 is left", 17.82),
    Case(
        *("all are full", m(Q8), [used(L4, 2), used(A10, 3)]),
        "[platform] eu/l4: 2 of its 2 GPUs are in use; eu/a10: 3 of its 2 GPUs are in use. The Model waits "
        "until enough are free: delete a Model that nobody needs, or ask the platform team to raise "
        "nodes.max of a node pool, such as eu/l4",
        "neither has one left",
    ),
    Case(
        *("too few are left", m(Q32), [used(L4X4, 5), H100], "h100 x 1"),
        *("8 - 5 = 3 < 4: 6.88 instead of 4.60: 62.240 + 4", 66.24),
    ),
    Case(
        *("too few for the replicas", m(Q8, replicas={"min": 2}), [used(L4, 1), A10], "a10 x 1"),
        *("2 - 1 < 2", 17.82, True),
    ),
    Case(
        *("slices are in use", m(SMALL), [used(HALF, 4), used(QUARTER, 1)]),
        "[platform] eu/l4-half: 4 of its 4 slices are in use; eu/l4-quarter: the Model needs 2.8 GiB on 1 "
        "slice (weights 2.3, KV cache 0.5), and 2.6 GiB are usable. The Model waits until enough are free: "
        "delete a Model that nobody needs, or ask the platform team to raise nodes.max of a node pool, "
        "such as eu/l4-half",
        "2 nodes x 1 x 2 are taken; 7 of 8 quarters are free and too small",
    ),
    Case(
        *("nodes without GPUs", m(Q8), [{**L4, "gpusPerNode": 0}]),
        f"[model] eu/l4: its nodes have no GPUs{ASK}",
        "an odd status is no reason to fail",
    ),
    # Overrides.
    Case(
        *("memory asked for", m(Q8, gpu={"minMemoryGiB": 40}), [L4, L40S, QUARTER], "l40s x 1"),
        *("22.35 and 5.59 < 40 <= 44.7", 17.82),
    ),
    Case(
        *("whole GPUs asked for", m(SMALL, gpu={"requires": ["WholeGPU"]}), [HALF, L4], "l4 x 1"),
        *("0.40 is not looked at", 2.85),
    ),
    Case(
        *("what no pool has is asked for", m(Q8, gpu={"requires": ["NoSpot", "RDMA"]}), [L4, SPOT]),
        "[model] eu/l4: its nodes have no RDMA, and spec.gpu.requires has RDMA; eu/spot: the cloud may "
        "take its machines back (Spot), and spec.gpu.requires has NoSpot. Without spec.gpu, it would fit "
        "eu/l4 on 1 L4",
        "no fabric; capacity Spot",
    ),
    Case("model asked for", m(Q8, gpu={"model": "H100-80GB"}), [L4, H100], "h100 x 1", "L4 is left out"),
    Case("count asked for", m(Q8, gpu={"count": 2}), [L4, L4X4], "l4x4 x 2", "7.783 + 1.125", 8.91),
    Case(
        *("count that no node has", m(Q8, gpu={"count": 4}), [L4]),
        "[model] eu/l4: its nodes have 1 GPU, and spec.gpu.count is 4. Without spec.gpu, it would fit "
        "eu/l4 on 1 L4",
        "one GPU a node",
    ),
    Case(
        *("model that no pool has", m(Q8, gpu={"model": "L40S"}), [L4, T4]),
        "[model] eu/l4: its GPUs are L4, and spec.gpu.model is L40S; eu/t4: its GPUs are T4, and "
        "spec.gpu.model is L40S. Without spec.gpu, it would fit eu/l4 on 1 L4",
        "neither is one",
    ),
    # Replicas and nodes; a pool has at most two.
    Case("a replica a node", m(Q8, replicas={"min": 2}), [L4], "l4 x 1", "2 <= 2 nodes x 1", shared=True),
    Case(
        *("more than nodes", m(Q8, replicas={"min": 3}), [L4]),
        "[model] eu/l4: 3 x 1 GPU do not fit its 2 nodes. It would fit eu/l4 with replicas.min: 2",
        "3 > 2 nodes x 1",
        shared=True,
    ),
    Case(
        *("two replicas a node", m(Q8, replicas={"min": 4}, gpu={"count": 2}), [L4X4], "l4x4 x 2"),
        *("4 <= 2 nodes x 4 / 2", 8.91, True),
    ),
    Case(
        *("one replica too many", m(Q8, replicas={"min": 5}, gpu={"count": 2}), [L4X4]),
        "[model] eu/l4x4: 5 x 2 GPUs do not fit its 2 nodes. Without spec.gpu, it would fit eu/l4x4 on 1 L4",
        "5 > 2 nodes x 4 / 2",
        shared=True,
    ),
    Case(
        *("one volume for all", m(Q8, replicas={"min": 2}), [L4]),
        "[model] eu/l4: 2 replicas mount one volume, and its cluster has no shared storage. It would fit "
        "eu/l4 with replicas.min: 1",
        "no shared storage",
    ),
    # What no cluster could serve.
    Case(
        *("beyond the model's context", m(Q8, contextLength=40961), [H100]),
        "spec.contextLength: 40961 tokens are more than the 40960 of the longest context of Qwen/Qwen3-8B. "
        "Set at most 40960.",
        "40960 in its config.json",
    ),
    Case(
        "the model's whole context", m(Q8, contextLength=40960), [H100], "h100 x 1", "15.565 + 5.625", 21.19
    ),
    Case(
        *("requests that no cache holds", m(Q8, contextLength=40960, concurrency=1024), [H100]),
        "[model] eu/h100: the Model needs 721.9 GiB on each of 8 GPUs (weights 1.9, KV cache 720.0), and "
        "70.3 GiB are usable. It would fit eu/h100 with contextLength: 3840, or with concurrency: 97 at "
        "40960 tokens",
        "room 68.330 x 8 = 97.2 requests of 5.625, or 1024 of 3887 tokens, by 256: 3840",
    ),
    # Encoders cache nothing, and float32 is served at 16 bits.
    Case(
        "an embedding model",
        m("Snowflake/snowflake-arctic-embed-l-v2.0"),
        [L4],
        "l4 x 1",
        "2.11 / 2 = 1.055 x 1.02",
        1.08,
    ),
    Case(
        "requests do not matter to it",
        m("Snowflake/snowflake-arctic-embed-l-v2.0", concurrency=1024),
        [L4],
        "l4 x 1",
        "1.076",
        1.08,
    ),
    Case(
        *(
            "a task that it was not made for",
            m("Snowflake/snowflake-arctic-embed-l-v2.0", task="Generate"),
            [L4],
        ),
        "spec.task: the task of Snowflake/snowflake-arctic-embed-l-v2.0 is Embed, not Generate. Set Embed, "
        "leave spec.task out, or name a model whose task is Generate.",
        "embed in its row",
    ),
    # fp8 made when loaded: Qwen3-32B has 1.556e9 embeddings at 16 bits and 31.206e9 others at 8.
    Case(
        *("fp8 when loaded", m(Q32, quantization="FP8"), [L4X4], "l4x4 x 4"),
        *("31.966 x 1.02 = 32.605, cache 4: two 16.303 + 2 > 17.563; four 8.151 + 1", 9.15),
    ),
    Case(
        *("fp8 when loaded, on Ampere", m(Q8, quantization="FP8"), [A10]),
        "[model] eu/a10: A10G has compute capability 8.6; fp8 weights need 8.9. Without spec.quantization "
        f"the weights are served as they are stored{ASK}",
        "fp8 from 8.9",
    ),
    Case(
        *("fp8 of what is int4", m(AWQ, quantization="FP8"), [L4]),
        "spec.quantization: Qwen/Qwen3-8B-AWQ is stored in int4, and only weights in bf16 and fp16 are "
        "quantised when they are loaded. Leave spec.quantization out, or name a checkpoint in bf16.",
        "int4 stays int4",
    ),
    Case(
        *("fp8 would do", m(Q32), [L40S]),
        "[model] eu/l40s: the Model needs 66.2 GiB on 1 GPU (weights 62.2, KV cache 4.0), and 38.6 GiB are "
        "usable; 2 nodes with 1 GPU each would hold it, but its cluster has no shared storage for the "
        "weights. It would fit eu/l40s with quantization: FP8, on 1 L40S",
        "32.607 + 4 <= 38.627",
    ),
    Case(
        *("fp8 would not do", m("meta-llama/Llama-3.3-70B-Instruct"), [L40S]),
        "[model] eu/l40s: the Model needs 139.0 GiB on 1 GPU (weights 134.0, KV cache 5.0), and 38.6 GiB "
        "are usable; 4 nodes with 1 GPU each would hold it, but the pool has at most 2. The weights of "
        f"131.4 GiB {QUANTISE}",
        "69.03 > 38.627",
    ),
    Case(
        *("fp8 while it is loaded", edge(quantization="FP8", architecture={**EDGE, "layers": 1}), [L40S]),
        "[model] eu/l40s: the Model needs 35.6 GiB on 1 GPU (weights 35.5, KV cache 0.1; 94.7 GiB while "
        "the weights are quantised), and 38.6 GiB are usable. The weights of 34.8 GiB do not fit any node: "
        "ask the platform team for a node pool with more GPU memory, or name a quantised or smaller model",
        "29 x 1.2 = 34.8, with its one layer of 58: 92.8; x 1.02. Cache 16384 x 2 x 8 x 128 x 2 bytes = 0.0625",
    ),
    Case(
        *(
            "no room for a cache",
            edge(architecture={**EDGE, "parametersBillions": 9.5, "weightsGiB": 17.7}),
            [L4],
        ),
        "[model] eu/l4: the Model needs 20.1 GiB on 1 GPU (weights 18.1, KV cache 2.0), and 18.1 GiB are "
        "usable. The weights of 17.7 GiB leave no room for a cache on any node: ask the platform team for "
        "a node pool with more GPU memory, or name a quantised or smaller model",
        "17.7 x 1.02 = 18.054, 0.009 less than 18.063: 76 tokens",
    ),
    Case("fp8 of what is fp8", m(FP8, quantization="FP8"), [L4], "l4 x 1", "as it is: 8.966 + 2.25", 11.22),
    Case(
        *("no quantisation of what is quantised", m(FP8, quantization="None"), [L4]),
        "spec.quantization: Qwen/Qwen3-8B-FP8 is stored in fp8, so it cannot be served without "
        "quantisation. Leave spec.quantization out, or name a checkpoint in bf16.",
        "the files are fp8",
    ),
]


class Found(NamedTuple):
    said: str
    """POOL x GPUs, or the message of the refusal."""
    needs: float | None = None


def place(case: Case) -> Found:
    components = ["gpu-operator", *(["leader-worker-set"] if case.groups else [])]
    where = cluster("eu", *case.pools, allowed=["*"], sharedStorage=case.shared, components=components)
    try:
        outcome = compose(request(case.spec, where))
    except Invalid as invalid:
        return Found(str(invalid))
    placed = outcome.conditions[0]
    assert isinstance(placed, Condition)
    if placed.status is not Status.TRUE:
        return Found(placed.text)
    placement, sizing = outcome.status["placement"], outcome.status["sizing"]
    nodes = f" x {placement['nodes']} nodes" if placement["nodes"] > 1 else ""
    nodes += f", {placement['dataParallel']} data parallel" if "dataParallel" in placement else ""
    return Found(f"{placement['nodePool']} x {placement['gpus']}{nodes}", sizing["neededGiBPerGPU"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    found = place(case)
    assert found.said == case.expected, case.why
    if case.needs is not None:
        assert found.needs == pytest.approx(case.needs, abs=0.011), case.why


def test_every_case_has_its_own_name() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 40
