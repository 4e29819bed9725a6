"""Where images are made and kept: one OCI layout, with a record of what each layer was made from.

It is in the user's cache, for all clones. Any tool that reads an OCI layout reads it. Of each image and
architecture the newest is kept, and for a day more the layers that no image has any more.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from tools.console import say, ticking
from tools.images import layers
from tools.images.image import INDEX, MANIFEST, Blob, Image, Part, config, manifest
from tools.images.layers import Written
from tools.paths import CACHE

__all__ = ["Built", "Store"]

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_NAME = "org.opencontainers.image.ref.name"
_IMPORTED = "io.containerd.image.name"
"""The annotation by which containerd and its kin name what they import."""
_SLOW_SECONDS = 2
_KEPT_SECONDS = 86400
"""A layer that no image has any more stays that long: another process may be reading it."""
_HERE = Path(__file__).parent
_OTHERS = {"command", "image", "registry", "store"}
"""Modules that have no part in what a layer holds."""


@dataclass(frozen=True)
class Built:
    """An image that was made, in the store."""

    name: str
    architecture: str
    store: Path
    manifest: Blob

    @property
    def digest(self) -> str:
        """The digest of the manifest, by which registries and nodes know the image."""
        return self.manifest.digest

    @property
    def descriptor(self) -> dict[str, object]:
        """What an index says of the image."""
        platform = {"architecture": self.architecture, "os": "linux"}
        return {**self.manifest.descriptor, "platform": platform}

    @property
    def config(self) -> dict[str, Any]:
        """The configuration: user, entry point, variables."""
        content: dict[str, Any] = json.loads(self.blob(self._manifest["config"]["digest"]).read_bytes())
        return content

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The descriptors of the layers, lowest first."""
        found: list[dict[str, Any]] = self._manifest["layers"]
        return found

    @property
    def size(self) -> int:
        """Bytes of all layers as they are pulled."""
        return sum(layer["size"] for layer in self.layers)

    @property
    def blobs(self) -> list[Path]:
        """The files of the configuration and the layers."""
        return [self.blob(each["digest"]) for each in (self._manifest["config"], *self.layers)]

    def blob(self, digest: str) -> Path:
        """Return the file of a blob."""
        return _blob(self.store, digest)

    def archive(self, target: IO[bytes], reference: str) -> None:
        """Write the image as an archive that `ctr image import` and `docker load` read, under a name.

        Args:
            target: a file or a pipe; nothing is read back.
            reference: the whole name, such as docker.io/vllm/vllm-openai:v0.27.1.
        """
        descriptor = {
            **self.descriptor,
            "annotations": {_IMPORTED: reference, _NAME: reference.rpartition(":")[2]},
        }
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]}
        with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, "oci-layout", _LAYOUT)
            _add(tar, "index.json", json.dumps(index).encode())
            _add(tar, "manifest.json", json.dumps([self._docker(reference)]).encode())
            _add(tar, _path(self.digest), self.manifest.content)
            for path in sorted(set(self.blobs)):
                info = tarfile.TarInfo(_path(f"sha256:{path.name}"))
                info.size, info.mtime = path.stat().st_size, layers.TIME
                with path.open("rb") as file:
                    tar.addfile(info, file)

    def _docker(self, reference: str) -> dict[str, Any]:
        """Return what Docker and vulnerability scanners look for in an archive in place of an index."""
        return {
            "Config": _path(self._manifest["config"]["digest"]),
            "RepoTags": [reference],
            "Layers": [_path(layer["digest"]) for layer in self.layers],
        }

    @property
    def _manifest(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.manifest.content)
        return content


