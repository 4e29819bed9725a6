"""vLLM's own parser takes every argument that Freehold renders, and calls none deprecated."""

from __future__ import annotations

import re

import pytest
import yaml

from functions.base import Invalid
from functions.catalog import models
from tests.contract.conftest import AskVLLM
from tests.contract.rendered import CLAIMS, GOLDEN, claims_of, containers_in, model, render
from tools import paths
from tools.manifests import Manifest

EXAMPLES = claims_of(paths.EXAMPLES)
CASES = claims_of(CLAIMS)
GOLDEN_FILES = sorted(str(path.relative_to(paths.ROOT)) for path in GOLDEN.glob("models-*.yaml"))
CATALOGUED = {f"the catalog's {name}": model(name) for name in models()}
WRONG = {
    "a mistake": ["--served-model-name=x", "--max-model-length=8192"],
    "a wrong value": ["--max-model-len=long"],
    "a choice that does not exist": ["--runner=embedding"],
    "half of two": ["--enable-auto-tool-choice"],
    "a deprecated one": ["--calculate-kv-scales"],
}
"""Arguments that vLLM refuses, to know that a refusal is seen."""

Commands = dict[str, list[list[str]]]
"""The engine's commands by where they come from: a file, or a model of the catalog."""


def _commands(*manifests: object) -> list[list[str]]:
    containers = (c for manifest in manifests for c in containers_in(manifest))
    return [c.command for c in containers if c.command[:2] == ["vllm", "serve"]]


def _rendered(claim: Manifest, name: str) -> list[list[str]]:
    """Return the commands of a claim; none for one that the function refuses or cannot place."""
    folder = paths.EXAMPLES if name.startswith("examples/") else CLAIMS
    try:
        return _commands(*render(claim, folder))
    except Invalid:
        return []


@pytest.fixture(scope="module")
def commands() -> Commands:
    found = {name: _rendered(claim, name) for name, claim in {**EXAMPLES, **CASES, **CATALOGUED}.items()}
    for name in GOLDEN_FILES:
        found[name] = _commands(*yaml.safe_load_all((paths.ROOT / name).read_text()))
    return found | {name: [["vllm", "serve", "/models", *wrong]] for name, wrong in WRONG.items()}


@pytest.fixture(scope="module")
def faults(commands: Commands, ask_vllm: AskVLLM) -> dict[str, list[str]]:
    """What vLLM says of each command, by where the command comes from; one process parses all of them."""
    flat = [(name, command) for name, each in commands.items() for command in each]
    found: dict[str, list[str]] = {name: [] for name in commands}
    for (name, _), said in zip(flat, ask_vllm("arguments", [c for _, c in flat]), strict=True):
        found[name] += said
    return found


@pytest.mark.parametrize("name", [*EXAMPLES, *CASES, *GOLDEN_FILES])
def test_vllm_takes_every_argument(name: str, faults: dict[str, list[str]]) -> None:
    assert faults[name] == []


def test_vllm_takes_every_argument_of_every_model_in_the_catalog(faults: dict[str, list[str]]) -> None:
    assert {name: faults[name] for name in CATALOGUED if faults[name]} == {}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_starts_an_engine(name: str, commands: Commands) -> None:
    assert commands[name]


def test_the_golden_files_start_engines(commands: Commands) -> None:
    assert [name for name in GOLDEN_FILES if commands[name]], "one file for each folder shows every manifest"


def test_every_argument_that_the_engine_may_render_is_among_them(commands: Commands) -> None:
    # The modules `arguments` and `uncounted` name arguments that they read.
    folder = paths.ROOT / "functions" / "vllm" / "engine"
    sources = (path for path in folder.glob("*.py") if path.name not in ("arguments.py", "uncounted.py"))
    written = {flag for source in sources for flag in re.findall(r"""["'](--[a-z-]+)""", source.read_text())}
    words = [
        word for name, each in commands.items() if name not in WRONG for command in each for word in command
    ]
    rendered = {word.partition("=")[0] for word in words}
    assert written, "the arguments stand in functions/vllm/engine"
    rendered |= {flag for flag in written if flag.startswith("--no-")}  # Looked for among the user's.
    assert written - rendered == set(), "add a claim to tests/contract/claims that renders them"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a mistake", "vLLM has no argument --max-model-length"),
        ("a wrong value", "argument --max-model-len"),
        ("a choice that does not exist", "argument --runner"),
        ("half of two", "--enable-auto-tool-choice requires --tool-call-parser"),
        ("a deprecated one", "--calculate-kv-scales: vLLM calls --calculate-kv-scales deprecated"),
    ],
)
def test_what_vllm_refuses_is_named(name: str, said: str, faults: dict[str, list[str]]) -> None:
    assert said in "\n".join(faults[name])
