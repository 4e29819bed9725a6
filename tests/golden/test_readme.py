"""The README shows what the demo and a render print; `make golden` writes it anew."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Group

from tests.golden.conftest import Played
from tools import costs, paths, report
from tools.console import text
from tools.demo import Example
from tools.manifests import Manifest, label
from tools.settle import Settled

README = paths.ROOT / "README.md"


def _demo(example: Example, settled: Settled) -> list[str]:
    conditions = [f"     {line}" for line in report.conditions(settled.rendered)]
    return [*text(report.tree(settled, example.title)), "   conditions:", *conditions]


def _render(example: Example, settled: Settled, clusters: Sequence[Manifest]) -> list[str]:
    return [
        *text(report.tree(settled, label(example.claim))),
        *report.conditions(settled.rendered),
        *text(Group(*costs.report(settled.xr, clusters))),
    ]


def test_readme(played: Played, golden_update: bool) -> None:
    readme = README.read_text(encoding="utf-8")
    written = _with(readme, "demo", _demo(*played.examples["existing/small"]))
    large = played.examples["aws/large"][1].xr
    clusters = [settled.xr for _, settled in played.examples.values()]
    written = _with(written, "render", _render(*played.examples["models/minimal"], clusters))
    written = _with(written, "costs", text(Group(*costs.report(large, []))))
    if golden_update:
        README.write_text(written, encoding="utf-8")
    assert written == README.read_text(encoding="utf-8"), "README.md differs: make golden, and read the diff"


def _with(text: str, name: str, lines: list[str]) -> str:
    block = f"<!-- {name} -->\n```\n" + "\n".join(lines) + f"\n```\n<!-- /{name} -->"
    found, count = re.subn(f"<!-- {name} -->.*<!-- /{name} -->", lambda _: block, text, flags=re.DOTALL)
    assert count == 1, f"README.md has no block {name}"
    return found
