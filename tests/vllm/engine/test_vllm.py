"""vLLM: what runs on which GPU, its default batch, and arguments that follow from what a model is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.api import ModelSpec, Task
from functions.base import Outcome
from functions.catalog import gpus, models
from functions.vllm import engine
from functions.vllm.compose import compose
from functions.vllm.engine.vllm import VLLM, expert_parallel
from functions.vllm.size.need import facts_of_architecture, need
from tests.vllm.size.devices import device
from tests.vllm.size.test_need import architecture
from tests.vllm.world import cluster, request

POOLING = "--runner=pooling"
WITHOUT_PARSERS = {"toolCalling": {"parser": "None"}, "reasoning": {"parser": "None"}}


def memory(tokens: int, sequences: int) -> list[str]:
    return [f"--max-num-batched-tokens={tokens}", f"--max-num-seqs={sequences}", "--kv-cache-dtype=auto"]


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


@pytest.mark.parametrize(
    ("model", "gpu", "slices", "context", "concurrency", "batch"),
    [
        ("Qwen/Qwen3-8B", "L4", 1, 16384, 1, (2048, 256)),
        ("Qwen/Qwen3-8B", "L40S", 1, 16384, 1, (2048, 256)),
        ("Qwen/Qwen3-8B", "H100-80GB", 1, 16384, 1, (8192, 1024)),
        # vLLM found large batches slower there
        ("Qwen/Qwen3-8B", "A100-80GB", 1, 16384, 1, (2048, 256)),
        # A half of an H200, 64 GiB, although vLLM sees the whole
        ("Qwen/Qwen3-8B", "H200-141GB", 2, 16384, 1, (2048, 256)),
        # The requests to hold, and no fewer tokens than sequences
        ("Qwen/Qwen3-8B", "L4", 1, 16384, 3000, (3000, 3000)),
        # An encoder reads an input in one step
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "L4", 1, 8192, 1, (8192, 256)),
        ("Qwen/Qwen3-Embedding-0.6B", "L4", 1, 16384, 1, (2048, 256)),
    ],
)
def test_batch(
    model: str, gpu: str, slices: int, context: int, concurrency: int, batch: tuple[int, int]
) -> None:
    assert VLLM.batches(models()[model], device(gpu, slices), context, concurrency)[0] == batch


def test_a_model_that_may_pool_a_mean_gets_whole_inputs() -> None:
    facts = need(
        ModelSpec(model="acme/house", task=Task.EMBED), facts_of_architecture("acme/house", architecture())
    )
    assert VLLM.batches(facts.facts, device("L4"), 16384, 1)[0].tokens == 16384


def test_batches_in_flight() -> None:
    llama, embedding = models()["Qwen/Qwen3-8B"], models()["Qwen/Qwen3-Embedding-8B"]
    assert [VLLM.batches_in_flight(llama, nodes) for nodes in (1, 2)] == [2, 3]
    assert [VLLM.batches_in_flight(embedding, nodes) for nodes in (1, 2)] == [1, 2]


@pytest.mark.parametrize(
    ("model", "gpu", "why"),
    [
        ("Qwen/Qwen3-8B", "L4", ""),
        # As fp16, which Gemma's numbers exceed
        ("Qwen/Qwen3-8B", "T4", ""),
        ("google/gemma-3-4b-it", "T4", "T4 has compute capability 7.5; bf16 weights need 8.0"),
        ("Qwen/Qwen3-8B-FP8", "A10G", ""),
        ("Qwen/Qwen3-8B-AWQ", "T4", ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "T4", ""),
        ("openai/gpt-oss-20b", "A100-80GB", ""),
        ("openai/gpt-oss-20b", "T4", "T4 has compute capability 7.5; mxfp4 weights need 8.0"),
        ("Qwen/Qwen3-8B-AWQ", "V100-16GB", "V100-16GB has compute capability 7.0; int4 weights need 7.5"),
        ("deepseek-ai/DeepSeek-R1", "L40S", ""),
        (
            *("deepseek-ai/DeepSeek-V3.2", "L40S"),
            "L40S has compute capability 8.9; the sparse attention of deepseek-ai/DeepSeek-V3.2 needs 9.x or "
            "10.x",
        ),
        ("deepseek-ai/DeepSeek-V3.2", "H200-141GB", ""),
        ("deepseek-ai/DeepSeek-V3.2", "B300", ""),
    ],
)
def test_what_runs_where(model: str, gpu: str, why: str) -> None:
    assert VLLM.cannot_run(models()[model], gpus()[gpu]) == why


def test_fp4_runs_before_blackwell() -> None:
    facts = facts_of_architecture("acme/house", architecture(precision="nvfp4"))
    assert VLLM.cannot_run(facts, gpus()["B200"]) == ""
    assert VLLM.cannot_run(facts, gpus()["T4"]) == ""


def test_what_the_catalog_does_not_know_may_be_a_gemma() -> None:
    facts = facts_of_architecture("acme/house", architecture())
    assert VLLM.cannot_run(facts, gpus()["T4"]) == "T4 has compute capability 7.5; bf16 weights need 8.0"


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
    outcome = compose(request({**BGE, "engine": {"args": ["--seed=7"]}}, EU))
    flags = [POOLING, "--convert=embed", *memory(8192, 256)]
    assert outcome.status["placement"]["engineFlags"] == flags
    assert arguments(outcome)[-6:] == [*flags, "--seed=7"]


def test_a_model_that_was_placed_without_them_gets_none() -> None:
    """What runs is not restarted for arguments that a newer version gives to new Models."""
    before = compose(request(BGE, EU))
    status = dict(before.status)
    status["placement"] = {**status["placement"], "engineFlags": [POOLING, "--convert=embed"]}
    live = compose(request(BGE, EU, status=status))
    assert arguments(live)[-2:] == [POOLING, "--convert=embed"]
    # Nor where the status has lost its sizing, which is computed again.
    without = compose(request(BGE, EU, status={**status, "sizing": None}))
    assert arguments(without) == arguments(live)


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
    # A model that pools its tokens' mean reads inputs of 512 in one step; 2048 hold them.
    assert arguments(before)[-3:] == memory(2048, 256)
    assert arguments(after)[-5:] == [POOLING, "--convert=embed", *memory(2048, 256)]


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
    # 22.03 x 0.5 - (0.3 + 0.9 + 0.1 and 40960 x 256 + 256 x 151936 x 15 + 2048 x 2 x 1.25 x 1024 bytes) x 1.05
    assert outcome.status["sizing"]["usableGiBPerGPU"] == pytest.approx(11.015 - 1.951, abs=0.01)
