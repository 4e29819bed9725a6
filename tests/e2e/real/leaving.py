"""The namespace controller looks at once at a namespace that is empty: by itself it comes half a pod's grace later.

A serving pod has a grace of more than a minute, since its answers may take as long, and most pods are gone sooner.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tools.control_plane.api import Api
from tools.errors import ToolError

_SECONDS = 2.0
"""Between two looks; each lists the namespaces."""
_TOUCHED = "e2e.freehold.dev/touched"


@contextmanager
def hurried(api: Api) -> Iterator[None]:
    """Touch each namespace that is on its way out once it has no pods."""
    stopped = threading.Event()
    thread = threading.Thread(target=_run, args=[api, stopped], daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _run(api: Api, stopped: threading.Event) -> None:
    touched: set[str] = set()
    while not stopped.wait(_SECONDS):
        # The API server may be down for a while, and the namespace gone by now.
        with suppress(ToolError):
            for each in api.items("v1", "Namespace"):
                metadata = each["metadata"]
                leaves = "deletionTimestamp" in metadata and metadata["uid"] not in touched
                if leaves and not api.items("v1", "Pod", metadata["name"]):
                    touched.add(metadata["uid"])
                    api.patch(each, {"metadata": {"annotations": {_TOUCHED: str(time.time_ns())}}})
