"""Provenance: what an image was made of, where and by whom."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from typing import Any

import pytest

from functions.catalog import image as published_image
from tools import paths
from tools.images import python, wheels
from tools.images.command import build
from tools.images.debian import resolve
from tools.images.kinds import KINDS
from tools.images.provenance import BUILDER, statement


def said(name: str, architecture: str = "amd64") -> dict[str, Any]:
    kind = KINDS[name]
    return statement(build(name, architecture), kind.make(architecture), kind.reference)


def materials(name: str, architecture: str = "amd64") -> dict[str, dict[str, str]]:
    found = said(name, architecture)["predicate"]["buildDefinition"]["resolvedDependencies"]
    return {each["uri"]: each["digest"] for each in found}


def test_it_is_a_statement_about_the_image() -> None:
    found = said("agent")
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    [subject] = found["subject"]
    assert subject["name"] == published_image("agent").rpartition(":")[0]
    assert f"sha256:{subject['digest']['sha256']}" == build("agent").digest
    definition = found["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["architecture"] == "amd64"
    anchor = definition["buildType"].partition("#")[2]
    heading = anchor.replace("-", " ")
    assert re.search(rf"^## {heading}$", (paths.ROOT / "docs" / "install.md").read_text(), re.M | re.I)
    assert json.dumps(found) == json.dumps(said("agent")), "the same each time"


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_materials_are_the_files_that_were_unpacked(architecture: str) -> None:
    found = materials("function-vllm", architecture)
    for package in resolve(python.PACKAGES, architecture):
        assert found.pop(package.purl) == {"sha256": package.sha256}
    head = subprocess.run(
        ["git", "-C", str(paths.ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found.pop("git+https://github.com/freehold-dev/freehold") == {"gitCommit": head}
    lock = paths.ROOT / "requirements" / "functions.txt"
    pinned = set(re.findall(r"sha256:(\w{64})", lock.read_text()))
    names = re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.M)
    assert {uri.partition("?")[0] for uri in found} == {f"pkg:pypi/{name}@{number}" for name, number in names}
    assert {digest["sha256"] for digest in found.values()} <= pinned


def test_what_is_unpacked_is_what_the_wheels_hold() -> None:
    lock = paths.ROOT / "requirements" / "functions.txt"
    tree = wheels.tree(lock, "amd64")
    held = {
        f"{wheels.SITE[1:]}/{name}"
        for file in wheels.downloaded(lock, "amd64").iterdir()
        for name in zipfile.ZipFile(file).namelist()
    }
    assert tree.keys() <= held


def test_a_package_without_a_process_is_made_of_the_clone_alone() -> None:
    assert list(materials("configuration-freehold")) == ["git+https://github.com/freehold-dev/freehold"]


def test_the_workflow_is_the_builder_where_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def builder() -> str:
        return str(said("configuration-freehold")["predicate"]["runDetails"]["builder"]["id"])

    monkeypatch.delenv("GITHUB_WORKFLOW_REF", raising=False)
    assert builder() == BUILDER
    workflow = "freehold-dev/freehold/.github/workflows/release.yml@refs/tags/v0.1.0"
    monkeypatch.setenv("GITHUB_WORKFLOW_REF", workflow)
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    assert builder() == f"https://github.com/{workflow}"
