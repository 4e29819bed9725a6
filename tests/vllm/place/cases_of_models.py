"""What models need of each GPU, on pools that hold them or do not."""

from __future__ import annotations

from tests.vllm.place.pools import (
    A10,
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
    Case(
        "fits",
        m(Q8),
        [L4],
        "l4 x 1",
        "one: 15.41 + 2.25 <= 18.30",
        17.66,
    ),
    Case(
        "a little too long",
        m(Q8, contextLength=21504),
        [L4],
        "[model] eu/l4: the Model needs 18.4 GiB on 1 GPU (weights 15.4, KV cache 3.0), and 18.3 GiB are "
        "usable. It would fit eu/l4 with contextLength: 20992",
        "one: 15.41 + 2.95 > 18.30; one on 2 nodes: 7.70 + 1.48 <= 16.62; not one request",
    ),
    Case(
        "the nearest fit fits",
        m(Q8, contextLength=20992),
        [L4],
        "l4 x 1",
        "one: 15.41 + 2.88 <= 18.30",
        18.29,
    ),
    Case(
        "split in two",
        m(Q8, contextLength=21504),
        [L4X4],
        "l4x4 x 2",
        "one: 15.41 + 2.95 > 18.30; two: 7.70 + 1.48 <= 16.94",
        9.18,
    ),
    Case(
        "two cheap before one dear",
        m(Q8, contextLength=21504),
        [L4X4, H100],
        "l4x4 x 2",
        "one: 15.41 + 2.95 > 18.30; two: 7.70 + 1.48 <= 16.94",
        9.18,
    ),
    Case(
        "four of a node",
        m(Q32),
        [L4X4],
        "l4x4 x 4",
        "two: 30.82 + 2.00 > 16.93; four: 15.41 + 1.00 <= 16.93",
        16.41,
    ),
    Case(
        "docs/sizing.md",
        m(L70, concurrency=8),
        [A100],
        "a100 x 4",
        "two: 66.36 + 20.00 > 69.53; four: 33.18 + 10.00 <= 69.53",
        43.18,
    ),
    # On the edge: 58 x 1.01 = 58.58 on a GPU with 69.61 leaves 11.03.
    Case(
        "1 GiB less than usable",
        edge(contextLength=82176),
        [A100],
        "a100 x 1",
        "one: 58.58 + 10.03 <= 69.61",
        68.61,
    ),
    Case(
        "the last request",
        edge(contextLength=8192, concurrency=11),
        [A100],
        "a100 x 1",
        "one: 58.58 + 11.00 <= 69.61",
        69.58,
    ),
    Case(
        "one request more",
        edge(contextLength=8192, concurrency=12),
        [A100],
        "a100 x 2",
        "one: 58.58 + 12.00 > 69.61; two: 29.29 + 6.00 <= 68.12",
        35.29,
    ),
    Case(
        "the last token",
        edge(contextLength=90352),
        [A100],
        "a100 x 1",
        "one: 58.58 + 11.03 <= 69.61",
        69.61,
    ),
    Case(
        "one token more",
        edge(contextLength=90353),
        [A100],
        "a100 x 2",
        "one: 58.58 + 11.03 > 69.61; two: 29.29 + 5.52 <= 68.12",
        34.81,
    ),
    Case(
        "1 GiB more than usable",
        edge(contextLength=106004, gpu={"count": 1}),
        [A100],
        "[model] eu/a100: the Model needs 71.5 GiB on 1 GPU (weights 58.6, KV cache 12.9), and 69.6 GiB "
        "are usable. Without spec.gpu, it would fit eu/a100 on 2 A100-80GB",
        "one: 58.58 + 12.94 > 69.61; two: 29.29 + 6.47 <= 68.12",
    ),
    # What a GPU can run.
    Case(
        "bf16 on Turing",
        m("google/gemma-3-1b-it"),
        [T4],
        f"[model] eu/t4: T4 has compute capability 7.5; bf16 weights need 8.0{ASK}",
        "T4 is 7.5",
    ),
    Case(
        "int4 on Turing",
        m(AWQ),
        [L4, T4],
        "t4 x 1",
        "one: 5.74 + 2.25 <= 18.30; and T4 is cheaper",
        7.99,
    ),
    Case(
        "fp8 on Ampere",
        m(FP8),
        [A10, A100],
        "a10 x 1",
        "fp8 from 8.9",
        11.13,
    ),
    Case(
        "fp8 on Ada",
        m(FP8),
        [A10, L4],
        "l4 x 1",
        "one: 8.88 + 2.25 <= 18.30",
        11.13,
    ),
    Case(
        *("mxfp4 on Turing", m(OSS20), [T4]),
        f"[model] eu/t4: T4 has compute capability 7.5; mxfp4 weights need 8.0{ASK}",
        "mxfp4 from 8.0",
    ),
    Case(
        "mxfp4 on Ampere",
        m(OSS20),
        [A10],
        "a10 x 1",
        "one: 13.80 + 0.47 <= 17.16",
        14.27,
    ),
    # Windows: they stop growing, and hold what is computed at once beside.
    Case(
        "window",
        m(OSS20),
        [L4],
        "l4 x 1",
        "one: 13.79 + 0.47 <= 17.15",
        14.27,
    ),
    Case(
        "window and long requests",
        m(OSS20, contextLength=131072, concurrency=3),
        [L4],
        "[model] eu/l4: the Model needs 22.9 GiB on 1 GPU (weights 13.8, KV cache 9.1), and 17.2 GiB are "
        "usable. It would fit eu/l4 with contextLength: 47360, or with concurrency: 1 at 131072 tokens",
        "one: 13.79 + 9.10 > 17.15; one on 2 nodes: 6.90 + 4.58 <= 15.66",
    ),
    Case(
        "counted in full it would not fit",
        m("google/gemma-3-27b-it", contextLength=90112),
        [H100],
        "h100 x 1",
        "one: 51.61 + 14.85 <= 67.02",
        66.46,
    ),
    Case(
        "chunks",
        m("meta-llama/Llama-4-Scout-17B-16E-Instruct", contextLength=1048576),
        [H100],
        "h100 x 8",
        "four: 51.10 + 12.42 > 62.78; eight: 25.55 + 6.42 <= 60.76",
        31.98,
    ),
    # Layers without attention.
    Case(
        "hybrid",
        m("Qwen/Qwen3-Next-80B-A3B-Instruct", contextLength=262144),
        [H100],
        "h100 x 4",
        "two: 74.99 + 3.02 > 66.70; four: 37.55 + 3.01 <= 64.45; cache 12 of 48 layers 6",
        40.57,
    ),
    Case(
        "hybrid, 24 heads",
        m("Qwen/Qwen3.6-27B"),
        [L4X4],
        "l4x4 x 4",
        "two: 25.72 + 0.57 > 14.60; four: 12.86 + 0.29 <= 14.60",
        13.15,
    ),
    # Mixtures of experts: all experts are loaded.
    Case(
        "MoE on one",
        m(MOE),
        [H100],
        "h100 x 1",
        "one: 57.44 + 1.50 <= 67.68",
        58.94,
    ),
    Case(
        "MoE on two",
        m(MOE),
        [L40SX4],
        "l40sx4 x 2",
        "one: 57.44 + 1.50 > 38.00; two: 28.73 + 0.75 <= 36.52",
        29.48,
    ),
    Case(
        "MoE on four",
        m(MOE),
        [L4X4],
        "l4x4 x 4",
        "two: 28.73 + 0.75 > 15.95; four: 14.38 + 0.38 <= 15.96",
        14.75,
    ),
    Case(
        "MoE, MHA of old",
        m("mistralai/Mixtral-8x7B-Instruct-v0.1"),
        [A100],
        "a100 x 2",
        "one: 87.86 + 2.00 > 70.13; two: 43.93 + 1.00 <= 68.86",
        44.93,
    ),
    Case(
        "large MoE",
        m(BIG),
        [H100],
        "h100 x 4",
        "two: 111.25 + 1.47 > 66.68; four: 55.67 + 0.73 <= 64.19",
        56.41,
    ),
    Case(
        "a head is not split",
        m(BIG, contextLength=131072, concurrency=6),
        [H100],
        "h100 x 8",
        "four: 55.67 + 35.25 > 66.70; eight: 27.93 + 35.25 <= 64.22",
        63.18,
    ),
    Case(
        "a head that is not split is too much",
        m(BIG, contextLength=131072, concurrency=8),
        [H100],
        "[model] eu/h100: the Model needs 74.9 GiB on each of 8 GPUs (weights 27.9, KV cache 47.0), and "
        "66.7 GiB are usable. It would fit eu/h100 with contextLength: 108032, or with concurrency: 6 at "
        "131072 tokens",
        "two on 2 nodes: 55.63 + 47.00 > 66.68; four on 2 nodes: 27.84 + 23.50 <= 64.19; or eight of "
        "117693 tokens",
    ),
    # MLA: 61 x (512 + 64) x 2 = 70272 bytes a token, all of it on every GPU.
    Case(
        "MLA does not fit",
        m(R1),
        [H100],
        "[model] eu/h100: the Model needs 81.2 GiB on each of 8 GPUs (weights 80.1, KV cache 1.1), and "
        "66.7 GiB are usable; 2 nodes with 8 GPUs each would hold it, but its cluster has no shared "
        f"storage for the weights. The weights of 626.9 GiB {QUANTISE}",
        "four on 2 nodes: 80.85 + 0.54 > 66.68; eight on 2 nodes: 40.70 + 0.54 <= 64.03",
    ),
    Case(
        "MLA",
        m(R1),
        [H200],
        "h200 x 8",
        "four: 159.10 + 1.07 > 122.44; eight: 80.08 + 1.07 <= 119.79",
        81.16,
    ),
    Case(
        "MLA on larger GPUs",
        m(R1),
        [B200],
        "b200 x 8",
        "four: 159.10 + 1.07 > 157.98; eight: 80.08 + 1.07 <= 155.33",
        81.16,
    ),
    Case(
        "MLA is replicated",
        m(R1, contextLength=163840, concurrency=3),
        [H200],
        "h200 x 8",
        "four: 159.10 + 32.17 > 122.44; eight: 80.08 + 32.17 <= 119.79",
        112.25,
    ),
    Case(
        "MLA, on one GPU",
        m(R1, contextLength=163840, concurrency=5, gpu={"count": 1}),
        [H200],
        "[model] eu/h200: the Model needs 686.8 GiB on 1 GPU (weights 633.2, KV cache 53.6), and 125.5 "
        "GiB are usable. Without spec.gpu, it would fit eu/h200 on 8 H200-141GB",
        "one GPU holds no more than one",
    ),
    # Data parallel attention, where the latent on every GPU is too much: 609.149 of R1 are experts, so
    # (17.770 + 609.149 / 8) x 1.01 = 94.85.
    Case(
        "requests of their own on each GPU",
        m(R1, contextLength=163840, concurrency=5),
        [H200],
        "h200 x 8, 8 data parallel",
        "four with requests of its own each: 171.76 + 21.45 > 122.35; eight with requests of its own "
        "each: 94.85 + 10.72 <= 119.38",
        105.58,
    ),
    Case(
        "two on each",
        m(R1, contextLength=163840, concurrency=16),
        [H200],
        "h200 x 8, 8 data parallel",
        "four with requests of its own each: 171.76 + 42.89 > 122.35; eight with requests of its own "
        "each: 94.85 + 21.45 <= 119.38",
        116.3,
    ),
    Case(
        "three are too many",
        m(R1, contextLength=163840, concurrency=17),
        [H200],
        "[model] eu/h200: the Model needs 262.4 GiB on each of 8 GPUs (weights 80.1, KV cache 182.3), "
        "and 122.5 GiB are usable. It would fit eu/h200 with contextLength: 37888, or with concurrency: "
        "3 at 163840 tokens",
        "two on 3 nodes: 109.18 + 62.75 > 122.41; four on 3 nodes: 54.77 + 62.75 <= 119.73",
    ),
    Case(
        "MLA, 1 TB",
        m("moonshotai/Kimi-K2-Instruct", engine={"trustRemoteCode": True}),
        [B200],
        "b200 x 8",
        "four: 242.90 + 1.07 > 157.84; eight: 122.04 + 1.07 <= 154.77",
        123.11,
    ),
    # GLM-4.7-Flash: 20 heads, 47 x 1152 = 54144 bytes a token, 56.885 of weights.
    Case(
        "MLA, 20 heads",
        m(FLASH),
        [L4X8],
        "l4x8 x 4",
        "two: 28.29 + 0.83 > 15.96; four: 14.27 + 0.83 <= 15.97",
        15.1,
    ),
    Case(
        "MLA, the edge",
        m(FLASH, contextLength=33600),
        [L4X8],
        "l4x8 x 4",
        "two: 28.29 + 1.69 > 15.96; four: 14.27 + 1.69 <= 15.97",
        15.97,
    ),
    Case(
        "five divide 20 heads",
        m(FLASH, contextLength=33664),
        [L4X8],
        "[model] eu/l4x8: the Model needs 16.0 GiB on each of 4 GPUs (weights 14.3, KV cache 1.7), and "
        "16.0 GiB are usable. It would fit eu/l4x8 with contextLength: 33536",
        "five GPUs would hold it, and divide no vocabulary",
    ),
    # Tensor parallel sizes: phi-4 has 40 heads and 10 key-value heads.
    Case(
        "two divide 10",
        m(PHI),
        [L4X4],
        "l4x4 x 2",
        "one: 27.58 + 3.12 > 18.50; two: 13.79 + 1.56 <= 17.13",
        15.35,
    ),
    Case(
        "four do not divide 10",
        m(PHI, concurrency=8),
        [L4X4],
        "[model] eu/l4x4: the Model needs 26.3 GiB on each of 2 GPUs (weights 13.8, KV cache 12.5), and "
        "17.1 GiB are usable. It would fit eu/l4x4 with contextLength: 4352, or with concurrency: 2 at "
        "16384 tokens",
        "one on 2 nodes: 13.79 + 12.50 > 16.83; two on 2 nodes: 6.89 + 6.25 <= 16.83; or eight of 4764 "
        "tokens",
    ),
    Case(
        "five do not divide its vocabulary",
        m(PHI, concurrency=8),
        [L4X8],
        "[model] eu/l4x8: the Model needs 26.3 GiB on each of 2 GPUs (weights 13.8, KV cache 12.5), and "
        "17.1 GiB are usable. It would fit eu/l4x8 with contextLength: 4352, or with concurrency: 2 at "
        "16384 tokens",
        "one on 2 nodes: 13.79 + 12.50 > 16.83; two on 2 nodes: 6.89 + 6.25 <= 16.83",
    ),
    Case(
        "count that does not divide",
        m("Qwen/Qwen2.5-7B-Instruct", gpu={"count": 7}),
        [L4X8],
        "spec.gpu.count: Qwen/Qwen2.5-7B-Instruct cannot be divided among 7 GPUs: their number must be a "
        "power of two that divides its 28 attention heads, 4 key-value heads and MLPs. Use one of 1, 2, "
        "4.",
        "7 divides 28, not 4; 14 neither",
    ),
    Case(
        "14 are a multiple of 2",
        m("Qwen/Qwen2.5-0.5B-Instruct", gpu={"count": 4}),
        [L4X8],
        "spec.gpu.count: Qwen/Qwen2.5-0.5B-Instruct cannot be divided among 4 GPUs: their number must be "
        "a power of two that divides its 14 attention heads, 2 key-value heads and MLPs. Use one of 1, 2.",
        "4 does not divide 14; 7 is no multiple of 2; 14 is",
    ),
    # Encoders cache nothing, and float32 is served at 16 bits.
    Case(
        "an embedding model",
        m("Snowflake/snowflake-arctic-embed-l-v2.0"),
        [L4],
        "l4 x 1",
        "one: 1.07 + 0.00 <= 18.60",
        1.07,
    ),
    Case(
        "requests do not matter to it",
        m("Snowflake/snowflake-arctic-embed-l-v2.0", concurrency=1024),
        [L4],
        "l4 x 1",
        "one: 1.07 + 0.00 <= 18.60",
        1.07,
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
        "fp8 when loaded",
        m(Q32, quantization="FP8"),
        [L4X4],
        "l4x4 x 4",
        "two: 16.14 + 2.00 > 16.93; four: 8.07 + 1.00 <= 16.93",
        9.07,
    ),
    Case(
        "fp8 when loaded, on Ampere",
        m(Q8, quantization="FP8"),
        [A10],
        "a10 x 1",
        "fp8 from 8.9",
        11.13,
    ),
    Case(
        *("fp8 of what is int4", m(AWQ, quantization="FP8"), [L4]),
        "spec.quantization: Qwen/Qwen3-8B-AWQ is stored in int4, and only weights in bf16 and fp16 are "
        "quantised when they are loaded. Leave spec.quantization out, or name a checkpoint in bf16.",
        "int4 stays int4",
    ),
    Case(
        "fp8 would do",
        m(Q32),
        [L40S],
        "[model] eu/l40s: the Model needs 65.6 GiB on 1 GPU (weights 61.6, KV cache 4.0), and 38.9 GiB "
        "are usable; 2 nodes with 1 GPU each would hold it, but its cluster has no shared storage for "
        "the weights. It would fit eu/l40s with quantization: FP8, on 1 L40S",
        "one: 61.63 + 4.00 > 38.87; one on 2 nodes: 30.82 + 2.00 <= 37.18",
    ),
    Case(
        "fp8 would not do",
        m("meta-llama/Llama-3.3-70B-Instruct"),
        [L40S],
        "[model] eu/l40s: the Model needs 137.7 GiB on 1 GPU (weights 132.7, KV cache 5.0), and 38.9 GiB "
        "are usable; 4 nodes with 1 GPU each would hold it, but the pool has at most 2. The weights of "
        f"131.4 GiB {QUANTISE}",
        "one on 3 nodes: 44.80 + 1.69 > 37.24; one on 4 nodes: 33.18 + 1.25 <= 37.24",
    ),
    Case(
        "fp8 while it is loaded",
        edge(quantization="FP8", architecture={**EDGE, "layers": 1}),
        [L40S],
        "[model] eu/l40s: the Model needs 35.2 GiB on 1 GPU (weights 35.1, KV cache 0.1; 93.7 GiB while "
        f"the weights are quantised), and 37.6 GiB are usable. The weights of 34.8 GiB {QUANTISE}",
        "one: 35.15 + 0.06 > 37.63; 29 x 1.2 = 34.8; with its one layer of 58",
    ),
    Case(
        "no room for a cache",
        edge(architecture={**EDGE, "parametersBillions": 9.5, "weightsGiB": 16.88}),
        [L4],
        "[model] eu/l4: the Model needs 19.0 GiB on 1 GPU (weights 17.0, KV cache 2.0), and 17.1 GiB are "
        "usable. The weights of 16.9 GiB leave no room for a cache on any node: ask the platform team "
        "for a node pool with more GPU memory, or name a quantised or smaller model",
        "one: 17.05 + 2.00 > 17.06; one on 2 nodes: 8.52 + 1.00 <= 15.57",
    ),
    Case(
        "fp8 of what is fp8",
        m(FP8, quantization="FP8"),
        [L4],
        "l4 x 1",
        "one: 8.88 + 2.25 <= 18.30",
        11.13,
    ),
    Case(
        *("no quantisation of what is quantised", m(FP8, quantization="None"), [L4]),
        "spec.quantization: Qwen/Qwen3-8B-FP8 is stored in fp8, so it cannot be served without "
        "quantisation. Leave spec.quantization out, or name a checkpoint in bf16.",
        "the files are fp8",
    ),
]
