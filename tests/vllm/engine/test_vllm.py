"""Arguments that follow from what a model is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.api import ModelSpec
from functions.base import Outcome
from functions.catalog import models
from functions.vllm.compose import compose
from functions.vllm.engine.vllm import engine_flags
from functions.vllm.size import memory
from tests.vllm.world import cluster, request

POOLING = "--runner=pooling"


def flags(model: str, gpus: int = 1, **spec: Any) -> list[str]:
    asked = ModelSpec.model_validate({"model": model, **spec})
    return engine_flags(asked, memory.need(asked, models()[model]).facts, gpus)


@pytest.mark.parametrize(
    ("model", "gpus", "spec", "expected"),
    [
        ("Qwen/Qwen3-8B", 1, {}, []),
        ("Qwen/Qwen3-8B", 1, {"task": "Generate"}, []),
        ("Qwen/Qwen3-8B", 1, {"quantization": "FP8"}, ["--quantization=fp8_per_tensor"]),
        ("Qwen/Qwen3-8B-FP8", 1, {"quantization": "FP8"}, []),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", 1, {}, [POOLING, "--convert=embed"]),
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


EU = cluster("eu", allowed=["*"])
BGE = {"model": "Snowflake/snowflake-arctic-embed-l-v2.0"}
HOUSE = {
    "model": "acme/house",
    "architecture": {
        **{"parametersBillions": 0.5, "layers": 24, "attentionHeads": 16, "kvHeads": 16},
        **{"headDim": 64, "maxContextLength": 512},
    },
}


def arguments(outcome: Outcome) -> list[str]:
    live = next(r for r in outcome.resources if r.name == "vllm/deployment").manifest
    assert live is not None
    pod = live["spec"]["forProvider"]["manifest"]["spec"]["template"]["spec"]
    return list(pod["containers"][0]["args"])


def placed_again(spec: dict[str, Any], before: Outcome) -> Outcome:
    return compose(request(spec, EU, status=dict(before.status)))


def test_they_are_recorded_and_come_before_the_specs_own() -> None:
    outcome = compose(request({**BGE, "engine": {"args": ["--runner=generate"]}}, EU))
    assert outcome.status["placement"]["engineFlags"] == [POOLING, "--convert=embed"]
    assert arguments(outcome)[-3:] == [POOLING, "--convert=embed", "--runner=generate"]


def test_a_newer_catalog_changes_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compose(request(BGE, EU))
    monkeypatch.setitem(
        models(),
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        replace(models()["Snowflake/snowflake-arctic-embed-l-v2.0"], task="rerank"),
    )
    assert arguments(placed_again(BGE, before)) == arguments(before)


def test_another_task_does() -> None:
    before = compose(request(HOUSE, EU))
    after = placed_again({**HOUSE, "task": "Embed"}, before)
    assert arguments(after) == [*arguments(before), POOLING, "--convert=embed"]


def test_the_volume_holds_what_is_not_loaded() -> None:
    """2.11 GiB of float32 x 1.15 + 2 = 4.4, and 1.05 GiB in memory."""
    outcome = compose(request(BGE, EU))
    claim = next(r for r in outcome.resources if r.name.startswith("vllm/weights-")).manifest
    assert claim is not None
    size = claim["spec"]["forProvider"]["manifest"]["spec"]["resources"]["requests"]["storage"]
    sizing_ = outcome.status["sizing"]
    assert (size, sizing_["checkpointGiB"], sizing_["weightsGiB"]) == ("5Gi", 2.11, 1.05)
