"""The API server of the agent's cluster: what the agent reads there, and the reports that it writes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_incluster_config, load_kube_config

from functions.api import contract

from .troubles import Crash

__all__ = ["EVENTS", "PODS", "REPORTS", "Cluster", "Refused"]

PODS, EVENTS = "/api/v1/pods", "/api/v1/events"
REPORTS = f"/apis/{contract.REPORT_API_VERSION}/{contract.REPORT_PLURAL}"
"""Paths of all objects of a kind, in every namespace."""

_SECONDS = (5.0, 30.0)
"""Time to connect, and to wait for the next byte."""
_LOG_LINES, _LOG_BYTES = 400, 256 * 1024
"""Of the end of a log: an engine's other processes write some hundred lines after the one that matters."""
_JSON_PATCH = "application/json-patch+json"


class Refused(Exception):  # noqa: N818  (the answer, not the agent, is at fault)
    """The API server's answer to a request that it does not carry out."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the HTTP status and the message."""
        super().__init__(f"{code}: {message}")
        self.code = code


class Cluster:
    """One API server. Threads may share it."""

    def __init__(self, client: ApiClient) -> None:
        """Use a client of `kubernetes`."""
        self._client = client

    @classmethod
    def of(cls, kubeconfig: Path | None) -> Cluster:
        """Return the cluster of a kubeconfig; without one, the cluster that the agent's pod runs in."""
        configuration = Configuration()
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
        _ = self._send("PATCH", path, {"fieldValidation": "Strict"}, body).data

    def _get(self, path: str, query: Mapping[str, str]) -> bytes:
        response = self._send("GET", path, query)
        data: bytes = response.data
        return data

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: object = None,
        timeout: tuple[float, float] = _SECONDS,
    ) -> Any:
        headers = {"Accept": "application/json", **({"Content-Type": _JSON_PATCH} if body else {})}
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self._client.call_api(*request, _request_timeout=timeout).response
        if response.status >= http.client.BAD_REQUEST:
            raise Refused(response.status, _words(response.data))
        return response


def _words(data: bytes) -> str:
    """Return the message of a Status, or else the answer's beginning."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace")
