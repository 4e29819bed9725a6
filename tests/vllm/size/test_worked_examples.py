"""The examples of `docs/sizing.md`, number by number."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from functions.api import ModelSpec
from functions.catalog import models
from functions.vllm.size.memory import fit
from functions.vllm.size.need import need
from tests.vllm.size.devices import device


class Example(NamedTuple):
    model: str
    spec: dict[str, Any]
    gpu: str
    gpus: int
    batch: tuple[int, int]
    """Tokens and sequences."""
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
    "dense": Example("Qwen/Qwen3-8B", {}, "L4", 1, (2048, 256), 15.26, 15.26, 1.97, 18.3, 15.41, 2.25, 17.66),
    "tensor parallel": Example(
        "meta-llama/Llama-3.3-70B-Instruct",
        {"concurrency": 8},
        "A100-80GB",
        4,
        (2048, 256),
        131.41,
        131.41,
        3.29,
        69.53,
        33.18,
        10.0,
        43.18,
    ),
    "MLA and experts": Example(
        "deepseek-ai/DeepSeek-R1",
        {"contextLength": 163840, "concurrency": 3},
        "H200-141GB",
        8,
        (8192, 1024),
        641.18,
        626.92,
        8.75,
        119.79,
        80.08,
        32.17,
        112.25,
    ),
    "sliding window": Example(
        "google/gemma-3-27b-it",
        {"contextLength": 131072},
        "H100-80GB",
        1,
        (2048, 256),
        51.09,
        51.09,
        3.18,
        69.6,
        51.61,
        12.35,
        63.96,
    ),
    "linear attention": Example(
        "Qwen/Qwen3-Next-80B-A3B-Instruct",
        {"contextLength": 262144},
        "H100-80GB",
        4,
        (8192, 1024),
        151.48,
        148.4,
        8.33,
        64.45,
        37.55,
        3.01,
        40.57,
    ),
    "quantised": Example(
        "Qwen/Qwen3-32B-AWQ", {}, "L40S", 1, (2048, 256), 18.0, 18.0, 1.97, 38.87, 18.18, 4.0, 22.18
    ),
    "quantised when loaded": Example(
        "Qwen/Qwen3-32B",
        {"quantization": "FP8"},
        "L4",
        4,
        (2048, 256),
        61.02,
        31.97,
        3.34,
        16.93,
        8.07,
        1.0,
        9.07,
    ),
    "mxfp4 experts": Example(
        "openai/gpt-oss-120b", {}, "H100-80GB", 1, (2048, 256), 60.69, 60.69, 3.11, 69.67, 66.48, 0.71, 67.19
    ),
    "embedding": Example(
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        {},
        "T4",
        1,
        (8192, 256),
        2.11,
        1.05,
        1.67,
        11.73,
        1.07,
        0.0,
        1.07,
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    example = EXAMPLES[name]
    facts = models()[example.model]
    what = need(ModelSpec.model_validate({"model": example.model, **example.spec}), facts)
    found = fit(what, device(example.gpu), example.gpus)
    overhead = found.device.granted_gib - found.usable_gib
    on_a_gpu = (found.usable_gib, found.weights_gib, found.cache_gib, found.needed_gib)
    numbers = (facts.checkpoint_gib, what.facts.weights_gib, overhead, *on_a_gpu)
    assert numbers == pytest.approx(example[5:], abs=0.006)
    assert found.batch == example.batch
    assert found.fits


def test_fp8_while_it_is_loaded() -> None:
    """31.97 x 1.01 / 4 and, at 16 bits, one of 64 layers of 61.02 x 1.01 / 4."""
    spec = ModelSpec.model_validate({"model": "Qwen/Qwen3-32B", "quantization": "FP8"})
    found = fit(need(spec, models()["Qwen/Qwen3-32B"]), device("L4"), 4)
    assert found.loading_gib == pytest.approx(8.07 + 15.41 / 64, abs=0.006)
