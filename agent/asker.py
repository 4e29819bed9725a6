"""Models that are asked through the gateway again and again, as apps ask them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from functions.api import AtGateway, GatewayTrouble

from .asking import Question, Tried

__all__ = ["Asker"]

_LOG = logging.getLogger(__name__)
_AT_ONCE = 8
"""Requests at the same time."""
_TICK_SECONDS = 1.0
_WELL_SECONDS, _ILL_SECONDS = 30.0, 4.0
"""How long until a Model is asked again that has answered, or that has not."""
_A_SECOND = 10
"""Requests over all Models: where there are more, each is asked more seldom."""
_TRIES = 3
"""Requests in a row without an answer before it is told: an Envoy learns of a route, a key or a pod a
moment after it is there."""


class _Record:
    """What is remembered of a Model between two requests."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.at = 0.0
        """When to ask again."""
        self.failures = 0
        """Requests in a row without an answer."""
        self.since = ""
        """When the first of these was made."""
        self.told: AtGateway | None = None
        self.busy = False


class Asker:
    """Who is asked, and when again."""

    def __init__(
        self,
        questions: Callable[[], Mapping[str, Question]],
        serves: Callable[[str], bool],
        ask: Callable[[Question], Tried],
        resolves: Callable[[str], bool],
        tell: Callable[[str, AtGateway | None], None],
        *,
        clients_are_here: bool,
    ) -> None:
        """Know nothing yet.

        Args:
            questions: gives how each Model is asked, by its namespace.
            serves: tells whether a pod of a Model is ready; one without is not asked.
            ask: makes a request.
            resolves: tells whether a host's name leads anywhere in this cluster.
            tell: is told what came of it, by the Model's namespace.
            clients_are_here: whether pods of this cluster alone can connect.
        """
        self._questions, self._serves, self._ask = questions, serves, ask
        self._resolves, self._tell, self._here = resolves, tell, clients_are_here
        self._records: dict[str, _Record] = {}

    def run(self, stop: threading.Event) -> None:
        """Ask who is due, until told to stop."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ask") as pool:
            while not stop.wait(_TICK_SECONDS):
                for namespace, record in self._due():
                    record.busy = True
                    pool.submit(self._look, namespace, record)

    def _due(self) -> list[tuple[str, _Record]]:
        found = self._questions()
        for namespace in self._records.keys() - found.keys():
            del self._records[namespace]
        for namespace, question in found.items():
            record = self._records.get(namespace)
            if record is None:
                self._records[namespace] = _Record(question)
            elif record.question != question:
                # Such as another key.
                record.question, record.at = question, 0.0
        now = time.monotonic()
        due = []
        for namespace, record in self._records.items():
            if record.at > now or record.busy:
                continue
            if self._serves(namespace):
                due.append((namespace, record))
            else:
                record.failures = 0
        return due

    def _look(self, namespace: str, record: _Record) -> None:
        try:
            self.look(namespace, record.question, record)
        except Exception as error:
            # Not the error itself: it may quote the key.
            name = type(error).__name__
            _LOG.error("cannot ask a Model: %s", name, extra={"details": {"namespace": namespace}})
        finally:
            pause = _ILL_SECONDS if record.failures else _WELL_SECONDS
            record.at = time.monotonic() + max(pause, len(self._records) / _A_SECOND)
            record.busy = False

    def look(self, namespace: str, question: Question, record: _Record) -> None:
        """Ask a Model once, and tell what is new."""
        resolved = self._resolves(question.host)
        tried = self._ask(question)
        unresolved = f"{question.host} leads to no address in the GPU cluster"
        if tried.judged and tried.reason is None and not resolved and self._here:
            tried = Tried(GatewayTrouble.HOST_UNRESOLVED, unresolved)
        if tried.reason is None:
            record.failures = 0
            note = None if resolved else unresolved
            record.told = AtGateway(answered=True, message=note) if tried.judged else None
        else:
            if record.failures == 0:
                record.since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            record.failures += 1
            if record.failures < _TRIES:
                return
            # The same words as long as it is the same: each change wakes the Model.
            if record.told is None or record.told.reason != tried.reason:
                record.told = AtGateway(
                    answered=False, reason=tried.reason, message=tried.message, since=record.since
                )
                details = {"namespace": namespace, "reason": tried.reason.value}
                _LOG.warning("a Model does not answer: %s", tried.message, extra={"details": details})
        self._tell(namespace, record.told)
