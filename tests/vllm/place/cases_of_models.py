"""What models need of each GPU, on pools that hold them or do not, worked out by hand."""

from __future__ import annotations

from tests.vllm.place.pools import (
    A10,
    A10X4,
    A100,
    ASK,
    AWQ,
    B200,
    BIG,
    EDGE,
    FLASH,
    FP8,
    H100,
    H200,
    L4,
    L4X4,
    L4X8,
    L40S,
    L40SX4,
    L70,
    MOE,
    OSS20,
    OSS120,
    PHI,
    Q8,
    Q32,
    QUANTISE,
    R1,
    T4,
    Case,
    edge,
    m,
)

CASES_OF_MODELS = [
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
    Case(
        "MLA, 1 TB",
        m("moonshotai/Kimi-K2-Instruct", engine={"trustRemoteCode": True}),
        [H200],
        "h200 x 8",
        "977.660 / 8 + 1.072",
        123.28,
    ),
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
