"""vLLM: what runs on which GPU, its default batch, and arguments that follow from what a model is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.api import ModelSpec
from functions.base import Outcome
from functions.catalog import gpus, models
from functions.vllm import engine
from functions.vllm.compose import compose
from functions.vllm.engine.vllm import VLLM, expert_parallel
from functions.vllm.size.need import facts_of_architecture, need
from tests.vllm.size.test_need import architecture
from tests.vllm.world import cluster, request

POOLING = "--runner=pooling"
WITHOUT_PARSERS = {"toolCalling": {"parser": "None"}, "reasoning": {"parser": "None"}}


def flags(model: str, gpus: int = 1, **spec: Any) -> list[str]:
    asked = ModelSpec.model_validate({"model": model, **WITHOUT_PARSERS, **spec})
    return VLLM.model_arguments(asked, need(asked, models()[model]).facts, gpus)


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


@pytest.mark.parametrize(("memory", "tokens"), [(22888, 2048), (71679, 2048), (71680, 8192), (81559, 8192)])
def test_batch(memory: int, tokens: int) -> None:
    assert VLLM.batch(memory).tokens == tokens


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
    assert VLLM.cannot_run(models()[model], gpus()[gpu]) == why


def test_fp4_needs_blackwell() -> None:
    facts = facts_of_architecture("acme/house", architecture(precision="nvfp4"))
    assert VLLM.cannot_run(facts, gpus()["B200"]) == ""
    assert VLLM.cannot_run(facts, gpus()["H100-80GB"]) == (
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
    assert expert_parallel(models()[name], gpu_count) is whole


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


def test_another_engine_needs_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    other = VLLM._replace(
        name="other",
        command=("serve",),
        port=9000,
        environment={"QUIET": "1"},
        memory_utilization=0.5,
        arguments=lambda _spec, _placement, context, _peer: [f"--context={context}"],
    )
    monkeypatch.setattr(engine, "ENGINES", (other,))
    outcome = compose(request({"model": "Qwen/Qwen3-0.6B"}, EU, given={"image": "other:v1"}))
    live = next(r for r in outcome.resources if r.name == "vllm/deployment").manifest
    assert live is not None
    workload = live["spec"]["forProvider"]["manifest"]
    container = workload["spec"]["template"]["spec"]["containers"][0]
    assert (workload["metadata"]["name"], container["name"]) == ("other", "other")
    assert (container["command"], container["args"]) == (["serve", "/models"], ["--context=16384"])
    assert container["env"] == [{"name": "QUIET", "value": "1"}]
    assert outcome.status["endpoint"]["baseURL"].startswith("http://other.")
    assert outcome.status["placement"]["gpuMemoryUtilization"] == 0.5
    assert outcome.status["sizing"]["usableGiBPerGPU"] == pytest.approx(22888 / 1024 * 0.5 - 2.5, abs=0.01)
