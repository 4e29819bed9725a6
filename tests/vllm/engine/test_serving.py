"""What models need to serve as their makers meant: applied by default, visible, and the spec's to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.api import ModelSpec
from functions.base import Invalid
from functions.catalog import UNKNOWN, image, models, servings
from functions.catalog.tables import rows
from functions.vllm.compose import compose
from functions.vllm.engine.serving import refuse_model, serving_arguments
from functions.vllm.engine.versions import version_of
from tests.vllm.world import ARCHITECTURE, H100, SPEC, again, cluster, request

ROWS = rows("serving.tsv")
HUGE = {**H100, "nodes": {"min": 0, "max": 16}}
BIG = cluster("eu", HUGE, allowed=["*"], sharedStorage=True, components=["leader-worker-set"])
KIMI = "moonshotai/Kimi-K2-Instruct"
DEEPSEEK = "deepseek-ai/DeepSeek-V3.2"
MISTRAL = "mistralai/Mistral-Large-3-675B-Instruct-2512"
GEMMA = "google/gemma-4-31B-it"
QWEN = "Qwen/Qwen3.6-27B"


def flags(model: str, **spec: Any) -> list[str]:
    """The arguments that are recorded with a new Model's placement, without those that decide memory."""
    made = compose(request({"model": model, **spec}, BIG))
    recorded: list[str] = made.status["placement"].get("engineFlags", [])
    assert recorded[-1:] == ["--kv-cache-dtype=auto"]
    return recorded[:-3]


def refused(model: str, **spec: Any) -> str:
    with pytest.raises(Invalid) as caught:
        flags(model, **spec)
    return str(caught.value)


def test_every_model_has_a_row() -> None:
    assert [row["model"] for row in ROWS] == list(models())
    assert all(models()[name].serving == serving for name, serving in servings().items())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["model"])
def test_a_row_is_whole(row: dict[str, str]) -> None:
    assert row["sources"]
    assert row["confidence"] in {"verified", "derived"}
    assert row["remote_code"] in {"", "yes"}
    assert set(filter(None, row["modalities"].split(";"))) <= {"image", "video", "audio"}
    assert not row["chat_template"] or row["tool_call_parser"]


def test_what_the_pinned_version_does_not_load_is_not_verified() -> None:
    # Proves: "verified" of a model's numbers means that the version that is deployed loads its config.
    pinned = version_of(image("vllm"))
    assert pinned is not None
    newer = {name for name, serving in servings().items() if serving.engine_from > pinned}
    confidence = {row["model"]: row["confidence"] for row in rows("models.tsv")}
    assert newer == {"google/gemma-4-26B-A4B-it", "google/gemma-4-31B-it"}
    assert {confidence[name] for name in newer} == {"derived"}
    assert {row["confidence"] for row in ROWS if row["model"] in newer} == {"derived"}


def test_remote_code_only_where_the_spec_allows_it() -> None:
    assert refused(KIMI) == (
        f"spec.engine.trustRemoteCode: {KIMI} cannot be loaded without running Python code of its repository "
        "in the serving pods, and the spec does not allow that. Read the code, set spec.revision to the "
        "commit that you have read, and set this field to true."
    )
    trusting = flags(KIMI, engine={"trustRemoteCode": True})
    assert trusting[:1] == ["--trust-remote-code"]
    assert "--trust-remote-code" not in flags(KIMI, engine={"args": ["--trust-remote-code"]})


def test_no_other_model_gets_remote_code() -> None:
    kimi = {name for name in models() if name.startswith("moonshotai/")}
    assert {name for name, serving in servings().items() if serving.remote_code} == kimi
    assert len(kimi) == 6
    assert "--trust-remote-code" in flags("Qwen/Qwen3-8B", engine={"trustRemoteCode": True})


def test_tokenizer_mode_and_parsers() -> None:
    assert flags(DEEPSEEK) == [
        "--tokenizer-mode=deepseek_v32",
        "--enable-auto-tool-choice",
        "--tool-call-parser=deepseek_v32",
        "--reasoning-parser=deepseek_v3",
    ]


def test_formats_of_mistral() -> None:
    formats = ["--tokenizer-mode=mistral", "--config-format=mistral", "--load-format=mistral"]
    assert flags(MISTRAL)[:3] == formats
    assert flags(MISTRAL, engine={"args": formats})[:1] == ["--enable-auto-tool-choice"]


@pytest.mark.parametrize(
    ("spec", "tools"),
    [
        ({}, ["--enable-auto-tool-choice", "--tool-call-parser=hermes", "--reasoning-parser=qwen3"]),
        ({"toolCalling": {"parser": "None"}}, ["--reasoning-parser=qwen3"]),
        (
            {"toolCalling": {"parser": "qwen3_coder"}, "reasoning": {"parser": "None"}},
            ["--enable-auto-tool-choice", "--tool-call-parser=qwen3_coder"],
        ),
        (
            {"engine": {"args": ["--tool-call-parser", "xlam", "--enable-auto-tool-choice"]}},
            ["--reasoning-parser=qwen3"],
        ),
        ({"engine": {"args": ["--no-enable-auto-tool-choice"]}}, ["--reasoning-parser=qwen3"]),
        (
            {"engine": {"args": ["--reasoning_parser=x"]}},
            ["--enable-auto-tool-choice", "--tool-call-parser=hermes"],
        ),
    ],
)
def test_what_the_spec_says_of_tools_and_reasoning(spec: dict[str, Any], tools: list[str]) -> None:
    assert flags("Qwen/Qwen3-8B", **spec) == tools


