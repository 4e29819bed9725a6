"""Waiting for what another process does."""

import os
import time
from collections.abc import Callable

from tools.errors import ToolError

_WAIT_SECONDS = 60


def patience() -> float:
    """Return how many times as long as usual to wait: PATIENCE, for machines that are slow or busy."""
    return float(os.environ.get("PATIENCE", "1"))


def wait_for(what: str, true: Callable[[], bool], seconds: float = _WAIT_SECONDS) -> None:
    """Return when it is true; raise ToolError when it takes too long."""
    seconds *= patience()
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise ToolError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.1)
