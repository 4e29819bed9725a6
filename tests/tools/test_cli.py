"""The command line: its help, and its exit codes as the help says them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools import paths
from tools.cli import main
from tools.errors import Exit
from tools.manifests import dump, parse
from tools.render import owned

MINIMAL = str(paths.EXAMPLES / "models" / "minimal.yaml")
COMMANDS = (
    "render",
    "plan",
    "inspect",
    "validate",
    "demo",
    "build",
    "images",
    "generate",
    "up",
    "down",
    "versions",
)


def model(folder: Path, **spec: Any) -> str:
    manifest = {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "m", "namespace": "team-a"},
        "spec": spec,
    }
    file = folder / "model.yaml"
    file.write_text(dump([manifest]))
    return str(file)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == Exit.DONE
    assert f"Usage: freehold {command} " in capsys.readouterr().out


def test_the_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == Exit.DONE
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"│ {command} " in shown for command in COMMANDS)
    assert all(f" {int(code)} " in shown.partition("Exit codes:")[2] for code in Exit)


@pytest.mark.parametrize(
    "arguments", [["rendr"], ["render"], ["render", "none.yaml"], ["render", MINIMAL, "--setle"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == Exit.USAGE
    assert "Error" in capsys.readouterr().err


def test_a_claim_that_an_api_server_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", model(tmp_path, modle="Qwen/Qwen3-8B")]) == Exit.FAILED
    told = capsys.readouterr().err
    assert told.startswith("an API server would refuse this:\n")
    assert "Model team-a/m: spec.modle: unknown field\n" in told


def test_a_claim_that_a_function_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = model(tmp_path, model="Qwen/Qwen3-8B", contextLength=10_000_000)
    assert main(["render", claim]) == Exit.REFUSED
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("FATAL from step ")
    assert "spec.contextLength" in told.err


def test_a_claim_that_somebody_has_to_mend(capsys: pytest.CaptureFixture[str]) -> None:
    """There is no cluster: with --strict that fails a check in CI."""
    assert main(["render", MINIMAL]) == Exit.DONE
    assert main(["render", MINIMAL, "--strict"]) == Exit.TO_DO
    told = capsys.readouterr()
    assert told.err.splitlines()[-1].startswith("strict: Placed")
    assert [m["kind"] for m in parse(told.out)][:1] == ["XModel"]


def test_strict_asks_of_people_and_not_of_the_cloud() -> None:
    conditions = [
        {"type": "Placed", "status": "False", "message": "[model] nothing fits"},
        {"type": "Serving", "status": "False", "message": "[infrastructure] is not ready yet"},
        {"type": "Planned", "status": "False", "message": "[platform] no such machine"},
        {"type": "Ready", "status": "False"},
        {"type": "Other", "status": "True", "message": "[model] fine"},
    ]
    assert owned(conditions) == ["Placed", "Planned"]
