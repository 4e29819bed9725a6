"""What the agent's image has to hold: the API's models, the client of Kubernetes, and nothing of the functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

AGENT = Path(__file__).parents[2] / "agent"
PURE = ("delivery", "kubeconfig", "logs", "report", "scheduling", "troubles", "words")


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a module imports, those of its own package aside."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)


def test_it_stands_on_the_api_alone() -> None:
    found = {what for path in AGENT.glob("*.py") for what in imported(path)}
    assert {what for what in found if what.split(".")[0] in ("functions", "tools", "tests")} == {
        "functions.api"
    }


@pytest.mark.parametrize("name", PURE)
def test_what_decides_reaches_nothing(name: str) -> None:
    reaching = {"kubernetes", "urllib3", "threading", "time", "http", "logging", "socket"}
    assert {what for what in imported(AGENT / f"{name}.py") if what.split(".")[0] in reaching} == set()
