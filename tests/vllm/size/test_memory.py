"""The arithmetic of `docs/sizing.md`, worked out by hand."""

from __future__ import annotations

import pytest

from functions.api import ModelSpec, Quantization
from functions.catalog import models
from functions.vllm.engine.vllm import VLLM
from functions.vllm.size.memory import fit, longest_context, most_requests
from functions.vllm.size.need import Need, facts_of_architecture, need
from functions.vllm.size.tensor_parallel import tensor_parallel_sizes
from tests.vllm.size.devices import device
from tests.vllm.size.test_need import architecture


def test_an_l4_by_hand() -> None:
    # 22.03 GiB x 0.92 = 20.268; - (0.3 + 0.9 + 0.543 + 0.1 + 0.020) x 1.05 = 1.955: 18.313
    # weights 15.256 x 1.01 = 15.408; cache 16384 x 147456 B = 2.25 GiB; together 17.658
    found = fit(need(ModelSpec(model="Qwen/Qwen3-8B"), models()["Qwen/Qwen3-8B"]), device("L4"), 1)
    assert found.usable_gib == pytest.approx(18.31, abs=0.01)
    assert found.weights_gib == pytest.approx(15.408, abs=0.001)
    assert found.cache_gib == pytest.approx(2.25)
    assert found.fits


def test_fp8_at_its_peak_while_loading() -> None:
    """A model of few large layers: the one that is being quantised is there at 16 bits beside the rest."""
    facts = facts_of_architecture("acme/flat", architecture(parametersBillions=30, layers=2))
    what = need(ModelSpec(model="acme/flat", quantization=Quantization.FP8), facts)
    found = fit(what, device("A100-80GB"), 1)
    # 30e9 x 1.2 = 33.528 GiB, and half of 30e9 x 2 = 27.940; x 1.01
    assert found.weights_gib == pytest.approx(33.863, abs=0.01)
    assert found.loading_gib == pytest.approx(62.082, abs=0.01)
    assert found.fits
    small = device("A100-80GB")._replace(visible_gib=64)
    assert not fit(what, small, 1).fits, "64 GiB x 0.92 = 58.88, less than while loading"


def test_the_nearest_context_really_fits() -> None:
    facts = models()["Qwen/Qwen3-8B"]
    what = need(ModelSpec(model="Qwen/Qwen3-8B", context_length=40960, concurrency=4), facts)
    context = longest_context(what, device("L4"), 1)
    assert context % 256 == 0
    assert fit(what._replace(context=context), device("L4"), 1).fits
    assert not fit(what._replace(context=context + 256), device("L4"), 1).fits


def test_the_most_requests_really_fit() -> None:
    facts = models()["openai/gpt-oss-20b"]
    what = Need(facts, 16384, 1000, VLLM)
    most = most_requests(what, device("L4"), 1)
    assert 0 < most < 1000
    assert fit(what._replace(concurrency=most), device("L4"), 1).fits
    assert not fit(what._replace(concurrency=most + 1), device("L4"), 1).fits


def test_every_model_of_the_catalog_can_be_sized() -> None:
    for facts in models().values():
        what = need(ModelSpec(model=facts.name), facts)
        assert tensor_parallel_sizes(facts, 8)[0] == 1
        assert fit(what, device("H100-80GB"), 1).needed_gib > 0
