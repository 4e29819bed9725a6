"""Waiting for what another process does."""

import os
import time
from collections.abc import Callable

from tools.errors import ToolError

_WAIT_SECONDS = 60
_OFTEN, _RARELY = 0.1, 0.5
"""Seconds between two looks: they take as much of the machine as what is waited for."""


def patience() -> float:
    """Return how many times as long as usual to wait: PATIENCE, for machines that are slow or busy."""
    return float(os.environ.get("PATIENCE", "1"))


def wait_for(what: str, true: Callable[[], bool], seconds: float = _WAIT_SECONDS) -> None:
    """Return when it is true; raise ToolError when it takes too long."""
    seconds *= patience()
    began = time.monotonic()
    while not true():
        waited = time.monotonic() - began
        if waited > seconds:
            raise ToolError(f"waited {seconds:.0f} s for {what}")
        time.sleep(min(max(_OFTEN, waited / 10), _RARELY))
