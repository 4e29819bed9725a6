"""What a spec states of a model by hand and what cannot be right, with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.api import ModelSpec, VLLMInput
from functions.base import Invalid
from functions.catalog import models
from functions.vllm.compose import compose
from functions.vllm.live.placement import sized_by
from functions.vllm.size.stated import _BYTES, _billions, _precisions, refuse_stated
from tests.vllm.world import ARCHITECTURE, EU, live, manifests, pod_of, request

CLAIMS = Path(__file__).parents[2] / "contract" / "claims"
LATENT = {k: v for k, v in ARCHITECTURE.items() if k != "headDim"} | {"latentDim": 576}
COMPRESSED = (
    "bailing_hybrid, deepseek_v2, deepseek_v3, deepseek_v32, glm4_moe_lite, glm_moe_dsa, kimi_k2, kimi_linear"
)


def refused(architecture: dict[str, Any] | None = None, **spec: Any) -> str:
    stated = {"architecture": architecture} if architecture else {}
    with pytest.raises(Invalid) as caught:
        refuse_stated(ModelSpec.model_validate({"model": "acme/house", **spec, **stated}), VLLMInput())
    return str(caught.value)


def case(name: str) -> dict[str, Any]:
    """Return the spec of a case of tests/contract/claims."""
    found: dict[str, Any] = yaml.safe_load((CLAIMS / f"{name}.yaml").read_text())["spec"]
    return found


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        (
            "minicpm3",
            "spec.architecture.modelType: latentDim is of models whose KV cache vLLM compresses (MLA)",
        ),
        (
            "modelopt-as-bf16",
            "spec.architecture.precision: the name of nvidia/Llama-3.1-70B-Instruct-FP8 says that its weights "
            "are stored in fp8, and bf16 is stated. Set it to fp8, with the number of parameters before they "
            "were quantised. If the name misleads, set weightsGiB to the size of the files of "
            "nvidia/Llama-3.1-70B-Instruct-FP8.",
        ),
    ],
)
def test_cases_that_were_placed_too_small(name: str, begins: str) -> None:
    with pytest.raises(Invalid) as caught:
        compose(request(case(name), EU))
    assert str(caught.value).startswith(begins)


def test_a_precision_that_is_right_and_a_number_that_is_not() -> None:
    """Of the second case, mended by half: 41 GiB of weights were counted instead of 69."""
    spec = case("modelopt-as-bf16")
    assert refused({**spec["architecture"], "precision": "fp8"}, model=spec["model"]) == (
        "spec.architecture.parametersBillions: the name of nvidia/Llama-3.1-70B-Instruct-FP8 says 70 billion "
        "parameters, and 36.328 are stated; of quantised weights the Hub counts the numbers that they are "
        "packed into. Set it to the number of parameters before they were quantised. If the name misleads, set "
        "weightsGiB to the size of the files of nvidia/Llama-3.1-70B-Instruct-FP8."
    )


def test_what_the_messages_ask_for_is_taken() -> None:
    wide = {**ARCHITECTURE, "attentionHeads": 40, "kvHeads": 40, "headDim": 96, "modelType": "minicpm3"}
    for model, architecture in (
        ("openbmb/MiniCPM3-4B", {**wide, "parametersBillions": 4.07}),
        ("a/b-70B-FP8", {**ARCHITECTURE, "parametersBillions": 70.6, "precision": "fp8"}),
        # The name misleads.
        ("a/b-70B-FP8", {**ARCHITECTURE, "parametersBillions": 36.3, "weightsGiB": 67.6}),
        ("a/r1-like", {**LATENT, "modelType": "deepseek_v3"}),
        ("a/convolutions", {**ARCHITECTURE, "modelType": "lfm2"}),
        ("a/encodes", {**ARCHITECTURE, "modelType": "bert", "encoder": True}),
        ("a/nobody-knows", {**ARCHITECTURE, "modelType": "somebodys_own"}),
    ):
        refuse_stated(ModelSpec.model_validate({"model": model, "architecture": architecture}), VLLMInput())


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (
            LATENT,
            "spec.architecture.modelType: latentDim is of models whose KV cache vLLM compresses (MLA), and "
            "whether it does depends on their type, which is not stated. Set it to model_type of the model's "
            f"config.json. vLLM compresses {COMPRESSED}; for any other type set headDim instead of latentDim.",
        ),
        (
            {**LATENT, "modelType": "minicpm3"},
            "spec.architecture.latentDim: vLLM caches whole heads of minicpm3. Set headDim to qk_nope_head_dim "
            "+ qk_rope_head_dim, with as many kvHeads as attentionHeads, instead of latentDim.",
        ),
        (
            {**LATENT, "modelType": "qwen3"},
            "spec.architecture.latentDim: vLLM caches whole heads of qwen3. Set headDim to the size of one head "
            "instead of latentDim.",
        ),
        (
            {**LATENT, "modelType": "somebodys_own"},
            "spec.architecture.latentDim: vLLM is not known to compress the KV cache of somebodys_own. Set "
            "headDim to qk_nope_head_dim",
        ),
        (
            {**ARCHITECTURE, "modelType": "minicpm3"},
            "spec.architecture.kvHeads: vLLM caches all 16 heads of minicpm3, and 2 are stated. Set kvHeads to "
            "16.",
        ),
        (
            {**ARCHITECTURE, "modelType": "deepseek_v3"},
            "spec.architecture.headDim: vLLM caches one latent of deepseek_v3 for all heads (MLA). Set "
            "latentDim to kv_lora_rank + qk_rope_head_dim instead of headDim.",
        ),
        (
            {**ARCHITECTURE, "modelType": "qwen3", "encoder": True},
            "spec.architecture.encoder: qwen3 is no encoder. Set it to false.",
        ),
        (
            {**ARCHITECTURE, "modelType": "bert"},
            "spec.architecture.encoder: bert is an encoder, which caches nothing. Set it to true.",
        ),
        (
            {**ARCHITECTURE, "modelType": "qwen3_next"},
            "spec.architecture.stateMiBPerRequest: layers of qwen3_next without attention keep a state for each "
            "request, and none is stated. Leave spec.architecture out, so that the model's files are read, or "
            "set what `freehold inspect` prints.",
        ),
        (
            {**ARCHITECTURE, "weightsGiB": 1.9},
            "spec.architecture.weightsGiB: 1.9 GiB of 3.1 billion parameters are 0.66 bytes of each, and in "
            "bf16 it is 1.9 to 2.1. Set precision to int4 or mxfp4 or nvfp4 if the weights are stored so, or "
            "parametersBillions to 1.02 if the files are right.",
        ),
        (
            {**ARCHITECTURE, "weightsGiB": 6.2},
            "spec.architecture.weightsGiB: 6.2 GiB of 3.1 billion parameters are 2.15 bytes of each, and in "
            "bf16 it is 1.9 to 2.1. Set parametersBillions to 3.33 if the files are right.",
        ),
        (
            {**ARCHITECTURE, "weightsGiB": 5.8, "precision": "fp8"},
            "spec.architecture.weightsGiB: 5.8 GiB of 3.1 billion parameters are 2.01 bytes of each, and in fp8 "
            "it is 0.95 to 1.9. Set precision to bf16 or fp16 if the weights are stored so, or ",
        ),
    ],
)
def test_numbers_that_contradict_each_other(architecture: dict[str, Any], message: str) -> None:
    assert refused(architecture).startswith(message)


@pytest.mark.parametrize(
    ("model", "precision", "said"),
    [
        ("a/b-AWQ", "bf16", "int4"),
        ("a/b-gptq-int8", "bf16", "int4 or int8"),
        ("a/b.w4a16", "fp8", "int4"),
        ("a/b-NVFP4", "fp8", "nvfp4"),
        ("a/b-W8A8-dynamic", "bf16", "fp8 or int8"),
        ("a/b-BF16", "fp8", "bf16"),
    ],
)
def test_a_name_that_says_another_precision(model: str, precision: str, said: str) -> None:
    message = refused({**ARCHITECTURE, "precision": precision}, model=model)
    assert f"are stored in {said}, and {precision} is stated. Set it to {said}, " in message


@pytest.mark.parametrize(
    ("model", "base", "message"),
    [
        (
            "acme/house-FP8",
            "Qwen/Qwen3-8B",
            "spec.baseModel: the name of acme/house-FP8 says that its weights are stored in fp8, and those of the "
            "base model are in bf16. Name a base model that is stored so, or leave it out: the model's own files "
            "are read then.",
        ),
        (
            "acme/house-70b",
            "Qwen/Qwen3-8B",
            "spec.baseModel: the name of acme/house-70b says 70 billion parameters, and the base model has 8.19. "
            "Name a base model of that size, or leave it out: the model's own files are read then.",
        ),
    ],
)
def test_a_base_model_that_is_none(model: str, base: str, message: str) -> None:
    assert refused(model=model, baseModel=base) == message


def test_what_the_platform_states_is_checked_too() -> None:
    given = VLLMInput.model_validate({"architectures": {"acme/house": LATENT}})
    with pytest.raises(
        Invalid, match=r"^input.architectures\[acme/house\].modelType: latentDim is of models"
    ):
        refuse_stated(ModelSpec(model="acme/house"), given)


def test_a_model_that_runs_goes_on() -> None:
    """A newer package that checks more tells nothing FATAL of a Model that is placed; a changed one is sized."""
    right = {"model": "acme/house", "architecture": {**LATENT, "modelType": "deepseek_v3"}}
    before = compose(request(right, EU))
    status = dict(before.status)
    wrong = {"model": "acme/house", "architecture": LATENT}
    status["placement"]["sizedBy"] = sized_by(ModelSpec.model_validate(wrong))
    after = compose(request(wrong, EU, status=status, observed=live(before)))
    assert pod_of(manifests(after)["vllm/deployment"]) == pod_of(manifests(before)["vllm/deployment"])
    with pytest.raises(Invalid, match="modelType"):
        compose(request({**wrong, "contextLength": 4096}, EU, status=status, observed=live(before)))


def test_names_and_sizes_of_the_catalog_are_not_contradicted() -> None:
    """Of 150 published models none would be refused for its name or for the size of its files."""
    for name, facts in models().items():
        said = _precisions(name)
        assert not said or facts.precision in said, name
        assert facts.parameters_billions >= _billions(name) / 1.5, name
        least, most = _BYTES[facts.precision]
        each = facts.checkpoint_gib * 2**30 / facts.parameters_billions / 1e9
        assert least <= each <= most, (name, each)
