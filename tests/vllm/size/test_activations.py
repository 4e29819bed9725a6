"""What a GPU needs beside weights and cache, by hand, in GiB."""

from __future__ import annotations

import pytest

from functions.catalog import models
from functions.vllm.engine.vllm import VLLM
from functions.vllm.size.activations import overhead_gib

_GIB = 2**30
L4, H100 = 22888, 81559


@pytest.mark.parametrize(
    ("name", "memory", "gpus", "nodes", "expected"),
    [
        # KAITO's figure, where the sum is less: 1.3 + 2048 x 2 x (4 x 4096 + 3 x 12288) / 2^30 = 1.5
        ("Qwen/Qwen3-8B", L4, 1, 1, 2.5),
        ("Qwen/Qwen3-8B", L4, 2, 1, 3.0),
        ("Qwen/Qwen3-8B", L4, 1, 2, 3.0),
        # A layer of 16384 wide vectors, its MLP divided: 4 x 16384 + 3 x 53248 / 8 numbers of a token
        (
            *("meta-llama/Llama-3.1-405B-Instruct", H100, 8, 1),
            1.75 + 8192 * 2 * (4 * 16384 + 3 * 53248 / 8) / _GIB,
        ),
        # Eight experts, whose outputs of 7168 are not divided
        (
            *("deepseek-ai/DeepSeek-R1", H100, 8, 1),
            1.75 + 8192 * 2 * (4 * 7168 + 8 * (7168 + 256) + 3 * 256) / _GIB,
        ),
        # Routed experts in a latent of 1024: two vectors of 2688 each are more
        (
            *("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", H100, 1, 1),
            1.3 + 8192 * 2 * (4 * 4096 + 22 * 3 * 2688 + 3 * 5376) / _GIB,
        ),
        # Logits: 1024 sequences x 262208 words x 6 bytes
        ("google/gemma-3-4b-it", H100, 1, 1, 1.3 + 1024 * 262208 * 6 / _GIB),
        # An encoder has none
        ("Snowflake/snowflake-arctic-embed-l-v2.0", H100, 1, 1, 2.5),
    ],
)
def test_overhead(name: str, memory: int, gpus: int, nodes: int, expected: float) -> None:
    assert overhead_gib(models()[name], VLLM.batch(memory), gpus, nodes) == pytest.approx(expected)
    assert expected >= (2.5 if gpus * nodes == 1 else 3.0)
