"""Layers as blobs: a tar whose bytes follow from the tree alone, and its gzip.

Sorted by path, owned by root, every time stamp the same, no name of a user or a machine. A compressed layer
is the same wherever zlib is; its uncompressed digest (diff_id) does not depend on that either.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, cast

from tools.images.tree import Entry, File, Folder, Link, Tree

__all__ = ["TIME", "Written", "write"]

TIME = 315532800
"""The time stamp of everything, in seconds: 1980, the first that a zip can hold."""
_LEVEL = 6
_TAR = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Written:
    """A layer that was written."""

    media_type: str
    digest: str
    size: int
    diff_id: str
    """The digest of the uncompressed layer."""

    @property
    def descriptor(self) -> dict[str, object]:
        """What a manifest says of the layer."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class _Digesting(io.RawIOBase):
    """Passes on what is written, and keeps its digest and size."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target = target
        self.sha = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = memoryview(cast(bytes, data))
        self.sha.update(piece)
        self.size += piece.nbytes
        self.target.write(piece)
        return piece.nbytes

    @property
    def digest(self) -> str:
        return f"sha256:{self.sha.hexdigest()}"


def write(tree: Tree, target: IO[bytes], *, compress: bool) -> Written:
    """Write a layer, as gzip or as it is. Memory does not grow with the layer."""
    blob = _Digesting(target)
    if not compress:
        _tar(tree, cast(IO[bytes], blob))
        return Written(_TAR, blob.digest, blob.size, blob.digest)
    with gzip.GzipFile("", "wb", _LEVEL, cast(IO[bytes], blob), mtime=0) as zipped:
        plain = _Digesting(cast(IO[bytes], zipped))
        _tar(tree, cast(IO[bytes], plain))
    return Written(f"{_TAR}+gzip", blob.digest, blob.size, plain.digest)


def _tar(tree: Tree, target: IO[bytes]) -> None:
    # PAX headers are written for long names alone.
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in _with_folders(tree):
            info = tarfile.TarInfo(path)
            info.mtime = TIME
            if isinstance(entry, Folder):
                info.type, info.mode = tarfile.DIRTYPE, entry.mode
                tar.addfile(info)
            elif isinstance(entry, Link):
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
                tar.addfile(info)
            else:
                _file(tar, info, entry)


def _file(tar: tarfile.TarFile, info: tarfile.TarInfo, entry: File) -> None:
    info.mode = entry.mode
    if isinstance(entry.content, bytes):
        info.size = len(entry.content)
        tar.addfile(info, io.BytesIO(entry.content))
        return
    with entry.content.open("rb") as file:
        info.size = entry.content.stat().st_size
        tar.addfile(info, file)


def _with_folders(tree: Tree) -> Iterator[tuple[str, Entry]]:
    """Yield the entries by path, with every folder before what is in it."""
    folders = {str(parent) for path in tree for parent in PurePosixPath(path).parents}
    usual: dict[str, Entry] = {path: Folder() for path in folders - {"."}}
    yield from sorted({**usual, **tree}.items())
