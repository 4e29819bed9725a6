"""Following a kind of objects: a list, then watches from where the list ended, for ever."""

from __future__ import annotations

import http.client
import logging
import random
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

from urllib3.exceptions import HTTPError

from .cluster import Cluster, Refused

__all__ = ["Sink", "Watching"]

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 60
"""How long one watch lasts; short, so that a dead connection is noticed soon."""
_LIST_SECONDS = 900
"""How long until everything is listed anew, whatever the watches have said."""
_LONGEST_PAUSE = 60.0
_PATIENCE_SECONDS = 300
"""Without an answer of the API server for so long, the agent is not well."""


class Sink(Protocol):
    """What takes objects in."""

    def replace(self, objects: list[dict[str, Any]]) -> None:
        """Take all objects that there are, in place of all known before."""

    def change(self, object_: dict[str, Any], *, gone: bool) -> None:
        """Take one object that is new, has changed or is gone."""


class Watching:
    """A kind of objects, followed by a thread of its own."""

    def __init__(self, cluster: Cluster, path: str, query: Mapping[str, str], sink: Sink) -> None:
        """Follow what stands at a path of the API server, as far as a query selects."""
        self._cluster, self._path, self._query, self._sink = cluster, path, dict(query), sink
        self._heard, self._failures = time.monotonic(), 0
        self.listed = threading.Event()
        """Set once everything was listed."""

    def well(self) -> bool:
        """Tell whether the API server has answered lately."""
        return time.monotonic() - self._heard < _PATIENCE_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop; whatever fails is tried again, with longer and longer pauses."""
        while not stop.is_set():
            try:
                self._follow(stop)
            except (Refused, HTTPError, OSError, ValueError, KeyError) as error:
                if isinstance(error, Refused) and error.code == http.client.GONE:
                    # The API server has forgotten where the last watch ended: nothing is wrong.
                    self._failures = 0
                self._pause(stop, error)

    def _follow(self, stop: threading.Event) -> None:
        objects, version = self._cluster.list(self._path, self._query)
        self._well()
        self._sink.replace(objects)
        self.listed.set()
        until = time.monotonic() + _LIST_SECONDS * random.uniform(0.9, 1.1)
        while not stop.is_set() and time.monotonic() < until:
            query = {**self._query, "resourceVersion": version}
            for event in self._cluster.watch(self._path, query, _WATCH_SECONDS):
                version = self._take(event) or version
                self._well()
            self._well()

    def _well(self) -> None:
        self._heard, self._failures = time.monotonic(), 0

    def _take(self, event: dict[str, Any]) -> str:
        """Take one event of a watch; return the version that it brings."""
        kind, found = event["type"], event["object"]
        if kind == "ERROR":
            raise Refused(int(found.get("code", 0)), str(found.get("message", "")))
        if kind != "BOOKMARK":
            self._sink.change(found, gone=kind == "DELETED")
        return str(found["metadata"].get("resourceVersion", ""))

    def _pause(self, stop: threading.Event, error: Exception) -> None:
        seconds = min(2.0 ** min(self._failures, 10), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        self._failures += 1
        details = {"path": self._path, "again_in_seconds": round(seconds, 1)}
        _LOG.warning("cannot follow: %s", error, extra={"details": details})
        stop.wait(seconds)
