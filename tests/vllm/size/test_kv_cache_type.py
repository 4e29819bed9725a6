"""A KV cache in fp8: what it takes, what is passed for it, and where it is refused."""

from __future__ import annotations

import json

import pytest

from functions.api import ModelSpec
from functions.base import Invalid
from functions.catalog import bytes_per_token, gpus, models
from functions.vllm.compose import compose
from functions.vllm.engine.vllm import VLLM
from functions.vllm.size.kv_cache import cache_bytes
from functions.vllm.size.memory import fit
from functions.vllm.size.need import Need, need
from tests.vllm.size.devices import device
from tests.vllm.world import EU, SPEC, live, manifests, request

FP8 = {"engine": {"kvCacheType": "FP8"}}


def needed(model: str, **more: object) -> Need:
    return need(ModelSpec.model_validate({"model": model, **more}), models()[model])


def test_it_takes_half() -> None:
    half, whole = needed("Qwen/Qwen3-8B", **FP8), needed("Qwen/Qwen3-8B")
    # 36 layers x 2 x 8 heads x 128 numbers of a byte
    assert bytes_per_token(half.facts) == 36 * 2 * 8 * 128
    for n in (1, 2, 4, 8):
        assert cache_bytes(half.facts, 16384, 3, n) * 2 == cache_bytes(whole.facts, 16384, 3, n)
    fits, before = (fit(n, device("L40S"), 1) for n in (half, whole))
    assert fits.weights_gib == before.weights_gib
    # FlashInfer's workspace, with the margin on what is measured.
    assert before.usable_gib - fits.usable_gib == pytest.approx(0.4 * 1.05)


def test_it_reaches_the_engine_and_the_status() -> None:
    made = compose(request({**SPEC, **FP8}, EU))
    assert made.status["placement"]["engineFlags"][-1] == "--kv-cache-dtype=fp8"
    assert "--kv-cache-dtype=fp8" in json.dumps(manifests(made)["vllm/deployment"])
    assert made.status["sizing"]["kvCacheBytesPerToken"] == 73728


def test_a_live_model_is_sized_again_for_it() -> None:
    before = compose(request(SPEC, EU))
    after = compose(request({**SPEC, **FP8}, EU, status=dict(before.status), observed=live(before)))
    assert after.status["sizing"]["kvCacheGiB"] * 2 == pytest.approx(
        before.status["sizing"]["kvCacheGiB"], abs=0.01
    )
    assert before.status["placement"]["sizedBy"] != after.status["placement"]["sizedBy"]


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("deepseek-ai/DeepSeek-R1", "keeps one latent of all heads (MLA)"),
        ("Qwen/Qwen3.6-27B", "has layers that keep a state"),
        ("openai/gpt-oss-20b", "has layers with a sliding window"),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "reads its input once and has no KV cache"),
    ],
)
def test_models_that_it_is_not_for(model: str, kind: str) -> None:
    with pytest.raises(Invalid) as caught:
        needed(model, **FP8)
    assert str(caught.value) == (
        f"spec.engine.kvCacheType: {model} {kind}, and FP8 is for models whose layers all keep the whole "
        "context. Leave it out."
    )


@pytest.mark.parametrize(
    ("gpu", "runs"), [("L4", True), ("H100-80GB", True), ("A100-80GB", False), ("T4", False)]
)
def test_gpus_with_fp8_in_hardware(gpu: str, runs: bool) -> None:
    why = VLLM.cannot_run(needed("Qwen/Qwen3-8B", **FP8).facts, gpus()[gpu])
    assert (why == "") == runs
    if not runs:
        assert why.endswith("a KV cache in fp8 needs 8.9. Without spec.engine.kvCacheType it has 16 bits")
