"""Reports that follow the pods: each is computed anew when something of its namespace has changed."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from urllib3.exceptions import HTTPError

from functions.api import AtGateway, contract

from .cluster import Cluster, Refused
from .known import Known
from .logs import explaining_line
from .report import crashes, report, serves
from .troubles import Crash, Warned, crash_of, warned

__all__ = ["Reporter"]

_LOG = logging.getLogger(__name__)
_SETTLE_SECONDS = 1.0
"""A change waits so long for others: a rollout changes many things at once."""
_PAUSE_SECONDS = 5.0
"""The least time between two writes of one report."""
_LONGEST_PAUSE = 60.0
_LOGS_AT_ONCE = 4
_REMEMBERED = 4
"""Pods of a namespace that are remembered when they are gone."""
_OBSERVED_AT, _UTC = "observedAt", "%Y-%m-%dT%H:%M:%SZ"
_GROUP = "leaderworkerset.sigs.k8s.io/name"
"""Label of the pods of a LeaderWorkerSet, which deletes a whole group when one container ends."""


class _Namespace:
    """What is remembered of a namespace between two looks."""

    def __init__(self) -> None:
        self.lines: dict[Crash, str] = {}
        """The line that explains each crash; a log is read once."""
        self.past: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED)
        """Pods that are gone, and whose end explains what comes after them."""
        self.not_before = 0.0
        """When the report may be written again."""
        self.failures = 0
        self.gateway: AtGateway | None = None
        """What came of a request through the gateway; None: that cannot be told."""
        self.asked = False
        """Whether one was made."""


class Reporter:
    """What the agent knows of its cluster, and which reports are due."""

    def __init__(self, cluster: Cluster, *, asks: bool = False) -> None:
        """Know nothing yet.

        Args:
            cluster: whose Models are reported of.
            asks: whether somebody asks through a gateway, and says what comes of it.
        """
        self._cluster, self._asks = cluster, asks
        self._lock = threading.Condition()
        self._namespaces: dict[str, _Namespace] = {}
        self._due: dict[str, float] = {}
        self.pods: Known[dict[str, Any]] = Known(_pod, self._touch, self._remember)
        self.events: Known[Warned] = Known(warned, self._touch)
        self.reports: Known[dict[str, Any]] = Known(lambda found: found.get("report") or {}, self._touch)

    def run(self, stop: threading.Event) -> None:
        """Write what is due, until told to stop."""
        while not stop.is_set():
            for namespace in self._ready():
                try:
                    self.update(namespace)
                except Exception:
                    # What nobody has foreseen of one Model must not keep the others waiting.
                    _LOG.exception("cannot report", extra={"details": {"namespace": namespace}})

    def serves(self, namespace: str) -> bool:
        """Tell whether a Model is reported of, and a pod of it is ready."""
        return bool(self.reports.of(namespace)) and serves(self.pods.of(namespace).values())

    def asked(self, namespace: str, gateway: AtGateway | None) -> None:
        """Take what came of a request through the gateway; None: that cannot be told."""
        here = self._namespaces.setdefault(namespace, _Namespace())
        if (here.asked, here.gateway) != (True, gateway):
            here.asked, here.gateway = True, gateway
            self._touch(namespace)

    def _ready(self) -> list[str]:
        """Wait a second at most; return the namespaces that are due."""
        with self._lock:
            now = time.monotonic()
            first = min(self._due.values(), default=now + 1.0)
            self._lock.wait(min(max(first - now, 0.0), 1.0))
            return sorted(name for name, when in self._due.items() if when <= time.monotonic())

    def update(self, namespace: str) -> None:
        """Compute the report of a namespace, and write it if it has changed."""
        with self._lock:
            self._due.pop(namespace, None)
        known = self.reports.of(namespace).get(contract.REPORT_NAME)
        if known is None:
            # Not a Model's namespace, or one of a control plane that reads no reports.
            self._namespaces.pop(namespace, None)
            return
        here = self._namespaces.setdefault(namespace, _Namespace())
        pods = [*self.pods.of(namespace).values(), *here.past]
        self._read(namespace, here, crashes(pods))
        gateway = _gateway(known) if self._asks and not here.asked else here.gateway
        now = report(pods, list(self.events.of(namespace).values()), here.lines, gateway).plain()
        # A report that said the time alone anew would wake its Model for nothing.
        if now != {key: value for key, value in known.items() if key != _OBSERVED_AT}:
            self._write(namespace, here, {**now, _OBSERVED_AT: time.strftime(_UTC, time.gmtime())})

    def _write(self, namespace: str, here: _Namespace, now: dict[str, Any]) -> None:
        try:
            self._cluster.write(namespace, now)
        except (Refused, HTTPError, OSError) as error:
            if isinstance(error, Refused) and error.code == http.client.NOT_FOUND:
                # The Model goes.
                return
            pause = min(2.0**here.failures, _LONGEST_PAUSE)
            here.failures = min(here.failures + 1, 10)
            here.not_before = time.monotonic() + pause
            details = {"namespace": namespace, "again_in_seconds": pause}
            _LOG.warning("cannot write a report: %s", error, extra={"details": details})
            self._touch(namespace)
            return
        here.failures, here.not_before = 0, time.monotonic() + _PAUSE_SECONDS
        # Known at once: the watch brings it later, and until then it would be written again.
        place = {"namespace": namespace, "name": contract.REPORT_NAME}
        self.reports.change({"metadata": place, "report": now}, gone=False)
        _LOG.info("wrote a report", extra={"details": {"namespace": namespace}})

    def _read(self, namespace: str, here: _Namespace, ends: Iterable[Crash]) -> None:
        """Have the explaining line of each crash; of many crashes, a few logs at a time."""
        wanted = list(ends)
        here.lines = {crash: line for crash, line in here.lines.items() if crash in wanted}
        unread = [crash for crash in wanted if crash not in here.lines]
        for crash in unread[:_LOGS_AT_ONCE]:
            here.lines[crash] = self._line(namespace, crash)
        if unread[_LOGS_AT_ONCE:]:
            self._touch(namespace)

    def _line(self, namespace: str, crash: Crash) -> str:
        try:
            return explaining_line(self._cluster.log(namespace, crash))
        except (Refused, HTTPError, OSError) as error:
            details = {"namespace": namespace, "pod": crash.pod}
            _LOG.info("no log of a container that ended: %s", error, extra={"details": details})
            return ""

    def _touch(self, namespace: str) -> None:
        """Have the report of a namespace computed soon."""
        here = self._namespaces.get(namespace)
        with self._lock:
            soon = time.monotonic() + _SETTLE_SECONDS
            self._due.setdefault(namespace, max(soon, here.not_before) if here else soon)
            self._lock.notify_all()

    def _remember(self, namespace: str, pod: dict[str, Any]) -> None:
        """Remember a pod of a group that is gone because a container of the pod ended."""
        here = self._namespaces.get(namespace)
        if here and _GROUP in pod["metadata"].get("labels", {}) and crash_of(pod) is not None:
            pod["status"]["phase"] = "Failed"
            here.past.append(pod)


def _gateway(known: dict[str, Any]) -> AtGateway | None:
    """Return what a report says already: an agent that starts has not asked yet."""
    try:
        return AtGateway.model_validate(known["gateway"])
    except (KeyError, ValueError):
        return None


def _pod(pod: dict[str, Any]) -> dict[str, Any]:
    """Keep a pod without the record of who set which field, its largest part."""
    pod["metadata"].pop("managedFields", None)
    return pod
