"""Arguments that users give: every spelling that vLLM takes, what a field sets, and what vLLM refuses."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import OWNED
from functions.base import Invalid
from functions.vllm.compose import compose
from functions.vllm.engine.arguments import Argument, Misread, given
from tests.vllm.world import EU, SPEC, again, cluster, manifests, request

SPELLINGS = [
    (["--seed=1"], "--seed", ("1",)),
    (["--seed", "-1"], "--seed", ("-1",)),
    (["--max_num_seqs", "8"], "--max-num-seqs", ("8",)),
    (["--max-num-se=8"], "--max-num-seqs", ("8",)),
    (["-q=awq"], "--quantization", ("awq",)),
    (["-qawq"], "--quantization", ("awq",)),
    (["-n2"], "--nnodes", ("2",)),
    (["-t", "4"], "--tensor-parallel-size", ("4",)),
    (["-tp=4"], "--tensor-parallel-size", ("4",)),
    (["-O3"], "--optimization-level", ("3",)),
    (["-O=3"], "--optimization-level", ("3",)),
    (["-O", "3"], "--optimization-level", ("3",)),
    (["--compilation-config.mode", "3"], "--compilation-config", ("3",)),
    (["--compilation_config.pass_config.fuse_norm_quant=true"], "--compilation-config", ("true",)),
    (["--limit-mm-per-prompt", '{"image": 2}'], "--limit-mm-per-prompt", ('{"image": 2}',)),
    (["--no-enable-prefix-caching"], "--no-enable-prefix-caching", ()),
    (["--served-model-name", "a", "b"], "--served-model-name", ("a", "b")),
    (["-dph"], "--data-parallel-hybrid-lb", ()),
]
"""Items, the argument that vLLM takes them for, and its values."""
MISREAD = [
    (["--max-model-lenn=1"], "there is no such argument"),
    (["--max-num=1"], "it may mean --max-num-batched-tokens or --max-num-scheduled-tokens or "),
    (["--seed"], "its value is missing"),
    (["--seed", "--enforce-eager"], "its value is missing"),
    (["--enforce-eager=1"], "it takes no value"),
    (["--enforce-eager", "1"], "no argument before it takes it as a value"),
    (["--seed 1"], "a blank is in its name"),
    (["--"], "more arguments follow"),
]
"""Items that vLLM refuses, and why."""


def served(*args: str, **engine: Any) -> list[str]:
    """The arguments of the serving container with these in the spec."""
    made = manifests(compose(request({**SPEC, "engine": {"args": list(args), **engine}}, EU)))
    [container] = made["vllm/deployment"]["spec"]["forProvider"]["manifest"]["spec"]["template"]["spec"][
        "containers"
    ]
    found: list[str] = container["args"]
    return found


def refused(*args: str, **engine: Any) -> str:
    with pytest.raises(Invalid) as caught:
        served(*args, **engine)
    return str(caught.value)


@pytest.mark.parametrize(("items", "flag", "values"), SPELLINGS)
def test_spellings(items: list[str], flag: str, values: tuple[str, ...]) -> None:
    assert list(given(items)) == [Argument(flag, values, items[0])]


def test_values_end_where_the_next_argument_begins() -> None:
    found = list(given(["--allowed-media-domains", "a", "b", "--enforce-eager", "--seed", "1"]))
    assert [f.flag for f in found if isinstance(f, Argument)] == [
        "--allowed-media-domains",
        "--enforce-eager",
        "--seed",
    ]


@pytest.mark.parametrize(("items", "why"), MISREAD)
def test_what_the_parser_refuses(items: list[str], why: str) -> None:
    problems = [found for found in given(items) if isinstance(found, Misread)]
    assert problems[0].why.startswith(why)


@pytest.mark.parametrize("flag", [flag for owned in OWNED for flag in owned.flags])
def test_what_a_field_sets_is_an_argument(flag: str) -> None:
    # Proves: no argument is refused under a name that vLLM has not.
    [found, *_] = given([flag, "1"])
    assert isinstance(found, Argument)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--max-model=40960"],
            "spec.engine.args: --max-model=40960 is --max-model-len. engine.args takes no --max-model-len: "
            "spec.contextLength sets the longest context. Leave it out.",
        ),
        (["-t", "4"], "spec.engine.args: -t is --tensor-parallel-size. engine.args takes no "),
        (["-n2"], "spec.engine.args: -n2 is --nnodes. engine.args takes no --tensor-parallel-size"),
        (["--kv-cache-mem", "9G"], "spec.engine.args: --kv-cache-mem is --kv-cache-memory-bytes. "),
        (["--max-num-se=8"], "spec.engine.args: --max-num-se=8 is --max-num-seqs. engine.args takes no "),
        (
            ["--gpu-mem", "1"],
            "spec.engine.args: --gpu-mem is --gpu-memory-utilization. engine.args takes no ",
        ),
        (["--max_model_len=40960"], "spec.engine.args: engine.args takes no --max-model-len: "),
        (["--max-model-len", "8"], "spec.engine.args: engine.args takes no --max-model-len: "),
        (
            ["--enforce-eagre"],
            "spec.engine.args: vLLM 0.27.1 does not take --enforce-eagre: there is no such argument. Did you "
            "mean --enforce-eager?",
        ),
        (
            ["--seed 1"],
            "spec.engine.args: vLLM 0.27.1 does not take --seed 1: a blank is in its name. Write the value "
            "behind '=', or as the next item.",
        ),
        (["--seed"], "spec.engine.args: vLLM 0.27.1 does not take --seed: its value is missing. Write "),
    ],
)
def test_refused_in_words(args: list[str], message: str) -> None:
    assert refused(*args).startswith(message)


def test_what_another_image_takes_is_believed() -> None:
    # Proves: of an image of the user's own only what a field sets is refused, however it is spelled.
    own = "registry.example.com/team/vllm-fork:main"
    assert "--new-thing" in served("--new-thing", image=own)
    assert "--max-model-len" in refused("--max-model=9", image=own)


@pytest.mark.parametrize(
    "image", ["mirror.example.com/vllm/vllm-openai:v0.27.1", "vllm-openai:v0.27.1-cu129"]
)
def test_another_copy_of_the_same_version_is_known(image: str) -> None:
    assert "does not take --new-thing" in refused("--new-thing", image=image)


def test_arguments_stay_as_they_are_written() -> None:
    # Proves: reading them changes nothing of what runs.
    args = ["-q=awq", "--long_prefill_token_threshold", "8", "-O3"]
    assert served(*args)[-4:] == args


@pytest.mark.parametrize(
    "image",
    [
        "docker.io/vllm/vllm-openai:v0.11.0",
        "vllm/vllm-openai:0.17.1-cu129",
        "mirror.example.com:5000/vllm/vllm-openai:v0.9.2@sha256:" + "a" * 64,
    ],
)
def test_an_image_that_is_too_old(image: str) -> None:
    assert f"spec.engine.image: {image} is vLLM 0." in refused(image=image)
    assert "the oldest that does is 0.18.0. Name a newer image" in refused(image=image)


@pytest.mark.parametrize(
    "image",
    [
        "vllm/vllm-openai:v0.18.0",
        "vllm/vllm-openai:nightly",
        "vllm/vllm-openai@sha256:" + "a" * 64,
        "registry.example.com:5000/team/server:0.3",
        "registry.example.com:5000/team/vllm",
        "vllm/vllm-openai:latest",
    ],
)
def test_an_image_that_is_believed(image: str) -> None:
    assert served(image=image)


def test_an_old_image_of_the_platform_is_the_platforms() -> None:
    with pytest.raises(Invalid) as caught:
        compose(request(SPEC, EU, given={"image": "vllm/vllm-openai:v0.11.0"}))
    assert str(caught.value).startswith("input.image: ")


def test_a_live_model_is_refused_the_same() -> None:
    # Proves: an argument that appears on a live Model is refused before anything of it changes.
    with pytest.raises(Invalid):
        again({**SPEC, "engine": {"args": ["-t=2"]}}, cluster("eu", allowed=["*"]))
