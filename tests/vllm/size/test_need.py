"""What one replica has to hold, and specs that a model refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from functions.api import Architecture, ModelSpec, Task
from functions.base import Invalid
from functions.catalog import models
from functions.vllm.size.need import facts_of_architecture, need
from functions.vllm.size.tensor_parallel import tensor_parallel_sizes


@pytest.mark.parametrize(
    ("name", "per_node", "counts"),
    [
        ("Qwen/Qwen3-8B", 8, [1, 2, 4, 8]),  # 32 heads, 8 key-value heads
        ("Qwen/Qwen2.5-7B-Instruct", 8, [1, 2, 4]),  # 28 heads: 7 divides them, but not the 4 key-value heads
        ("Qwen/Qwen2.5-0.5B-Instruct", 8, [1, 2]),  # 14 heads, 2 key-value heads
        ("microsoft/phi-4", 8, [1, 2]),  # 40 heads: 5 divides them, but not the vocabulary of 100352
        ("moonshotai/Kimi-K3", 8, [1, 2, 4, 8]),  # 96 heads, which 3 and 6 divide
        ("deepseek-ai/DeepSeek-R1", 16, [1, 2, 4, 8, 16]),  # shared experts of 2048 / 16 = one block of 128
        ("Qwen/Qwen3-Coder-Next-FP8", 8, [1, 2, 4]),  # shared experts of 512 / 8 = half a block
        ("Qwen/Qwen3-Coder-Next", 8, [1, 2, 4, 8]),  # no blocks in bf16
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", 16, [1, 2, 4, 8]),  # 8 groups of its states
    ],
)
def test_tensor_parallel_divides_the_heads(name: str, per_node: int, counts: list[int]) -> None:
    assert tensor_parallel_sizes(models()[name], per_node) == counts


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
    assert facts_of_architecture("acme/house", architecture(**more)).weights_gib == pytest.approx(
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


@pytest.mark.parametrize("task", ["Generate", "Embed", "Rerank", "Classify"])
def test_what_the_catalog_does_not_know_does_any_task(task: str) -> None:
    facts = facts_of_architecture("acme/house", architecture())
    asked = need(ModelSpec(model="acme/house", task=Task(task)), facts).facts
    assert (asked.task, asked.weights_gib) == (task.lower(), facts.weights_gib)


def test_an_encoder_does_not_generate() -> None:
    facts = facts_of_architecture("acme/house", architecture(encoder=True))
    with pytest.raises(Invalid) as caught:
        need(ModelSpec(model="acme/house", task=Task.GENERATE), facts)
    assert str(caught.value) == (
        "spec.task: acme/house is an encoder (architecture.encoder), which generates nothing. Set Embed, "
        "Rerank or Classify."
    )


def test_context_beyond_the_model() -> None:
    with pytest.raises(Invalid) as caught:
        need(ModelSpec(model="Qwen/Qwen3-8B", context_length=50000), models()["Qwen/Qwen3-8B"])
    assert str(caught.value) == (
        "spec.contextLength: 50000 tokens exceed the longest context of Qwen/Qwen3-8B. Set at most 40960."
    )
