"""Waiting for what another process does."""

import time
from collections.abc import Callable

from tools.errors import ToolError

_WAIT_SECONDS = 60


def wait_for(what: str, true: Callable[[], bool], seconds: float = _WAIT_SECONDS) -> None:
    """Return when it is true; raise ToolError when it takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise ToolError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.1)
