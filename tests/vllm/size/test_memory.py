"""The arithmetic of `docs/sizing.md`, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from functions.api import Architecture, ModelSpec, Quantization, Task
from functions.base import Invalid
from functions.catalog import gpus, models
from functions.vllm.size import memory


def test_an_l4_by_hand() -> None:
    # 22888 MiB = 22.352 GiB; x 0.92 = 20.564; - 2.5 = 18.064
    # weights 15.256 x 1.02 = 15.561; cache 16384 x 147456 B = 2.25 GiB; together 17.811
    fit = memory.fit(memory.need(ModelSpec(model="Qwen/Qwen3-8B"), models()["Qwen/Qwen3-8B"]), 22888, 1)
    assert fit.usable_gib == pytest.approx(18.064, abs=0.001)
    assert fit.weights_gib == pytest.approx(15.561, abs=0.001)
    assert fit.cache_gib == pytest.approx(2.25)
    assert fit.fits


@pytest.mark.parametrize(
    ("name", "per_node", "counts"),
    [
        ("Qwen/Qwen3-8B", 8, [1, 2, 4, 8]),  # 32 heads, 8 key-value heads
        ("Qwen/Qwen2.5-7B-Instruct", 8, [1, 2, 4]),  # 28 heads: 7 divides them, but not the 4 key-value heads
        ("Qwen/Qwen2.5-0.5B-Instruct", 8, [1, 2]),  # 14 heads, 2 key-value heads
    ],
)
def test_tensor_parallel_divides_the_heads(name: str, per_node: int, counts: list[int]) -> None:
    assert memory.gpu_counts(models()[name], per_node) == counts


def architecture(**more: Any) -> Architecture:
    numbers = {"layers": 36, "attentionHeads": 16, "kvHeads": 2, "headDim": 128, "maxContextLength": 32768}
    return Architecture.model_validate({"parametersBillions": 3.1, **numbers, **more})


@pytest.mark.parametrize(
    ("more", "gib"),
    [
        # 3.1e9 parameters x 2, 1, 0.525 or 0.5625 bytes / 2**30
        ({"precision": "bf16"}, 5.77),
        ({"precision": "fp32"}, 5.77),  # served at 16 bits
        ({"precision": "fp8"}, 2.89),
        ({"precision": "int4"}, 1.52),
        ({"precision": "nvfp4"}, 1.62),
        ({"precision": "int4", "weightsGiB": 2.1}, 2.1),
    ],
)
def test_weights_of_an_architecture(more: dict[str, Any], gib: float) -> None:
    assert memory.of_architecture("acme/house", architecture(**more)).weights_gib == pytest.approx(
        gib, abs=0.01
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"kvHeads": 3}, "architecture.attentionHeads must be a multiple of kvHeads (got 16 and 3)"),
        ({"latentDim": 576}, "takes either headDim or, for a compressed cache (MLA), latentDim"),
        ({"headDim": None}, "takes either headDim or, for a compressed cache (MLA), latentDim"),
        (
            {"windowedLayers": 37, "slidingWindow": 512},
            "architecture.windowedLayers must be at most layers, of which they are a part",
        ),
        ({"windowedLayers": 18}, "windowedLayers and slidingWindow go together"),
        ({"slidingWindow": 512}, "windowedLayers and slidingWindow go together"),
        (
            {"encoder": True, "windowedLayers": 18, "slidingWindow": 512},
            "encoder caches nothing, so it takes neither latentDim nor windowedLayers",
        ),
        (
            {"weightsGiB": 300},
            "architecture.weightsGiB contradicts parametersBillions: a parameter takes 0.4 to 4.5 bytes",
        ),
    ],
)
def test_an_architecture_that_contradicts_itself(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        architecture(**more)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("model", "gpu", "why"),
    [
        ("Qwen/Qwen3-8B", "L4", ""),
        ("Qwen/Qwen3-8B", "T4", "T4 has compute capability 7.5; bf16 weights need 8.0"),
        ("Qwen/Qwen3-8B-FP8", "A10G", "A10G has compute capability 8.6; fp8 weights need 8.9"),
        ("Qwen/Qwen3-8B-AWQ", "T4", ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "T4", ""),
        ("openai/gpt-oss-20b", "A100-80GB", ""),
        ("openai/gpt-oss-20b", "T4", "T4 has compute capability 7.5; mxfp4 weights need 8.0"),
    ],
)
def test_precision_and_gpu(model: str, gpu: str, why: str) -> None:
    assert memory.fits_precision(models()[model], gpus()[gpu]) == why


def test_fp4_needs_blackwell() -> None:
    facts = memory.of_architecture("acme/house", architecture(precision="nvfp4"))
    assert memory.fits_precision(facts, gpus()["B200"]) == ""
    assert memory.fits_precision(facts, gpus()["H100-80GB"]) == (
        "H100-80GB has compute capability 9.0; nvfp4 weights need 10.0"
    )


@pytest.mark.parametrize(
    ("name", "gpu_count", "whole"),
    [
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", 4, False),  # 1536 / 4 = 3 blocks of 128
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", 8, True),  # 192 is no number of blocks
        ("Qwen/Qwen3-235B-A22B", 8, False),  # no blocks in bf16
        ("MiniMaxAI/MiniMax-M2.7", 8, True),  # 1536 / 8
        ("deepseek-ai/DeepSeek-R1", 8, False),  # 2048 / 8 = 2 blocks
        ("Qwen/Qwen3-8B-FP8", 8, False),  # no experts
    ],
)
def test_experts_that_cannot_be_split(name: str, gpu_count: int, whole: bool) -> None:
    assert memory.expert_parallel(models()[name], gpu_count) is whole


def test_fp8_at_its_peak_while_loading() -> None:
    """A model of few large layers: the one that is being quantised is there at 16 bits beside the rest."""
    facts = memory.of_architecture("acme/flat", architecture(parametersBillions=30, layers=2))
    what = memory.need(ModelSpec(model="acme/flat", quantization=Quantization.FP8), facts)
    fit = memory.fit(what, 81920, 1)
    # 30e9 x 1.2 = 33.528 GiB, and half of 30e9 x 2 = 27.940; x 1.02
    assert fit.weights_gib == pytest.approx(34.198, abs=0.01)
    assert fit.loading_gib == pytest.approx(62.697, abs=0.01)
    assert fit.fits
    assert not memory.fit(what, 65536, 1).fits, "65536 MiB x 0.92 - 2.5 = 56.38, less than while loading"


@pytest.mark.parametrize("task", ["Generate", "Embed", "Rerank", "Classify"])
def test_what_the_catalog_does_not_know_does_any_task(task: str) -> None:
    facts = memory.of_architecture("acme/house", architecture())
    assert memory.need(ModelSpec(model="acme/house", task=Task(task)), facts).facts is facts


def test_an_encoder_does_not_generate() -> None:
    facts = memory.of_architecture("acme/house", architecture(encoder=True))
    with pytest.raises(Invalid) as caught:
        memory.need(ModelSpec(model="acme/house", task=Task.GENERATE), facts)
    assert str(caught.value) == (
        "spec.task: acme/house is an encoder (architecture.encoder), which generates nothing. Say Embed, Rerank "
        "or Classify."
    )


def test_context_beyond_the_model() -> None:
    with pytest.raises(Invalid) as caught:
        memory.need(ModelSpec(model="Qwen/Qwen3-8B", context_length=50000), models()["Qwen/Qwen3-8B"])
    assert str(caught.value) == (
        "spec.contextLength: 50000 tokens is beyond the 40960 that Qwen/Qwen3-8B was made for. "
        "Ask for at most 40960."
    )


def test_the_nearest_context_really_fits() -> None:
    facts = models()["Qwen/Qwen3-8B"]
    what = memory.need(ModelSpec(model="Qwen/Qwen3-8B", context_length=40960, concurrency=4), facts)
    context = memory.longest_context(what, 22888, 1)
    assert context % 256 == 0
    assert memory.fit(memory.Need(facts, context, 4), 22888, 1).fits
    assert not memory.fit(memory.Need(facts, context + 256, 4), 22888, 1).fits


def test_the_most_requests_really_fit() -> None:
    facts = models()["openai/gpt-oss-20b"]
    what = memory.Need(facts, 16384, 1000)
    most = memory.most_requests(what, 22888, 1)
    assert 0 < most < 1000
    assert memory.fit(memory.Need(facts, 16384, most), 22888, 1).fits
    assert not memory.fit(memory.Need(facts, 16384, most + 1), 22888, 1).fits


def test_every_model_of_the_catalog_can_be_sized() -> None:
    for facts in models().values():
        need = memory.need(ModelSpec(model=facts.name), facts)
        assert memory.gpu_counts(facts, 8)[0] == 1
        assert memory.fit(need, 81559, 1).needed_gib > 0
