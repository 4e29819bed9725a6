"""The arithmetic of `docs/sizing.md`, worked out by hand."""

from __future__ import annotations

import pytest

from functions.api import ModelSpec, Quantization
from functions.catalog import models
from functions.vllm.engine.vllm import VLLM
from functions.vllm.size.memory import fit, longest_context, most_requests
from functions.vllm.size.need import Need, facts_of_architecture, need, tensor_parallel_sizes
from tests.vllm.size.test_need import architecture


def test_an_l4_by_hand() -> None:
    # 22888 MiB = 22.352 GiB; x 0.92 = 20.564; - 2.5 = 18.064
    # weights 15.256 x 1.02 = 15.561; cache 16384 x 147456 B = 2.25 GiB; together 17.811
    found = fit(need(ModelSpec(model="Qwen/Qwen3-8B"), models()["Qwen/Qwen3-8B"]), 22888, 1)
    assert found.usable_gib == pytest.approx(18.064, abs=0.001)
    assert found.weights_gib == pytest.approx(15.561, abs=0.001)
    assert found.cache_gib == pytest.approx(2.25)
    assert found.fits


def test_fp8_at_its_peak_while_loading() -> None:
    """A model of few large layers: the one that is being quantised is there at 16 bits beside the rest."""
    facts = facts_of_architecture("acme/flat", architecture(parametersBillions=30, layers=2))
    what = need(ModelSpec(model="acme/flat", quantization=Quantization.FP8), facts)
    found = fit(what, 81920, 1)
    # 30e9 x 1.2 = 33.528 GiB, and half of 30e9 x 2 = 27.940; x 1.02
    assert found.weights_gib == pytest.approx(34.198, abs=0.01)
    assert found.loading_gib == pytest.approx(62.697, abs=0.01)
    assert found.fits
    assert not fit(what, 65536, 1).fits, "65536 MiB x 0.92 - 2.5 = 56.38, less than while loading"


def test_the_nearest_context_really_fits() -> None:
    facts = models()["Qwen/Qwen3-8B"]
    what = need(ModelSpec(model="Qwen/Qwen3-8B", context_length=40960, concurrency=4), facts)
    context = longest_context(what, 22888, 1)
    assert context % 256 == 0
    assert fit(what._replace(context=context), 22888, 1).fits
    assert not fit(what._replace(context=context + 256), 22888, 1).fits


def test_the_most_requests_really_fit() -> None:
    facts = models()["openai/gpt-oss-20b"]
    what = Need(facts, 16384, 1000, VLLM)
    most = most_requests(what, 22888, 1)
    assert 0 < most < 1000
    assert fit(what._replace(concurrency=most), 22888, 1).fits
    assert not fit(what._replace(concurrency=most + 1), 22888, 1).fits


def test_every_model_of_the_catalog_can_be_sized() -> None:
    for facts in models().values():
        what = need(ModelSpec(model=facts.name), facts)
        assert tensor_parallel_sizes(facts, 8)[0] == 1
        assert fit(what, 81559, 1).needed_gib > 0
