"""The Crossplane CLI on our packages: what it builds of the same files, and what it reads of the archives that we make.

It is of Crossplane 2.2, the last whose module has it.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from functions.main import FUNCTIONS
from tools.control_plane import registry
from tools.control_plane.binaries import CROSSPLANE_CLI
from tools.control_plane.certificates import Authority
from tools.control_plane.layout import Layout, Ports, free_ports
from tools.control_plane.processes import Processes
from tools.images.image import Image
from tools.images.kinds import functions
from tools.images.kinds.packages import kinds
from tools.images.registry import Registry
from tools.images.store import Built, Store
from tools.manifests import Manifest, dump, parse
from tools.toolchain import built, provide

TAG = "v0.1.0"
PACKAGES = {kind.name: kind for kind in kinds(tag=TAG)}
RUNTIMES = {f"function-{short}" for short in FUNCTIONS}
META = "meta.pkg.crossplane.io/"


@pytest.fixture(scope="session")
def cli() -> Path:
    """Return the CLI, which is built once."""
    provide(CROSSPLANE_CLI)
    return built(CROSSPLANE_CLI)


@pytest.fixture(scope="session", params=PACKAGES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each of our packages."""
    return str(request.param)


@pytest.fixture
def archive(name: str, tmp_path: Path) -> Path:
    """Return the archive of a package as `make packages` writes it."""
    return archived(made(name), name, tmp_path / "ours.xpkg")


def made(name: str) -> Built:
    return Store().build(name, PACKAGES[name].make("amd64"))


def archived(image: Built, name: str, path: Path) -> Path:
    with path.open("wb") as file:
        image.archive(file, f"example.org/{name}:{TAG}")
    return path


def run(cli: Path, *arguments: object, authority: Path | None = None) -> None:
    trusted = {"SSL_CERT_FILE": str(authority)} if authority else {}
    command = [str(cli), "xpkg", *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | trusted, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def content(image: Image) -> str:
    """Return the package.yaml of a package."""
    [text] = image.parts[-1].inputs
    return text.decode()


def configuration_of(path: Path) -> dict[str, Any]:
    """Return the configuration of an image in an archive."""
    with tarfile.open(path) as tar:
        [listed] = json.loads(read(tar, "manifest.json"))
        found: dict[str, Any] = json.loads(read(tar, listed["Config"]))
        return found


def read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def extracted(cli: Path, folder: Path, *source: object, authority: Path | None = None) -> str:
    """Return the package.yaml that the CLI finds in a package."""
    run(cli, "extract", *source, f"--output={folder / 'found.gz'}", authority=authority)
    return gzip.decompress((folder / "found.gz").read_bytes()).decode()


def said(node: Any) -> Any:
    """Return what a manifest says: the CLI writes typed objects, with fields that are empty and a status."""
    if isinstance(node, dict):
        found = {key: said(value) for key, value in node.items() if key != "status"}
        return {key: value for key, value in found.items() if value not in (None, {}, [])}
    return [said(each) for each in node] if isinstance(node, list) else node


def by_name(text: str) -> dict[tuple[str, str], Manifest]:
    documents = [said(each) for each in parse(text) if each]
    found = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    assert len(found) == len(documents)
    return found


def test_it_builds_what_we_build(cli: Path, name: str, archive: Path, tmp_path: Path) -> None:
    """Of the same manifests and, for a function, of the same runtime."""
    image = PACKAGES[name].make("amd64")
    folder = tmp_path / "package"
    folder.mkdir()
    for number, document in enumerate(parse(content(image))):
        is_meta = document["apiVersion"].startswith(META)
        (folder / ("crossplane.yaml" if is_meta else f"{number}.yaml")).write_text(dump([document]))
    runtime = []
    if name in RUNTIMES:
        own = Store().build("functions", functions.KIND.make("amd64"))
        runtime = [f"--embed-runtime-image-tarball={archived(own, 'functions', tmp_path / 'runtime.tar')}"]
    theirs = tmp_path / "theirs.xpkg"
    # By default it adds the examples of the folder that it runs in, as a layer of their own.
    options = [f"--package-root={folder}", f"--examples-root={tmp_path / 'none'}", f"--package-file={theirs}"]
    run(cli, "build", *options, *runtime)
    assert by_name(extracted(cli, tmp_path, "--from-xpkg", theirs)) == by_name(content(image))
    ours, other = configuration_of(archive), configuration_of(theirs)
    # The last layer is the package's, which differs by how it is written.
    assert other["rootfs"]["diff_ids"][:-1] == ours["rootfs"]["diff_ids"][:-1]
    assert len(other["rootfs"]["diff_ids"]) == len(ours["rootfs"]["diff_ids"])
    if runtime:
        assert other["config"]["Entrypoint"] == ours["config"]["Entrypoint"]
        assert other["config"]["User"] == ours["config"]["User"]


def test_it_reads_what_we_build(cli: Path, name: str, archive: Path, tmp_path: Path) -> None:
    assert extracted(cli, tmp_path, "--from-xpkg", archive) == content(PACKAGES[name].make("amd64"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Start a registry over TLS."""
    layout = Layout(tmp_path_factory.mktemp("registry") / "of")
    layout.folder.mkdir()
    processes, ports = Processes(layout.folder), Ports(*free_ports(len(fields(Ports))))
    try:
        yield registry.start(processes, layout, ports, Authority(layout.certificates))
    finally:
        processes.stop_all()


def test_it_pushes_and_pulls_what_we_build(
    cli: Path, name: str, archive: Path, real: Registry, tmp_path: Path
) -> None:
    """By our push the layer of the package is marked; by the CLI's, which reads an archive, it is found all the same."""
    expected = content(PACKAGES[name].make("amd64"))
    image = made(name)
    real.push(image, f"ours/{name}", TAG)
    ours = f"{real.host}/ours/{name}:{TAG}"
    assert extracted(cli, tmp_path, ours, authority=real.authority) == expected
    theirs = f"{real.host}/theirs/{name}:{TAG}"
    run(cli, "push", f"--package-files={archive}", theirs, authority=real.authority)
    assert extracted(cli, tmp_path, theirs, authority=real.authority) == expected
    assert real.digest(f"theirs/{name}", TAG)
