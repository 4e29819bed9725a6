"""An API server: what the agent reads there, and what it writes."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient, ApiException, Configuration
from kubernetes.config import load_incluster_config, load_kube_config
from urllib3.exceptions import SSLError

from functions.api import contract

from .troubles import Crash
from .words import one_line

__all__ = ["EVENTS", "PODS", "REPORTS", "Cluster", "Refused"]

PODS, EVENTS = "/api/v1/pods", "/api/v1/events"
REPORTS = f"/apis/{contract.REPORT_API_VERSION}/{contract.REPORT_PLURAL}"
"""Paths of all objects of a kind, in every namespace."""

_SECONDS = (5.0, 30.0)
"""Time to connect, and to wait for the next byte."""
_CONNECTIONS = 24
"""That stay open: as many as threads ask at the same time."""
_LOG_LINES, _LOG_BYTES = 400, 256 * 1024
"""Of the end of a log: an engine's other processes write some hundred lines after the one that matters."""
_MOST_WORDS = 300
"""Characters of what an API server says: it reaches logs, and the claim of a Model."""
_JSON_PATCH, _MERGE_PATCH, _APPLY = (
    f"application/{kind}" for kind in ("json-patch+json", "merge-patch+json", "apply-patch+yaml")
)
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Has the API server leave out what an object holds."""
_MANAGER = "freehold-agent"
_PATH = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._:-]*)+")
"""Paths that mean what they say. A tenant names a Secret, and `../../b/secrets/c` is one of namespace b."""


class Refused(Exception):  # noqa: N818  (the answer, not the agent, is at fault)
    """The API server's answer to a request that it does not carry out."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the HTTP status, and of the message what may be shown to others."""
        super().__init__(f"{code}: {one_line(message, _MOST_WORDS)}")
        self.code = code


