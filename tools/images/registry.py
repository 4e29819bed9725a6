"""A registry, to which images and charts are pushed by the distribution API."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tools.errors import ToolError
from tools.images import authorization
from tools.images.image import INDEX, MANIFEST, Blob
from tools.images.store import Built

__all__ = ["Registry"]

_TIMEOUT_SECONDS = 60
_WHY = {
    http.client.UNAUTHORIZED: " (the credentials are wrong)",
    http.client.FORBIDDEN: " (the credentials may not push there)",
}
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
    _authorized: dict[str, str] = field(default_factory=dict, repr=False)
    """What it was told by repository, since it asked for that."""

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

    def tag(self, repository: str, tag: str, manifest: Blob) -> None:
        """Give a manifest a tag; what it lists must have been pushed."""
        self._manifest(repository, tag, manifest)

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the digest of what a tag names; None where the registry has no such tag."""
        path = f"/v2/{repository}/manifests/{tag}"
        with self._asking("HEAD", repository, path, {"Accept": f"{INDEX}, {MANIFEST}"}) as answer:
            if answer.status == http.client.OK:
                return answer.headers.get("Docker-Content-Digest", "")
            if answer.status != http.client.NOT_FOUND:
                raise self._refused("HEAD", path, answer)
        return None

    def push_artifact(self, repository: str, tag: str, manifest: Blob, *blobs: Blob) -> None:
        """Push the blobs that a manifest lists, and the manifest."""
        for blob in blobs:
            self._upload(repository, blob.digest, blob.content, len(blob.content))
        self._manifest(repository, tag, manifest)

    def _has(self, repository: str, digest: str) -> bool:
        with self._asking("HEAD", repository, f"/v2/{repository}/blobs/{digest}", {}) as answer:
            return answer.status == http.client.OK

    def _upload(self, repository: str, digest: str, content: bytes | IO[bytes], size: int) -> None:
        location = urlsplit(self._send("POST", repository, f"/v2/{repository}/blobs/uploads/"))
        path = f"{location.path}?{location.query}{'&' if location.query else ''}digest={digest}"
        self._send("PUT", repository, path, content, size, "application/octet-stream")

    def _manifest(self, repository: str, tag: str, manifest: Blob) -> None:
        path = f"/v2/{repository}/manifests/{tag}"
        self._send("PUT", repository, path, manifest.content, len(manifest.content), manifest.media_type)

    def _send(
        self,
        method: str,
        repository: str,
        path: str,
        content: bytes | IO[bytes] = b"",
        size: int = 0,
        media_type: str = "",
    ) -> str:
        """Send a request; return the Location of the answer."""
        headers = {"Content-Length": str(size), **({"Content-Type": media_type} if media_type else {})}
        with self._asking(method, repository, path, headers, content) as answer:
            if answer.status not in _EXPECTED:
                raise self._refused(method, path, answer)
            return answer.headers.get("Location", "")

    def _refused(self, method: str, path: str, answer: http.client.HTTPResponse) -> ToolError:
        said = answer.read(500).decode(errors="replace").strip()
        why = _WHY.get(answer.status, "")
        return ToolError(f"the registry {self.host} answers {answer.status}{why} to {method} {path}: {said}")

    @contextmanager
    def _asking(
        self,
        method: str,
        repository: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | IO[bytes] = b"",
    ) -> Iterator[http.client.HTTPResponse]:
        with self._answered(method, repository, path, headers, content) as answer:
            challenge = answer.headers.get("WWW-Authenticate")
            if answer.status != http.client.UNAUTHORIZED or challenge is None:
                yield answer
                return
        # It asks once for each repository; a token that has run out is asked for again.
        self._authorized[repository] = authorization.answer(
            self.host, repository, challenge, None if self.plain else self._context()
        )
        if not isinstance(content, bytes):
            content.seek(0)
        with self._answered(method, repository, path, headers, content) as answer:
            yield answer

    @contextmanager
    def _answered(
        self, method: str, repository: str, path: str, headers: Mapping[str, str], content: bytes | IO[bytes]
    ) -> Iterator[http.client.HTTPResponse]:
        known = {"Authorization": self._authorized[repository]} if repository in self._authorized else {}
        connection = self._connection()
        try:
            connection.request(method, path, content, {**headers, **known})
            yield connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise ToolError(f"the registry {self.host} is not reached: {error}") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.plain:
            return http.client.HTTPConnection(self.host, timeout=_TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(self.host, timeout=_TIMEOUT_SECONDS, context=self._context())

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)
