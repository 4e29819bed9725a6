"""Arguments that follow from what a model is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.api import ModelSpec
from functions.catalog import models
from functions.vllm import sizing
from functions.vllm.engine_flags import engine_flags

POOLING = "--runner=pooling"


def flags(model: str, gpus: int = 1, **spec: Any) -> list[str]:
    asked = ModelSpec.model_validate({"model": model, **spec})
    return engine_flags(asked, sizing.need(asked, models()[model]).facts, gpus)


@pytest.mark.parametrize(
    ("model", "gpus", "spec", "expected"),
    [
        ("Qwen/Qwen3-8B", 1, {}, []),
        ("Qwen/Qwen3-8B", 1, {"task": "Generate"}, []),
        ("Qwen/Qwen3-8B", 1, {"quantization": "FP8"}, ["--quantization=fp8_per_tensor"]),
        ("Qwen/Qwen3-8B-FP8", 1, {"quantization": "FP8"}, []),
        ("BAAI/bge-m3", 1, {}, [POOLING, "--convert=embed"]),
        ("Qwen/Qwen3-Embedding-0.6B", 1, {"task": "Embed"}, [POOLING, "--convert=embed"]),
        ("BAAI/bge-reranker-v2-m3", 1, {}, [POOLING, "--convert=classify"]),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", 4, {}, []),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", 8, {}, ["--enable-expert-parallel"]),
    ],
)
def test_flags(model: str, gpus: int, spec: dict[str, Any], expected: list[str]) -> None:
    assert flags(model, gpus, **spec) == expected


def test_a_language_model_that_reranks() -> None:
    runner, convert, overrides = flags("Qwen/Qwen3-Reranker-0.6B")
    assert (runner, convert) == (POOLING, "--convert=classify")
    assert json.loads(overrides.removeprefix("--hf-overrides=")) == {
        "architectures": ["Qwen3ForSequenceClassification"],
        "classifier_from_token": ["no", "yes"],
        "is_original_qwen3_reranker": True,
    }
