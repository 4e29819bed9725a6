"""What requests keep, by hand, for each trap that counting layers x heads x tokens falls into."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from functions.api import Architecture
from functions.catalog import models
from functions.vllm.engine import Batch
from functions.vllm.engine.vllm import VLLM
from functions.vllm.size.kv_cache import cache_bytes, sequence_bytes
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
    # 36 layers x 2 x 8 heads x 128 x 2 bytes, 1008 tokens in blocks of 16
    Case("heads", "Qwen/Qwen3-8B", 1000, 3, 1, 36 * 4096 * 3 * 1008),
    Case("heads are divided", "Qwen/Qwen3-8B", 1008, 3, 4, 36 * 1024 * 3 * 1008),
    Case("a head is not", "Qwen/Qwen3-235B-A22B", 1008, 1, 8, 94 * 2 * 1 * 128 * 2 * 1008),
    # In blocks of 64
    Case("a latent is on every GPU", "deepseek-ai/DeepSeek-R1", 1000, 1, 8, 61 * 576 * 2 * 1024),
    Case("so is the indexer's", "deepseek-ai/DeepSeek-V3.2", 1024, 2, 8, 61 * (576 * 2 + 132) * 2048),
    # 18 full and 18 windowed layers of 2 x 8 x 64 x 2 bytes; a window may begin in another block
    Case("within a window and a batch", "openai/gpt-oss-120b", 112, 2, 1, 18 * 2048 * 2 * (112 + 128)),
    # 127 tokens of the window and two batches of 8192, and one block
    Case(
        *("a window stops growing", "openai/gpt-oss-120b", 50_000, 1, 1),
        (18 * 50_000 + 18 * (128 + 16384 + 16)) * 2048,
    ),
    Case(
        *("the batches once for all requests", "openai/gpt-oss-120b", 50_000, 10, 1),
        (18 * 500_000 + 18 * (10 * (128 + 16) + 16384)) * 2048,
    ),
    # 36 chunked layers of 8192 tokens, 2 x 8 x 128 x 2 bytes
    Case(
        *("chunks", "meta-llama/Llama-4-Scout-17B-16E-Instruct", 100_000, 1, 8),
        (12 * 100_000 + 36 * (8192 + 16 + 16384)) * 4096 / 8,
    ),
    # 52 windowed layers beside 10 full ones: six groups of 10
    Case(
        *("groups of layers", "google/gemma-3-27b-it", 131072, 1, 1),
        (10 * 131072 + 60 * (1024 + 16 + 16384)) * 2 * 16 * 128 * 2,
    ),
    # 5 full layers of 2 heads x 512, 25 windowed of 8 x 256: on 4 GPUs half a full head's worth each
    Case(
        *("full layers with other heads", "google/gemma-4-26B-A4B-it", 100_000, 1, 4),
        5 * 100_000 * 2 * 2 * 512 * 2 / 2 + 25 * (1024 + 16 + 16384) * 2 * 8 * 256 * 2 / 4,
    ),
    Case(
        *("windowed in all layers", "intfloat/e5-mistral-7b-instruct", 32768, 1, 1),
        32 * (4096 + 16 + 16384) * 4096,
    ),
    # 36 states of 32 heads x 128 x 128 x 2 bytes and 3 tokens x (2 x 16 x 128 + 32 x 128) x 2 bytes, on two GPUs
    # 548864 bytes: 544 tokens of 2 x 256 x 2 bytes fit that. Three groups of 12 states, one of attention.
    Case(
        *("linear attention", "Qwen/Qwen3-Next-80B-A3B-Instruct", 1000, 4, 2),
        4 * (2 + 3) * 12 * 544 * 1024,
    ),
    # 23 states of 64 heads x 64 x 128 x 4 bytes and 3 x (4096 + 2 x 8 x 128) x 2: 2088 tokens of 1024 bytes,
    # so 2096. Groups of 6: four of states, of which one is not full, and one of attention.
    Case(
        *("Mamba", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 1000, 1, 1),
        (1 + 4) * 6 * 2096 * 1024,
    ),
    # Of one group a GPU has all: 128 x 64 / 2 x 128 x 2 bytes and 3 x (8192 / 2 + 2 x 128) x 2: 1074688
    # bytes, in 528 tokens of 2 x 4 x 128 x 2 bytes. Nine groups of 4 states.
    Case(
        *("a group of Mamba on each GPU", "ibm-granite/granite-4.0-h-small", 1000, 1, 2),
        (2 + 9) * 4 * 528 * 2048,
    ),
    # 96 states beside latents of 576 x 2 bytes, in steps of 128 tokens: 45 x 128
    Case("Kimi delta attention", "moonshotai/Kimi-K3", 5760, 1, 1, (1 + 3) * 24 * 5760 * 1152),
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
    # 4 bytes of a token and layer: full ones keep 100000, windowed ones two blocks.
    facts = facts_of_architecture("acme/groups", given)
    kept = 4 * (100_000 * groups[0] + (16 + 16) * groups[1])
    assert cache_bytes(facts, 100_000, in_flight=1) == kept


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_kept(case: Case) -> None:
    assert cache_bytes(models()[case.model], case.context, case.requests, case.gpus) == case.kept


def test_the_total_cache_has_the_batches_of_windows_once() -> None:
    """(18 x 2 x 16384 + 18 x (2 x 144 + 2 x 2048)) x 2048 bytes with batches of 2048 tokens."""
    what = Need(models()["openai/gpt-oss-120b"], 16384, 2, VLLM)
    expected = (18 * 2 * 16384 + 18 * (2 * 144 + 4096)) * 2048 / 2**30
    assert total_cache_gib(what, Batch(2048, 256)) == expected


@pytest.mark.parametrize(
    ("model", "gpus", "each"),
    [
        ("Qwen/Qwen3-8B", 1, 0),
        # A block of each group's layers
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", 2, 12 * 544 * 1024),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 1, 6 * 2096 * 1024),
    ],
)
def test_what_a_sequence_needs_at_least(model: str, gpus: int, each: int) -> None:
    assert sequence_bytes(models()[model], gpus) == each


def test_a_state_of_unknown_layers_counts_whole() -> None:
    given = Architecture(
        parameters_billions=9,
        layers=4,
        attention_heads=40,
        kv_heads=8,
        head_dim=128,
        max_context_length=131072,
        state_mib_per_request=66,
    )
    assert sequence_bytes(facts_of_architecture("acme/states", given), 2) == 33 * 2**20
