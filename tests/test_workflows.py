"""The workflows: actions are pinned by digest, rights are few, and what they call is there."""

from __future__ import annotations

import itertools
import re
import shlex
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.control_plane.binaries import COSIGN
from tools.images.command import build
from tools.paths import ROOT
from tools.toolchain import pinned_version

FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(path.read_text())["jobs"].values())


def texts() -> list[str]:
    """Return the workflows, and those that the documents show."""
    shown = re.findall(r"```yaml\n(name: .*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)
    assert shown, "docs/ci.md has a workflow to copy"
    return [*(path.read_text() for path in WORKFLOWS), *shown]


def test_actions_are_pinned_by_digest_and_named_by_version() -> None:
    for text in texts():
        used = re.findall(r"uses: (\S+)(.*)", text)
        assert used
        for action, comment in used:
            assert PINNED.match(action), action
            assert re.match(r"  # v\d", comment), f"{action}: its version in a comment"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_reads_unless_a_job_says_more(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in jobs(path))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_calls_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for job in jobs(path):
        for step in job["steps"]:
            words = shlex.split(step.get("run", ""), comments=True)
            for before, word in itertools.pairwise(words):
                if before == "make" and not word.startswith("-") and word != "python3":
                    assert word in targets, word
                if before == "sh":
                    assert (ROOT / word).is_file(), word


def test_a_release_is_signed_by_the_cosign_of_the_tests() -> None:
    [signs] = [
        step["with"]
        for job in jobs(FOLDER / "workflows" / "release.yml")
        for step in job["steps"]
        if step.get("uses", "").startswith("sigstore/cosign-installer@")
    ]
    assert signs["cosign-release"] == pinned_version(COSIGN)


def test_security_txt_says_whom_to_tell_and_until_when() -> None:
    """RFC 9116 wants both, and a date within a year; the release looks whether it is over."""
    lines = (ROOT / ".well-known" / "security.txt").read_text().splitlines()
    said = dict(line.split(": ", 1) for line in lines)
    assert said["Contact"].startswith("https://github.com/freehold-dev/freehold/security/")
    assert datetime.fromisoformat(said["Expires"]).tzinfo is not None
    assert ".well-known/security.txt" in (FOLDER / "workflows" / "release.yml").read_text()


def test_every_schema_has_a_source() -> None:
    lines = [line.split() for line in (FOLDER / "schemas.txt").read_text().splitlines() if line[0] != "#"]
    assert len({file for file, *_ in lines}) == len(lines)
    for _, repository, commit, path in lines:
        assert re.fullmatch(r"[\w-]+/[\w.-]+", repository)
        assert re.fullmatch(r"[0-9a-f]{40}", commit)
        assert path.endswith((".yaml", ".json"))


def test_the_dockerfile_makes_what_the_images_are() -> None:
    text = (ROOT / "Dockerfile").read_text()
    process = build("functions").config["config"]
    said = [line.partition(" ")[2] for line in text.splitlines() if line.startswith("ENTRYPOINT")]
    assert yaml.safe_load(said[0]) == process["Entrypoint"]
    environment = dict(each.split("=", 1) for each in process["Env"])
    [variables] = [line.split()[1:] for line in text.splitlines() if line.startswith("ENV")]
    assert dict(each.split("=", 1) for each in variables).items() <= environment.items()
    assert len(variables) == len(environment) - 1, "all but the PATH"
    assert f"USER {process['User']}\n" in text
    copied = {word for line in text.splitlines() if line.startswith("COPY") for word in line.split()[1:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {word for word in copied if not word.startswith(("--", "/"))} == allowed
