"""Core looks at once where it would look within a minute: what functions require, it does not watch.

A cluster counts its Models by their records, and Models go by what a cluster tells. That core looks by itself is
waited for in tests/e2e/test_existing.py, and in tests/e2e/real.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from functions.api import contract
from tests.e2e.observing import FREEHOLD, REQUESTED
from tools.control_plane.api import Api
from tools.control_plane.layout import NAMESPACE
from tools.errors import ToolError

_SECONDS = 2.0
"""Between two looks; each lists a few objects."""


@contextmanager
def waking(api: Api) -> Iterator[None]:
    """Ask core to look at clusters when records have changed, and at Models when clusters have."""
    stopped = threading.Event()
    thread = threading.Thread(target=_run, args=[api, stopped], daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _run(api: Api, stopped: threading.Event) -> None:
    records, told = _records(api), _told(api)
    while not stopped.wait(_SECONDS):
        # The API server may be down for a while.
        with suppress(ToolError):
            now = _records(api)
            if now != records:
                _ask(api, contract.CLUSTER_KIND)
            records = now
            said = _told(api)
            if said != told:
                _ask(api, "XModel")
            told = said


def _records(api: Api) -> list[Any]:
    """Return what is counted of Models."""
    return [
        each["metadata"]["labels"]
        for each in api.items("v1", "ConfigMap", NAMESPACE, contract.RECORD_CLUSTER)
    ]


def _told(api: Api) -> list[Any]:
    """Return what Models go by, of each cluster."""
    statuses = [each.get("status", {}) for each in api.items(FREEHOLD, contract.CLUSTER_KIND)]
    return [[status.get("nodePools"), status.get("gateway")] for status in statuses]


def _ask(api: Api, kind: str) -> None:
    for each in api.items(FREEHOLD, kind):
        with suppress(ToolError):  # it may be gone by now
            api.patch(each, {"metadata": {"annotations": {REQUESTED: str(time.time_ns())}}})
