"""The examples of `docs/sizing.md`, number by number."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from functions.api import ModelSpec
from functions.catalog import models
from functions.vllm.size.memory import fit
from functions.vllm.size.need import need


class Example(NamedTuple):
    model: str
    spec: dict[str, Any]
    memory_mib: int
    gpus: int
    checkpoint: float
    """GiB of files, and of weights once loaded."""
    loaded: float
    overhead: float
    """GiB on one GPU, as all that follow."""
    usable: float
    weights: float
    cache: float
    needed: float


EXAMPLES = {
    "dense": Example("Qwen/Qwen3-8B", {}, 22888, 1, 15.26, 15.26, 2.5, 18.06, 15.56, 2.25, 17.81),
    "tensor parallel": Example(
        *("meta-llama/Llama-3.3-70B-Instruct", {"concurrency": 8}, 81920, 4),
        *(131.41, 131.41, 3.0, 70.60, 33.51, 10.0, 43.51),
    ),
    "MLA and experts": Example(
        *("deepseek-ai/DeepSeek-R1", {"contextLength": 163840, "concurrency": 4}, 143771, 8),
        *(641.18, 626.92, 3.11, 126.06, 79.93, 42.89, 122.82),
    ),
    "sliding window": Example(
        *("google/gemma-3-27b-it", {"contextLength": 131072}, 81559, 1),
        *(51.09, 51.09, 2.80, 70.47, 52.12, 14.22, 66.33),
    ),
    "linear attention": Example(
        *("Qwen/Qwen3-Next-80B-A3B-Instruct", {"contextLength": 262144}, 81559, 4),
        *(151.48, 148.40, 3.0, 70.28, 37.84, 3.02, 40.86),
    ),
    "quantised": Example("Qwen/Qwen3-32B-AWQ", {}, 45776, 1, 18.0, 18.0, 2.5, 38.63, 18.36, 4.0, 22.36),
    "quantised when loaded": Example(
        *("Qwen/Qwen3-32B", {"quantization": "FP8"}, 22888, 4),
        *(61.02, 31.97, 3.0, 17.56, 8.15, 1.0, 9.15),
    ),
    "mxfp4 experts": Example(
        "openai/gpt-oss-120b", {}, 81559, 1, 60.69, 60.69, 2.5, 70.78, 61.91, 0.85, 62.75
    ),
    "embedding": Example(
        "Snowflake/snowflake-arctic-embed-l-v2.0", {}, 15360, 1, 2.11, 1.05, 2.5, 11.30, 1.08, 0.0, 1.08
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    example = EXAMPLES[name]
    facts = models()[example.model]
    what = need(ModelSpec.model_validate({"model": example.model, **example.spec}), facts)
    found = fit(what, example.memory_mib, example.gpus)
    overhead = example.memory_mib / 1024 * 0.92 - found.usable_gib
    on_a_gpu = (found.usable_gib, found.weights_gib, found.cache_gib, found.needed_gib)
    numbers = (facts.checkpoint_gib, what.facts.weights_gib, overhead, *on_a_gpu)
    assert numbers == pytest.approx(example[4:], abs=0.006)
    assert found.fits


def test_fp8_while_it_is_loaded() -> None:
    """31.97 x 1.02 / 4 and, at 16 bits, one of 64 layers of 61.02 x 1.02 / 4."""
    spec = ModelSpec.model_validate({"model": "Qwen/Qwen3-32B", "quantization": "FP8"})
    found = fit(need(spec, models()["Qwen/Qwen3-32B"]), 22888, 4)
    assert found.loading_gib == pytest.approx(8.15 + 15.56 / 64, abs=0.006)
