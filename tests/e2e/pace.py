"""How often a played controller looks: each look costs the API server, which real controllers are told by."""

from __future__ import annotations

import threading

_SOON, _LATE = 0.5, 2.0
_SLOWER = 1.4


class Pace:
    """The pauses between looks: short while there is something to do, and longer and longer while there is not."""

    def __init__(self) -> None:
        """Begin with a short one."""
        self._stopped = threading.Event()
        self._seconds = _SOON

    def stop(self) -> None:
        """End the pause, and have no look follow."""
        self._stopped.set()

    def next(self, *, did: bool) -> bool:
        """Wait until the next look; say whether there is one.

        Args:
            did: whether there was something to do at the last one.
        """
        self._seconds = _SOON if did else min(self._seconds * _SLOWER, _LATE)
        return not self._stopped.wait(self._seconds)
