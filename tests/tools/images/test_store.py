"""The store is an OCI layout: images are made once, and others' tools read them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tools.errors import ToolError
from tools.images.image import Image, Part
from tools.images.store import Built, Store
from tools.images.tree import File, Tree


def part(text: str, made: list[str], *, compress: bool = True) -> Part:
    def make() -> Tree:
        made.append(text)
        return {f"{text}.txt": File(text.encode())}

    return Part("a file", [text.encode()], make, compress)


def build(folder: Path, *texts: str, made: list[str] | None = None, **settings: Any) -> Built:
    return Store(folder).build("x", Image([part(t, [] if made is None else made) for t in texts], **settings))


def test_an_image_says_how_it_runs(tmp_path: Path) -> None:
    built = build(
        tmp_path, "a", "b", entrypoint=["/run"], environment={"B": "2", "A": "1"}, architecture="arm64"
    )
    assert built.config["architecture"] == "arm64"
    assert built.config["os"] == "linux"
    assert built.config["config"] == {
        "User": "65532:65532",
        "WorkingDir": "/",
        "Env": ["A=1", "B=2", "PATH=/usr/local/bin:/usr/bin:/bin"],
        "Entrypoint": ["/run"],
    }
    assert "created" not in built.config
    assert len(built.config["rootfs"]["diff_ids"]) == len(built.layers) == 2


def test_every_blob_is_named_by_its_digest(tmp_path: Path) -> None:
    built = build(tmp_path, "a", "b")
    for path in (*built.blobs, built.blob(built.digest)):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert built.size == sum(path.stat().st_size for path in built.blobs[1:])


def test_two_stores_have_the_same_image(tmp_path: Path) -> None:
    assert build(tmp_path / "1", "a", "b").digest == build(tmp_path / "2", "a", "b").digest
    assert build(tmp_path / "1", "a", "b").digest != build(tmp_path / "1", "b", "a").digest


def test_a_layer_is_made_once_for_all_images(tmp_path: Path) -> None:
    made: list[str] = []
    build(tmp_path, "a", "b", made=made)
    build(tmp_path, "a", "b", made=made)
    build(tmp_path, "a", "c", made=made)
    assert made == ["a", "b", "c"]


def test_a_layer_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    made: list[str] = []
    first = build(tmp_path, "a", made=made)
    first.blobs[1].unlink()
    assert build(tmp_path, "a", made=made).digest == first.digest
    assert made == ["a", "a"]


def test_an_image_that_was_replaced_goes_after_a_day(tmp_path: Path) -> None:
    old = build(tmp_path, "a", "b")
    lonely, shared = old.blob(old.layers[1]["digest"]), old.blob(old.layers[0]["digest"])
    build(tmp_path, "a", "c")
    assert lonely.is_file(), "another process may be reading it"
    for path in (*old.blobs, old.blob(old.digest)):
        os.utime(path, (1, 1))
    build(tmp_path, "a", "c")
    assert not lonely.exists()
    assert shared.is_file(), "another image has it"
    [listed] = json.loads((tmp_path / "index.json").read_text())["manifests"]
    assert listed["annotations"] == {"org.opencontainers.image.ref.name": "x-amd64"}


def test_a_layer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def make() -> Tree:
        raise ToolError("no such package")

    with pytest.raises(ToolError, match="no such package"):
        Store(tmp_path).build("x", Image([Part("broken", [], make)]))
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_an_archive_is_what_containerd_imports(tmp_path: Path) -> None:
    built = build(tmp_path, "a", "b")
    target = io.BytesIO()
    built.archive(target, "docker.io/vllm/vllm-openai:v1")
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [listed] = json.loads(files["index.json"])["manifests"]
    assert listed["digest"] == built.digest
    assert listed["annotations"] == {
        "io.containerd.image.name": "docker.io/vllm/vllm-openai:v1",
        "org.opencontainers.image.ref.name": "v1",
    }
    assert {name.rpartition("/")[2] for name in files if name.startswith("blobs/")} == {
        path.name for path in (*built.blobs, built.blob(built.digest))
    }
