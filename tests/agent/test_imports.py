"""What the agent's image has to hold: the API's models, the client of Kubernetes, and nothing of the functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_layers import ROOT, imports_of

MODULES = sorted((ROOT / "agent").glob("*.py"))
PURE = ("logs", "report", "scheduling", "troubles")


def test_it_stands_on_the_api_alone() -> None:
    ours = {
        i.what for path in MODULES for i in imports_of(path) if i.what.split(".")[0] in ("functions", "tools")
    }
    assert ours
    assert {what for what in ours if not what.startswith("functions.api.")} == set()


@pytest.mark.parametrize("name", PURE)
def test_what_decides_reaches_nothing(name: str) -> None:
    path = Path(ROOT / "agent" / f"{name}.py")
    reaching = {"kubernetes", "urllib3", "threading", "time", "http", "logging"}
    assert [i for i in imports_of(path) if i.what.split(".")[0] in reaching] == []
