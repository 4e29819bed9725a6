"""What requests keep, by hand, for each trap that counting layers x heads x tokens falls into."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from functions.api import Architecture
from functions.catalog import models
from functions.vllm.engine.vllm import VLLM
from functions.vllm.size.kv_cache import cache_bytes
from functions.vllm.size.memory import total_cache_gib
from functions.vllm.size.need import Need, facts_of_architecture


class Case(NamedTuple):
    id: str
    model: str
    context: int
    requests: int
    gpus: int
    kept: float
    """Bytes on each GPU."""


CASES = [
    # 36 layers x 2 x 8 heads x 128 x 2 bytes
    Case("heads", "Qwen/Qwen3-8B", 1000, 3, 1, 36 * 4096 * 3000),
    Case("heads are divided", "Qwen/Qwen3-8B", 1000, 3, 4, 36 * 1024 * 3000),
    Case("a head is not", "Qwen/Qwen3-235B-A22B", 1000, 1, 8, 94 * 2 * 1 * 128 * 2 * 1000),
    Case("a latent is on every GPU", "deepseek-ai/DeepSeek-R1", 1000, 1, 8, 61 * 576 * 2 * 1000),
    Case("so is the indexer's", "deepseek-ai/DeepSeek-V3.2", 1000, 2, 8, 61 * (576 * 2 + 132) * 2000),
    # 18 full and 18 windowed layers of 2 x 8 x 64 x 2 bytes
    Case("within a window and a batch", "openai/gpt-oss-120b", 100, 2, 1, 36 * 2048 * 200),
    Case(
        *("a window stops growing", "openai/gpt-oss-120b", 50_000, 1, 1),
        (18 * 50_000 + 18 * (128 + 8192)) * 2048,
    ),
    Case(
        *("one batch for all requests", "openai/gpt-oss-120b", 50_000, 10, 1),
        (18 * 500_000 + 18 * (1280 + 8192)) * 2048,
    ),
    # 36 chunked layers of 8192 tokens, 2 x 8 x 128 x 2 bytes
    Case(
        *("chunks", "meta-llama/Llama-4-Scout-17B-16E-Instruct", 100_000, 1, 8),
        (12 * 100_000 + 36 * (8192 + 8192)) * 4096 / 8,
    ),
    # 52 windowed layers beside 10 full ones: six groups of 10
    Case(
        *("groups of layers", "google/gemma-3-27b-it", 131072, 1, 1),
        (10 * 131072 + 60 * (1024 + 8192)) * 2 * 16 * 128 * 2,
    ),
    # 5 full layers of 2 heads x 512, 25 windowed of 8 x 256: on 4 GPUs half a full head's worth each
    Case(
        *("full layers with other heads", "google/gemma-4-26B-A4B-it", 100_000, 1, 4),
        5 * 100_000 * 2 * 2 * 512 * 2 / 2 + 25 * (1024 + 8192) * 2 * 8 * 256 * 2 / 4,
    ),
    Case("windowed in all layers", "intfloat/e5-mistral-7b-instruct", 32768, 1, 1, 32 * 12288 * 4096),
    # 36 states of 32 heads x 128 x 128 x 4 bytes, and 3 tokens x (2 x 16 x 128 + 32 x 128) x 2 bytes
    Case(
        *("linear attention", "Qwen/Qwen3-Next-80B-A3B-Instruct", 1000, 4, 2),
        12 * 2 * 256 * 2 * 4000 + 4 * 36 * (2_097_152 + 49_152) / 2,
    ),
    # 23 states, in groups of 6 as the attention layers 24, of 64 heads x 64 x 128 x 4 bytes, and 3 x (4096 + 2 x 8 x 128) x 2
    Case(
        *("Mamba", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 1000, 1, 1),
        6 * 2 * 2 * 128 * 2 * 1000 + 24 * (2_097_152 + 36_864),
    ),
    Case("an encoder", "Snowflake/snowflake-arctic-embed-l-v2.0", 8192, 100, 1, 0),
]


@pytest.mark.parametrize(
    ("full", "windowed", "groups"),
    [
        (12, 12, (12, 12)),
        (10, 52, (10, 60)),  # of 10
        (20, 30, (20, 40)),  # of 20: 30 is half as many again
        (12, 13, (13, 13)),  # of 13, which is less
        (13, 12, (13, 13)),
    ],
)
def test_groups_of_layers(full: int, windowed: int, groups: tuple[int, int]) -> None:
    given = Architecture(
        parameters_billions=1,
        layers=full + windowed,
        windowed_layers=windowed,
        sliding_window=1,
        attention_heads=1,
        kv_heads=1,
        head_dim=1,
        max_context_length=100_000,
    )
    # 4 bytes of a token and layer; all keep 2, or full ones 100000 and windowed ones 1 and a batch of 1.
    facts = facts_of_architecture("acme/groups", given)
    assert cache_bytes(facts, 2) == 4 * 2 * sum(groups)
    assert cache_bytes(facts, 100_000, batch_tokens=1) == 4 * (100_000 * groups[0] + 2 * groups[1])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_kept(case: Case) -> None:
    assert cache_bytes(models()[case.model], case.context, case.requests, case.gpus) == case.kept


def test_the_total_cache_has_the_batch_of_windows_once() -> None:
    """(18 x 2 x 16384 + 18 x (2 x 128 + 2048)) x 2048 bytes on a GPU below 70 GiB."""
    what = Need(models()["openai/gpt-oss-120b"], 16384, 2, VLLM)
    assert total_cache_gib(what, 45776) == (18 * 2 * 16384 + 18 * (256 + 2048)) * 2048 / 2**30
