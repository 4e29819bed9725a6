"""An image by the OCI specification: its layers, and the process that a container of it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.images.layers import Written
from tools.images.tree import Tree

__all__ = [
    "CONFIG",
    "INDEX",
    "MANIFEST",
    "NOBODY",
    "PATH",
    "Blob",
    "Image",
    "Material",
    "Part",
    "config",
    "index",
    "manifest",
]

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NOBODY = "65532:65532"
"""The user that images run as when the pod names none."""
PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Material:
    """A file from elsewhere that goes into an image."""

    uri: str
    """As a package URL, such as pkg:pypi/click@8.5.1?file_name=click-8.5.1-py3-none-any.whl."""
    sha256: str


@dataclass(frozen=True)
class Part:
    """A layer before it is made. Two images with the same part share the layer."""

    name: str
    inputs: Sequence[bytes]
    """What decides the contents: the layer is made anew when it changes, or the code that images share."""
    make: Callable[[], Tree]
    compress: bool = True
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Of the layer in the manifest."""
    materials: Sequence[Material] = ()
    """What it is made of, beside the clone."""


@dataclass(frozen=True)
class Image:
    """An image for one architecture."""

    parts: Sequence[Part]
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = NOBODY
    folder: str = "/"
    """Where the process starts."""
    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"


@dataclass(frozen=True)
class Blob:
    """Content and its media type."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """The name of the content."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, object]:
        """What a manifest or an index says of the content."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


def config(image: Image, layers: Sequence[Written]) -> Blob:
    """Return the image's configuration. No time stamp: the same contents have the same digest."""
    process: dict[str, object] = {
        "User": image.user,
        "WorkingDir": image.folder,
        "Env": [f"{name}={value}" for name, value in sorted({"PATH": PATH, **image.environment}.items())],
    }
    for key, value in (("Entrypoint", image.entrypoint), ("Cmd", image.command), ("Labels", image.labels)):
        if value:
            process[key] = dict(value) if isinstance(value, Mapping) else list(value)
    content = {
        "architecture": image.architecture,
        "os": "linux",
        "config": process,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    return Blob(CONFIG, _json(content))


def manifest(config: Blob, layers: Sequence[Mapping[str, object]]) -> Blob:
    """Return the manifest that lists a configuration and the descriptors of its layers."""
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor,
        "layers": list(layers),
    }
    return Blob(MANIFEST, _json(content))


def index(manifests: Sequence[Mapping[str, object]]) -> Blob:
    """Return the index of an image's manifests, one an architecture."""
    return Blob(INDEX, _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}))


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
