"""The batch that is passed to vLLM: what it holds, and that vLLM starts with it."""

from __future__ import annotations

import pytest

from functions.api import ModelSpec
from functions.catalog import ModelFacts, gpus, models
from functions.vllm.engine.vllm import VLLM
from functions.vllm.size.memory import Fit, fit
from functions.vllm.size.need import facts_of_architecture, need
from functions.vllm.size.tensor_parallel import tensor_parallel_sizes
from tests.vllm.size.devices import device

HYBRIDS = [name for name, facts in models().items() if facts.state_bytes]
GPUS = [name for name, gpu in gpus().items() if gpu.cuda_gib]


def blocks(facts: ModelFacts, found: Fit) -> int:
    """Return how many blocks vLLM has for states in the memory that is left beside the weights.

    A block is the state of one layer of each group, where a group has as many layers as the rarer kind.
    Less than vLLM has where the state of a layer is smaller than the tokens of a block.
    """
    assert facts.shape is not None
    assert facts.shape.state is not None
    few, many = sorted((facts.full_attention_layers, facts.shape.state.layers))
    group = many if many < 1.5 * few else few
    of_a_layer = facts.state_bytes / facts.shape.state.layers / found.gpus
    return int((found.usable_gib - found.weights_gib) * 2**30 / (group * of_a_layer))


@pytest.mark.parametrize("name", HYBRIDS)
@pytest.mark.parametrize("concurrency", [1, 16])
def test_no_more_sequences_than_blocks(name: str, concurrency: int) -> None:
    """vLLM 0.27 refuses to start with fewer blocks than sequences: 36 of 153 placements by its defaults."""
    facts, tried = models()[name], 0
    what = need(ModelSpec(model=name, concurrency=concurrency), facts)
    for gpu in GPUS:
        for count in tensor_parallel_sizes(facts, 8):
            found = fit(what, device(gpu), count)
            if found.fits:
                tried += 1
                assert concurrency <= found.batch.sequences <= blocks(facts, found), (gpu, count)
    assert tried


def test_a_hybrid_has_fewer_sequences_where_its_blocks_are_few() -> None:
    """Cases `mamba-blocks` and `mamba-blocks-l40s`: 1024 and 256 sequences were refused."""

    def sequences(name: str, gpu: str, context: int = 16384) -> int:
        what = need(ModelSpec(model=name, context_length=context), models()[name])
        return fit(what, device(gpu), 1).batch.sequences

    assert sequences("Qwen/Qwen3.6-27B", "H100-80GB") < 389
    assert sequences("Qwen/Qwen3.6-35B-A3B-FP8", "L40S") < 205
    assert sequences("Qwen/Qwen3.5-4B", "H100-80GB") == 1024


def test_models_without_a_state_keep_the_default() -> None:
    what = need(ModelSpec(model="Qwen/Qwen3-8B"), models()["Qwen/Qwen3-8B"])
    assert (
        fit(what, device("L4"), 1).batch == VLLM.batches(what.facts, device("L4"), 16384, 1)[0] == (2048, 256)
    )


def test_a_state_of_unknown_layers_is_bounded() -> None:
    spec = ModelSpec.model_validate(
        {
            "model": "acme/states",
            "architecture": {
                **{"parametersBillions": 9, "layers": 4, "attentionHeads": 40, "kvHeads": 8, "headDim": 128},
                **{"maxContextLength": 131072, "stateMiBPerRequest": 66},
            },
        }
    )
    assert spec.architecture is not None
    facts = facts_of_architecture("acme/states", spec.architecture)
    found = fit(need(spec, facts), device("H100-80GB"), 1)
    assert 0 < found.batch.sequences * 66 / 1024 < found.usable_gib - found.weights_gib
    assert found.batch.sequences % 8 == 0


def test_a_smaller_batch_where_the_default_does_not_fit() -> None:
    """gpt-oss-120b on one H100: 66.5 of weights and 6.2 of overhead with 1024 sequences, 3.1 with 256."""
    what = need(ModelSpec(model="openai/gpt-oss-120b"), models()["openai/gpt-oss-120b"])
    found = fit(what, device("H100-80GB"), 1)
    assert found.fits
    assert found.batch == (2048, 256)
    assert fit(what, device("H200-141GB"), 1).batch == (8192, 1024)


def test_requests_of_each_rank() -> None:
    """Data parallel attention: 16384 requests on eight GPUs are 2048 on each."""
    what = need(ModelSpec(model="deepseek-ai/DeepSeek-R1"), models()["deepseek-ai/DeepSeek-R1"])
    what = what._replace(concurrency=16384, context=16)
    assert fit(what, device("H200-141GB"), 8, data_parallel=8).batch.sequences == 2048
    assert fit(what, device("H200-141GB"), 8).batch == (16384, 16384)
