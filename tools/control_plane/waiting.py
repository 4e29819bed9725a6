"""Waiting, within bounds, for what another process does."""

import os
import time
from collections.abc import Callable

from tools.errors import ToolError

_WAIT_SECONDS = 60
_OFTEN, _RARELY = 0.1, 0.5
"""Seconds between two looks at first and later on; each look takes CPU from what is waited for."""


def patience() -> float:
    """Return PATIENCE: by how much every wait is longer, on a machine that is slow or busy."""
    return float(os.environ.get("PATIENCE", "1"))


def wait_for(what: str, true: Callable[[], bool], seconds: float = _WAIT_SECONDS) -> None:
    """Return when a condition is true; raise ToolError with `what` when that takes too long."""
    seconds *= patience()
    began = time.monotonic()
    while not true():
        waited = time.monotonic() - began
        if waited > seconds:
            raise ToolError(f"waited {seconds:.0f} s for {what}")
        time.sleep(min(max(_OFTEN, waited / 10), _RARELY))
