"""The arithmetic of `docs/sizing.md`, worked out by hand."""

from __future__ import annotations

import pytest

from functions.api import Architecture, ModelSpec, Precision
from functions.base import Invalid
from functions.catalog import gpus, models
from functions.vllm import sizing

# layers x 2 (keys and values) x kv heads x head size x 2 bytes, or layers x latent x 2 bytes
KV_BYTES = {
    "Qwen/Qwen3-8B": 36 * 2 * 8 * 128 * 2,
    "meta-llama/Llama-3.3-70B-Instruct": 80 * 2 * 8 * 128 * 2,
    "deepseek-ai/DeepSeek-R1": 61 * (512 + 64) * 2,
    # 18 of 36 layers look at everything, the others at 128 tokens.
    "openai/gpt-oss-120b": 18 * 2 * 8 * 64 * 2,
    # 12 of 48 layers have attention at all.
    "Qwen/Qwen3-Next-80B-A3B-Instruct": 12 * 2 * 2 * 256 * 2,
}


@pytest.mark.parametrize("name", KV_BYTES)
def test_cache_of_a_token(name: str) -> None:
    assert sizing.bytes_per_token(models()[name]) == KV_BYTES[name]


def test_a_window_stops_growing() -> None:
    facts = models()["openai/gpt-oss-120b"]
    layer = 2 * 8 * 64 * 2
    assert sizing.cache_bytes(facts, 100) == 36 * 100 * layer
    assert sizing.cache_bytes(facts, 10_000) == (18 * 10_000 + 18 * 128) * layer


@pytest.mark.parametrize(
    ("name", "gpu_count", "share"),
    [
        ("Qwen/Qwen3-8B", 1, 1.0),
        ("Qwen/Qwen3-8B", 4, 0.25),
        # Four key-value heads on eight GPUs: each holds a whole one.
        ("Qwen/Qwen3-235B-A22B", 8, 0.25),
        # A latent is on every GPU.
        ("deepseek-ai/DeepSeek-R1", 8, 1.0),
    ],
)
def test_share_of_the_cache(name: str, gpu_count: int, share: float) -> None:
    assert sizing.cache_share(models()[name], gpu_count) == share


def test_an_l4_by_hand() -> None:
    # 22888 MiB = 22.352 GiB; x 0.92 = 20.564; - 2.5 = 18.064
    # weights 15.26 x 1.02 = 15.565; cache 16384 x 147456 B = 2.25 GiB; together 17.815
    fit = sizing.fit(sizing.need(ModelSpec(model="Qwen/Qwen3-8B"), models()["Qwen/Qwen3-8B"]), 22888, 1)
    assert fit.usable_gib == pytest.approx(18.064, abs=0.001)
    assert fit.weights_gib == pytest.approx(15.565, abs=0.001)
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
    assert sizing.gpu_counts(models()[name], per_node) == counts


@pytest.mark.parametrize(
    ("precision", "gib"), [(Precision.BF16, 5.77), (Precision.FP8, 2.89), (Precision.INT4, 1.52)]
)
def test_weights_of_an_architecture(precision: Precision, gib: float) -> None:
    # 3.1e9 parameters x 2, 1 or 0.525 bytes / 2**30
    given = Architecture(
        parameters_billions=3.1,
        layers=36,
        attention_heads=16,
        kv_heads=2,
        head_dim=128,
        max_context_length=32768,
        precision=precision,
    )
    assert sizing.of_architecture("acme/house", given).weights_gib == pytest.approx(gib, abs=0.01)


@pytest.mark.parametrize(
    ("model", "gpu", "why"),
    [
        ("Qwen/Qwen3-8B", "L4", ""),
        ("Qwen/Qwen3-8B", "T4", "T4 has compute capability 7.5; bf16 weights need 8.0"),
        ("Qwen/Qwen3-8B-FP8", "A10G", "A10G has compute capability 8.6; fp8 weights need 8.9"),
        ("Qwen/Qwen3-8B-AWQ", "T4", ""),
    ],
)
def test_precision_and_gpu(model: str, gpu: str, why: str) -> None:
    assert sizing.fits_precision(models()[model], gpus()[gpu]) == why


def test_context_beyond_the_model() -> None:
    with pytest.raises(Invalid) as caught:
        sizing.need(ModelSpec(model="Qwen/Qwen3-8B", context_length=50000), models()["Qwen/Qwen3-8B"])
    assert str(caught.value) == (
        "spec.contextLength: 50000 tokens is beyond the 40960 that Qwen/Qwen3-8B was made for. "
        "Ask for at most 40960."
    )


def test_the_nearest_context_really_fits() -> None:
    facts = models()["Qwen/Qwen3-8B"]
    what = sizing.need(ModelSpec(model="Qwen/Qwen3-8B", context_length=40960, concurrency=4), facts)
    context = sizing.longest_context(what, 22888, 1)
    assert context % 256 == 0
    assert sizing.fit(sizing.Need(facts, context, 4), 22888, 1).fits
    assert not sizing.fit(sizing.Need(facts, context + 256, 4), 22888, 1).fits


def test_every_model_of_the_catalog_can_be_sized() -> None:
    for facts in models().values():
        need = sizing.need(ModelSpec(model=facts.name), facts)
        assert sizing.gpu_counts(facts, 8)[0] == 1
        assert sizing.fit(need, 81559, 1).needed_gib > 0
