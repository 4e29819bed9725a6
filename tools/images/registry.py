"""A registry, to which images and charts are pushed by the distribution API."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tools.errors import ToolError
from tools.images.image import Blob, index
from tools.images.store import Built

__all__ = ["Registry"]

_TIMEOUT_SECONDS = 60
_EXPECTED = {http.client.OK, http.client.CREATED, http.client.ACCEPTED}


@dataclass(frozen=True)
class Registry:
    """A registry that takes what is pushed."""

    host: str
    """HOST:PORT."""
    authority: Path | None = None
    """The certificate authority that signed the registry's certificate; None for those of the system."""
    plain: bool = False
    """Whether it speaks HTTP, on a machine of one's own."""

    def push(self, built: Built, repository: str, tag: str) -> None:
        """Push an image under a tag or its digest; layers that the registry has already are not sent.

        Raises ToolError when the registry is not reached or refuses. The manifest is sent last: a push that
        ends early leaves nothing that can be pulled.
        """
        for path in built.blobs:
            digest = f"sha256:{path.name}"
            if not self._has(repository, digest):
                with path.open("rb") as content:
                    self._upload(repository, digest, content, path.stat().st_size)
        self._manifest(repository, tag, built.manifest)

    def push_all(self, builts: Sequence[Built], repository: str, tag: str) -> None:
        """Push an image of several architectures under one tag: each by its digest, then their index."""
        for built in builts:
            self.push(built, repository, built.digest)
        self._manifest(repository, tag, index([built.descriptor for built in builts]))

    def push_artifact(self, repository: str, tag: str, manifest: Blob, *blobs: Blob) -> None:
        """Push the blobs that a manifest lists, and the manifest."""
        for blob in blobs:
            self._upload(repository, blob.digest, blob.content, len(blob.content))
        self._manifest(repository, tag, manifest)

    def _has(self, repository: str, digest: str) -> bool:
        with self._asking("HEAD", f"/v2/{repository}/blobs/{digest}") as answer:
            return answer.status == http.client.OK

    def _upload(self, repository: str, digest: str, content: bytes | IO[bytes], size: int) -> None:
        location = urlsplit(self._send("POST", f"/v2/{repository}/blobs/uploads/"))
        path = f"{location.path}?{location.query}{'&' if location.query else ''}digest={digest}"
        self._send("PUT", path, content, size, "application/octet-stream")

    def _manifest(self, repository: str, tag: str, manifest: Blob) -> None:
        path = f"/v2/{repository}/manifests/{tag}"
        self._send("PUT", path, manifest.content, len(manifest.content), manifest.media_type)

    def _send(
        self, method: str, path: str, content: bytes | IO[bytes] = b"", size: int = 0, media_type: str = ""
    ) -> str:
        """Send a request; return the Location of the answer."""
        with self._asking(method, path, content, size, media_type) as answer:
            if answer.status not in _EXPECTED:
                said = answer.read(500).decode(errors="replace").strip()
                raise ToolError(
                    f"the registry {self.host} answers {answer.status} to {method} {path}: {said}"
                )
            return answer.headers.get("Location", "")

    @contextmanager
    def _asking(
        self, method: str, path: str, content: bytes | IO[bytes] = b"", size: int = 0, media_type: str = ""
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {"Content-Length": str(size)}
        if media_type:
            headers["Content-Type"] = media_type
        connection = self._connection()
        try:
            connection.request(method, path, content, headers)
            yield connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise ToolError(f"the registry {self.host} is not reached: {error}") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.plain:
            return http.client.HTTPConnection(self.host, timeout=_TIMEOUT_SECONDS)
        context = ssl.create_default_context(cafile=self.authority)
        return http.client.HTTPSConnection(self.host, timeout=_TIMEOUT_SECONDS, context=context)