class Cluster:
    """One API server. Threads may share it."""

    def __init__(self, client: ApiClient, seconds: tuple[float, float] = _SECONDS) -> None:
        """Use a client of `kubernetes`.

        Args:
            client: of the API server.
            seconds: time to connect, and to wait for the next byte.
        """
        self._client, self._seconds = client, seconds

    @classmethod
    def of(cls, kubeconfig: Path | None) -> Cluster:
        """Return the cluster of a kubeconfig; without one, the cluster that the agent's pod runs in."""
        configuration = Configuration(connection_pool_maxsize=_CONNECTIONS)
        if kubeconfig is None:
            load_incluster_config(client_configuration=configuration)
        else:
            load_kube_config(str(kubeconfig), client_configuration=configuration)
        return cls(ApiClient(configuration))

    def list(self, path: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
        """Return all objects of a kind, page by page, and the version of the list.

        Raises:
            Refused: also where the list changed too much between two pages (410).
        """
        items: list[dict[str, Any]] = []
        more = ""
        while True:
            page = {**query, "limit": "500", **({"continue": more} if more else {})}
            answer = json.loads(self._get(path, page))
            items += answer["items"]
            more = answer["metadata"].get("continue", "")
            if not more:
                return items, answer["metadata"]["resourceVersion"]

    def watch(self, path: str, query: Mapping[str, str], seconds: int) -> Iterator[dict[str, Any]]:
        """Yield the changes of a kind of objects as they come, until the API server ends the watch.

        Raises:
            Refused: when the API server refuses.
        """
        asked = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        # A connection that died without a word is noticed soon after the watch should have ended.
        response = self._send("GET", path, asked, timeout=(_SECONDS[0], seconds + 15.0))
        rest = b""
        try:
            for chunk in response.stream(2**16):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line.strip())
        finally:
            response.close()

    def log(self, namespace: str, crash: Crash) -> str:
        """Return the end of the log of a container that ended.

        Raises:
            Refused: when there is no log any more.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{crash.pod}/log"
        query = {
            "container": crash.container,
            "previous": str(crash.previous).lower(),
            "tailLines": str(_LOG_LINES),
            "limitBytes": str(_LOG_BYTES),
        }
        return self._get(path, query).decode(errors="replace")

    def write(self, namespace: str, report: Mapping[str, Any]) -> None:
        """Replace the content of a namespace's ModelReport.

        Raises:
            Refused: when there is none (404), or its CRD does not know a field (422).
        """
        group = f"/apis/{contract.REPORT_API_VERSION}/namespaces/{namespace}"
        body = [{"op": "add", "path": "/report", "value": dict(report)}]
        path = f"{group}/{contract.REPORT_PLURAL}/{contract.REPORT_NAME}"
        # Otherwise the API server drops, with a warning, what an older CRD does not know.
        # What is left unread would end the connection.
        self._whole(self._send("PATCH", path, {"fieldValidation": "Strict"}, body))

    def read(self, path: str) -> dict[str, Any]:
        """Return an object.

        Raises:
            Refused: when there is none (404), or it may not be read (403).
        """
        found: dict[str, Any] = json.loads(self._get(path, {}))
        return found

    def metadata(self, path: str) -> dict[str, Any]:
        """Return an object's metadata; nothing else of it is sent.

        Raises:
            Refused: as for `read`.
        """
        response = self._send("GET", path, {}, accept=_METADATA)
        found: dict[str, Any] = json.loads(self._whole(response))["metadata"]
        return found

    def apply(
        self, path: str, manifest: Mapping[str, Any], manager: str = _MANAGER, *, dry: bool = False
    ) -> None:
        """Create an object, or set the fields that the manifest has.

        Args:
            path: of the object.
            manifest: the fields.
            manager: whose the fields are from then on.
            dry: whether it is only asked if it would be taken, and nothing is kept.

        Raises:
            Refused: when the API server does not take it.
        """
        query = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry else {})}
        # Only metadata come back: a CRD may have a megabyte.
        self._whole(self._send("PATCH", path, query, dict(manifest), kind=_APPLY, accept=_METADATA))

    def create(self, path: str, manifest: Mapping[str, Any]) -> None:
        """Create an object.

        Args:
            path: of all objects of the kind in the namespace.
            manifest: of the object.

        Raises:
            Refused: also where there is one of that name (409).
        """
        self._whole(self._send("POST", path, {"fieldManager": _MANAGER}, dict(manifest), kind=_JSON))

    def merge(self, path: str, patch: Mapping[str, Any]) -> None:
        """Set fields of an object; lists are replaced.

        Raises:
            Refused: also where the patch names a version of the object that is not the present one (409).
        """
        self._whole(self._send("PATCH", path, {"fieldManager": _MANAGER}, dict(patch), kind=_MERGE_PATCH))

    def write_status(self, path: str, status: Mapping[str, Any]) -> None:
        """Set fields of an object's status; lists are replaced.

        Raises:
            Refused: when there is no such object (404), or the status is not valid (422).
        """
        body = {"status": dict(status)}
        self._whole(self._send("PATCH", f"{path}/status", {}, body, kind=_MERGE_PATCH))

    def _get(self, path: str, query: Mapping[str, str]) -> bytes:
        return self._whole(self._send("GET", path, query))

    def _whole(self, response: Any) -> bytes:
        data: bytes = response.data
        return data

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: object = None,
        timeout: tuple[float, float] | None = None,
        *,
        kind: str = _JSON_PATCH,
        accept: str = "application/json",
    ) -> Any:
        if not _PATH.fullmatch(path):
            raise Refused(http.client.NOT_FOUND, "no object has such a name")
        headers = {"Accept": accept, **({"Content-Type": kind} if body else {})}
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*request, _request_timeout=timeout or self._seconds).response
        except ApiException as error:
            # The client's own, which would pass for an answer, instead of urllib3's.
            raise SSLError(str(error.reason)) from None
        # A redirection has carried out nothing either.
        if response.status >= http.client.MULTIPLE_CHOICES:
            raise Refused(response.status, _words(self._whole(response)))
        return response


def _words(data: bytes) -> str:
    """Return the message of a Status, or else the beginning of the answer."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return data[: 4 * _MOST_WORDS].decode(errors="replace")
