"""A small client of the Kubernetes API: JSON over HTTPS, no more than the harness asks."""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlencode

from tools.errors import ToolError
from tools.manifests import Manifest

SERVER_SIDE_APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
FIELD_MANAGER = "freehold-harness"
_TIMEOUT_SECONDS = 60
_TRIES = 10
"""How often to ask what the API server puts off, as it does for a CRD's objects at first."""


class _Connection(http.client.HTTPSConnection):
    """Closes with the thread that it is of."""

    def __del__(self) -> None:
        self.close()


class ApiError(ToolError):
    """What the API server answers when it does not do it."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the HTTP status, and the words that kubectl would show."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Resource:
    """Where a kind stands in the API."""

    plural: str
    namespaced: bool


@dataclass(frozen=True)
class Api:
    """One API server, as one user."""

    host: str
    """HOST:PORT."""
    authority: Path
    token: str
    user: str = ""
    """Whom the token's user acts as; empty for itself."""
    groups: tuple[str, ...] = ()
    _known: dict[tuple[str, str], Resource] = field(default_factory=dict, compare=False, repr=False)
    _local: threading.local = field(default_factory=threading.local, compare=False, repr=False)

    def acting_as(self, user: str, *groups: str) -> "Api":
        """Return the same API as somebody else sees it."""
        return replace(self, user=user, groups=groups)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Manifest:
        """Return one object."""
        return self.call("GET", self.path(api_version, kind, name, namespace))

    def find(self, api_version: str, kind: str, name: str, namespace: str = "") -> Manifest | None:
        """Return one object, or None where there is none."""
        try:
            return self.get(api_version, kind, name, namespace)
        except ApiError as error:
            if error.code == http.client.NOT_FOUND:
                return None
            raise

    def items(self, api_version: str, kind: str, namespace: str = "", selector: str = "") -> list[Manifest]:
        """Return all objects of a kind, in one namespace or all; each says what it is."""
        query = {"labelSelector": selector} if selector else {}
        answer = self.call("GET", self.path(api_version, kind, namespace=namespace), query=query)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in answer["items"]]

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; fields that its schema does not have are refused, as by kubectl."""
        api_version, kind, _, namespace = identity(manifest)
        path = self.path(api_version, kind, namespace=namespace)
        return self.call("POST", path, manifest, query={"fieldValidation": "Strict"})

    def apply(self, manifest: Manifest, *, dry_run: bool = False, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply an object on the server's side, taking fields over where it must."""
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self.call("PATCH", self.path(*identity(manifest)), manifest, SERVER_SIDE_APPLY, query)

    def patch(self, manifest: Manifest, change: Manifest, subresource: str = "") -> Manifest:
        """Merge a change into an object, or into its status alone."""
        path = self.path(*identity(manifest)) + (f"/{subresource}" if subresource else "")
        return self.call("PATCH", path, change, MERGE_PATCH)

    def delete(self, manifest: Manifest) -> None:
        """Ask for an object's deletion."""
        self.call("DELETE", self.path(*identity(manifest)))

    def path(self, api_version: str, kind: str, name: str = "", namespace: str = "") -> str:
        """Return where a kind, or one object of it, is."""
        resource = self._resource(api_version, kind)
        parts = [f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"]
        if resource.namespaced and namespace:
            parts += ["namespaces", quote(namespace)]
        return "/".join([*parts, resource.plural, *([quote(name)] if name else [])])

    def call(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Return what the API server answers; raise ApiError when it refuses."""
        for _ in range(_TRIES):
            code, answer = self.send(method, path, body, content_type, query)
            if code != http.client.TOO_MANY_REQUESTS:
                break
            time.sleep(1)
        value: Manifest = json.loads(answer) if answer[:1] == b"{" else {"message": answer.decode()}
        if code >= http.client.BAD_REQUEST:
            raise ApiError(code, f"{method} {path}: {value['message']}")
        return value

    def send(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Return the HTTP status and body of an answer."""
        headers = [("Authorization", f"Bearer {self.token}"), ("Content-Type", content_type)]
        if self.user:
            headers.append(("Impersonate-User", self.user))
            headers += [("Impersonate-Group", group) for group in (*self.groups, "system:authenticated")]
        text = json.dumps(body).encode() if body is not None else b""
        url = path + ("?" + urlencode(query) if query else "")
        connection = self._connect()
        try:
            return _exchange(connection, method, url, headers, text)
        except (http.client.HTTPException, OSError):
            # An idle connection may be closed by now; a restarted server closes all.
            connection.close()
            return _exchange(connection, method, url, headers, text)

    def _connect(self) -> http.client.HTTPSConnection:
        """Return this thread's connection."""
        connection: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            context = ssl.create_default_context(cafile=str(self.authority))
            connection = _Connection(self.host, context=context, timeout=_TIMEOUT_SECONDS)
            self._local.connection = connection
        return connection

    def _resource(self, api_version: str, kind: str) -> Resource:
        if (api_version, kind) not in self._known:
            prefix = "/api/" if "/" not in api_version else "/apis/"
            for entry in self.call("GET", prefix + api_version)["resources"]:
                if "/" not in entry["name"]:
                    self._known[api_version, entry["kind"]] = Resource(entry["name"], entry["namespaced"])
        try:
            return self._known[api_version, kind]
        except KeyError:
            raise ToolError(f"the API server knows no {kind} in {api_version}") from None


def identity(manifest: Manifest) -> tuple[str, str, str, str]:
    """Return an object's version, kind, name and namespace."""
    metadata = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], metadata.get("name", ""), metadata.get("namespace", "")


def condition(manifest: Manifest, type_: str) -> Manifest:
    """Return an object's condition of a type; an empty one where it has none."""
    conditions: Sequence[Manifest] = manifest.get("status", {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == type_), {})


def _exchange(
    connection: http.client.HTTPSConnection,
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes,
) -> tuple[int, bytes]:
    connection.putrequest(method, url)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, answer.read()