@dataclass(frozen=True)
class Store:
    """A folder of images."""

    folder: Path = CACHE / "freehold" / "images"

    def build(self, name: str, image: Image) -> Built:
        """Make an image, or what of it is not there yet, and keep it by its name and architecture."""
        with self._alone():
            self._begin()
            written = [self._layer(part, f"{name} ({image.architecture})") for part in image.parts]
            settings = config(image, written)
            descriptors = [_descriptor(*each) for each in zip(image.parts, written, strict=True)]
            listing = manifest(settings, descriptors)
            for blob in (settings, listing):
                self._keep(blob)
            built = Built(name, image.architecture, self.folder, listing)
            self._record(built)
            return built

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process makes images."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _begin(self) -> None:
        (self.folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (self.folder / "layers").mkdir(exist_ok=True)
        (self.folder / "oci-layout").write_bytes(_LAYOUT)

    def _layer(self, part: Part, of: str) -> Written:
        record = self.folder / "layers" / _inputs(part)
        if record.is_file():
            known = Written(**json.loads(record.read_text()))
            blob = _blob(self.folder, known.digest)
            if blob.is_file():
                blob.touch()
                return known
        started = time.monotonic()
        with (
            ticking(lambda: f"  {of}: {part.name}, {time.monotonic() - started:.0f} s"),
            _partial(self.folder / "blobs") as (file, path),
        ):
            written = layers.write(part.make(), file, compress=part.compress)
            file.flush()
            path.replace(_blob(self.folder, written.digest))
        record.write_text(json.dumps(asdict(written)))
        seconds = time.monotonic() - started
        if seconds > _SLOW_SECONDS:
            say(f"  {of}: {part.name}, {written.size / 1e6:.1f} MB in {seconds:.0f} s")
        return written

    def _keep(self, blob: Blob) -> None:
        path = _blob(self.folder, blob.digest)
        if not path.is_file():
            with _partial(path.parent.parent) as (file, partial):
                file.write(blob.content)
                file.flush()
                partial.replace(path)

    def _record(self, built: Built) -> None:
        """Put an image into the index in place of the one that it replaces, and remove what nobody has."""
        index = self.folder / "index.json"
        known = json.loads(index.read_text())["manifests"] if index.is_file() else []
        reference = f"{built.name}-{built.architecture}"
        others = [each for each in known if each["annotations"][_NAME] != reference]
        own = {
            **built.descriptor,
            "annotations": {_NAME: reference},
        }
        listed = sorted([*others, own], key=lambda each: str(each["annotations"][_NAME]))
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        index.write_text(json.dumps(content, indent=1, sort_keys=True))
        needed = {name for each in listed for name in self._needed(str(each["digest"]))}
        old = time.time() - _KEPT_SECONDS
        for path in (self.folder / "blobs" / "sha256").iterdir():
            if path.name not in needed and path.stat().st_mtime < old:
                path.unlink()

    def _needed(self, digest: str) -> Iterator[str]:
        """Yield the names of the files of an image's blobs."""
        path = _blob(self.folder, digest)
        yield path.name
        for blob in Built("", "", self.folder, Blob(MANIFEST, path.read_bytes())).blobs:
            yield blob.name


def _descriptor(part: Part, layer: Written) -> dict[str, object]:
    """Return what the manifest says of a layer."""
    return {**layer.descriptor, **({"annotations": dict(part.annotations)} if part.annotations else {})}


def _inputs(part: Part) -> str:
    """Return the digest of what decides a layer."""
    digest = hashlib.sha256(f"{part.name}\0{part.compress}\0{_code()}".encode())
    for each in part.inputs:
        digest.update(hashlib.sha256(each).digest())
    return digest.hexdigest()


@cache
def _code() -> str:
    """Return the digest of the code that makes layers of any image."""
    digest = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        if path.stem not in _OTHERS:
            digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def _partial(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Yield a file to write a blob to, which is moved to its name when it is whole, or removed."""
    handle, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            yield file, path
    finally:
        path.unlink(missing_ok=True)


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _blob(folder: Path, digest: str) -> Path:
    return folder / _path(digest)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(content), layers.TIME
    tar.addfile(info, io.BytesIO(content))
