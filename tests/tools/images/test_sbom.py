"""Bills of materials: all that an image is made of, read from the image, each with a licence."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tools import paths
from tools.errors import ToolError
from tools.images import command, python, sbom
from tools.images.command import build
from tools.images.debian import STATUS, resolve
from tools.images.kinds import KINDS
from tools.images.kinds.names import version
from tools.paths import ROOT

NAMES = ("function-vllm", "configuration-freehold")
SHIPPED = {"functions": "functions.txt", "agent": "agent.txt"}


def pinned(lock: str) -> dict[str, str]:
    """Return the versions that a file of requirements pins, by the package's name."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / lock).read_text(), re.MULTILINE)
    return dict(found)


@cache
def files(name: str) -> dict[str, bytes]:
    return sbom.files(build(name))


@cache
def bill(name: str) -> dict[str, Any]:
    return sbom.bill(build(name), KINDS[name].reference)


@pytest.mark.parametrize("name", SHIPPED)
def test_it_lists_what_the_locks_pin(name: str) -> None:
    found: dict[str, dict[str, str]] = {}
    for each in bill(name)["components"]:
        kind = found.setdefault(each["purl"].partition("/")[0], {})
        kind[each["name"].lower().replace("_", "-")] = each["version"]
    assert found["pkg:pypi"] == pinned(SHIPPED[name])
    # Debian's archive may have a newer one than the lock, and that is the one in the image.
    assert found["pkg:deb"] == {each.name: each.version for each in resolve(python.PACKAGES, "amd64")}
    assert found["pkg:github"] == {"freehold": version()}


def test_the_image_is_named_by_its_digest() -> None:
    built, found = build("agent"), bill("agent")
    component = found["metadata"]["component"]
    assert component["version"] == built.digest
    assert component["purl"].startswith(f"pkg:oci/agent@{built.digest.replace(':', '%3A')}?repository_url=")
    refs = {each["bom-ref"] for each in found["components"]}
    assert len(refs) == len(found["components"])
    assert set(found["dependencies"][0]["dependsOn"]) == refs


def test_what_comes_without_a_licence_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = files("functions")
    lost = {path: content for path, content in found.items() if path != "usr/share/doc/zlib1g/copyright"}
    monkeypatch.setattr(sbom, "files", lambda _built: lost)
    with pytest.raises(ToolError, match=r"the image functions \(amd64\) has no licence of zlib1g$"):
        sbom.bill(build("functions"), KINDS["functions"].reference)


def test_scanners_find_the_debian_packages() -> None:
    """A file each, as dpkg's own status: trivy, grype and syft read these."""
    stanzas = {
        path.removeprefix(STATUS): content.decode()
        for path, content in files("functions").items()
        if path.startswith(STATUS)
    }
    assert stanzas.keys() == set(python.PACKAGES)
    for name, content in stanzas.items():
        assert content.startswith(f"Package: {name}\n")
        assert re.search(r"^Version: \S+$", content, re.MULTILINE)


def test_what_is_written_beside_the_archives(tmp_path: Path) -> None:
    command.run([*NAMES], ["amd64"], command.REGISTRY, version(), None, None, tmp_path)
    lines = [line.split("  ") for line in (tmp_path / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    written = {path.name for path in tmp_path.iterdir()} - {"SHA256SUMS"}
    assert sums.keys() == written
    assert written == {
        *(f"{name}-amd64{end}" for name in NAMES for end in (".tar", ".cdx.json", ".provenance.json")),
        "LICENSES.txt",
        "install.yaml",
    }
    assert (tmp_path / "install.yaml").read_text() == paths.INSTALL.read_text()
    for name, digest in sums.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    components = json.loads((tmp_path / "function-vllm-amd64.cdx.json").read_text())["components"]
    assert {"grpcio", "libc6", "freehold"} <= {each["name"] for each in components}
    assert "grpcio " in (tmp_path / "LICENSES.txt").read_text()