def test_a_template_for_tools_is_of_vllms_own_image() -> None:
    # Proves: an image of the user's own, which may lack the file, starts all the same.
    template = "--chat-template=/vllm-workspace/examples/tool_chat_template_llama4_pythonic.jinja"
    llama = "meta-llama/Llama-4-Scout-17B-16E-Instruct"
    own = {"engine": {"image": "registry.example.com/vllm:main"}}
    assert template in flags(llama)
    assert flags(llama, **own) == []
    asked = flags(llama, toolCalling={"parser": "llama4_pythonic"}, **own)
    assert asked == ["--enable-auto-tool-choice", "--tool-call-parser=llama4_pythonic"]


def test_an_embedding_model_has_no_parsers() -> None:
    assert flags("Qwen/Qwen3-Embedding-0.6B") == ["--runner=pooling", "--convert=embed"]


def test_a_model_with_an_architecture_of_its_own() -> None:
    # Proves: of a model that is not in the catalog nothing is assumed, and the spec can say everything.
    own = {"architecture": ARCHITECTURE}
    assert flags("acme/house", **own) == []
    assert flags("acme/house", **own, toolCalling={"parser": "hermes"}, multimodal={"images": 2}) == [
        "--enable-auto-tool-choice",
        "--tool-call-parser=hermes",
        '--limit-mm-per-prompt={"image": 2}',
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"toolCalling": {"parser": "hermess"}},
            "spec.toolCalling.parser: vLLM 0.27.1 has no tool-call parser of the name hermess. Did you mean "
            "hermes? It has apertus, ",
        ),
        (
            {"reasoning": {"parser": "xyzzy"}},
            "spec.reasoning.parser: vLLM 0.27.1 has no reasoning parser of the name xyzzy. It has ",
        ),
        (
            {"multimodal": {"images": 4}},
            "spec.multimodal.images: Qwen/Qwen3-8B reads text alone. Leave it out.",
        ),
        (
            {"multimodal": {"textOnly": True}},
            "spec.multimodal.textOnly: Qwen/Qwen3-8B reads text alone anyway. Leave it out.",
        ),
    ],
)
def test_refused_in_words(spec: dict[str, Any], message: str) -> None:
    assert refused("Qwen/Qwen3-8B", **spec).startswith(message)


def test_multimodal_limits() -> None:
    assert flags(QWEN, multimodal={"images": 4, "videos": 0})[-1] == (
        '--limit-mm-per-prompt={"image": 4, "video": 0}'
    )
    assert flags(QWEN, multimodal={"textOnly": True})[-1] == "--language-model-only"
    assert refused(QWEN, multimodal={"audios": 1}) == (
        f"spec.multimodal.audios: {QWEN} reads text and image and video alone. Leave it out."
    )


def test_what_a_model_without_a_row_reads_is_not_known() -> None:
    # Proves: a vision model whose own files were read, shape and all, is not taken for one of text alone.
    read = replace(models()[QWEN], name="acme/sees", serving=UNKNOWN)
    spec = ModelSpec.model_validate({"model": "acme/sees", "multimodal": {"images": 4, "audios": 1}})
    refuse_model(spec, image("vllm"), read)
    assert '--limit-mm-per-prompt={"image": 4, "audio": 1}' in serving_arguments(spec, read)


def test_a_model_that_the_image_does_not_load() -> None:
    used = image("vllm")
    assert refused(GEMMA) == (
        f"spec.model: {GEMMA} needs vLLM 0.28.0 or newer, and the image is {used}. Set spec.engine.image to a "
        "newer image, ask the platform team for one, or name another model."
    )
    assert flags(GEMMA, engine={"image": "docker.io/vllm/vllm-openai:v0.28.0"})


def test_a_fine_tune_is_sized_and_served_like_its_base() -> None:
    own, base = "acme/qwen3-8b-support", "Qwen/Qwen3-8B"
    made = compose(request({"model": own, "baseModel": base}, BIG))
    like = compose(request({"model": base}, BIG))
    assert made.status["sizing"] == like.status["sizing"]
    assert made.status["placement"]["engineFlags"] == like.status["placement"]["engineFlags"]
    assert made.status["endpoint"]["model"] == own
    [job] = [r.manifest for r in made.resources if r.name.startswith("vllm/download-")]
    assert own in str(job)
    assert base not in str(job)


def test_a_base_that_nobody_knows() -> None:
    assert refused("acme/qwen3-8b-support", baseModel="Qwen/Qwen3-8Bee").startswith(
        "spec.baseModel: Qwen/Qwen3-8Bee is not in the catalog, so its size is not known. Did you mean Qwen/Qwen3-8B"
    )


def test_a_base_of_the_platforms() -> None:
    given = {"architectures": {"acme/house": ARCHITECTURE}}
    made = compose(request({"model": "acme/fine", "baseModel": "acme/house"}, BIG, given=given))
    assert made.status["sizing"]["weightsGiB"] == pytest.approx(5.77, abs=0.02)


def test_a_changed_parser_reaches_a_live_model() -> None:
    # Proves: the arguments follow the spec, and a spec without one keeps what is recorded.
    _, outcome = again({**SPEC, "toolCalling": {"parser": "None"}})
    assert "--enable-auto-tool-choice" not in outcome.status["placement"]["engineFlags"]
    _, same = again()
    assert same.status["placement"]["engineFlags"][:1] == ["--enable-auto-tool-choice"]


def test_a_placed_model_keeps_its_arguments() -> None:
    # Proves: a Model that was placed before the catalog had its parsers is not restarted by a newer package.
    asked, _ = again()
    placement = {**asked.composite["status"]["placement"], "engineFlags": None}
    _, outcome = again(status={**asked.composite["status"], "placement": placement})
    assert outcome.status["placement"].get("engineFlags") is None
