"""CRDs of charts, upgraded before Helm upgrades the chart: each CRDUpgrade is looked at again and again."""

from __future__ import annotations

import base64
import http.client
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from urllib3.exceptions import HTTPError

from functions.api import Undeliverable, contract

from .answers import reading, writing
from .cluster import Cluster, Refused
from .crds import Asked, Done, Step, annotated, asked_of, crds_of, refuse_secret, standing, status_of, step
from .delivery import Undelivered
from .known import Known
from .reaching import reach
from .repository import ChartUnreadable, Credentials, fetch

__all__ = ["Upgrader", "path_of_upgrades"]

_LOG = logging.getLogger(__name__)
_AT_ONCE = 2
"""Upgrades under way: the CRDs of a chart are in memory meanwhile, many times as large as packed."""
_ANEW_SECONDS = 600.0
"""How long until it is asked again whether a cluster still has what was applied."""
_TICK_SECONDS = 1.0
"""How often it is asked what is due, where nothing changes."""
_LONGEST_PAUSE = 120.0
_MANAGER = "freehold-agent-crds"
"""Of the fields of CRDs."""
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def path_of_upgrades(namespace: str) -> str:
    """Return the path of all CRDUpgrades of a namespace."""
    return f"/apis/{contract.UPGRADE_API_VERSION}/namespaces/{namespace}/{contract.UPGRADE_PLURAL}"


class _Record:
    """What is remembered of an upgrade between two looks."""

    def __init__(self, generation: int, told: Mapping[str, Any] | None) -> None:
        self.generation = generation
        self.told = told
        """The status that was written last, which the watch may not have brought yet."""
        self.busy = False
        self.look_at = 0.0
        self.failures = 0


class Upgrader:
    """What is asked in one namespace of the control plane, and what is due."""

    def __init__(self, control_plane: Cluster, namespace: str) -> None:
        """Know nothing yet.

        Args:
            control_plane: where the upgrades are.
            namespace: of the upgrades; those of other namespaces are not even read.
        """
        self._control_plane, self._namespace = control_plane, namespace
        self._changed = threading.Event()
        self._records: dict[str, _Record] = {}
        self.upgrades: Known[Asked | None] = Known(_read, lambda _: self._changed.set())

    def run(self, stop: threading.Event) -> None:
        """Upgrade what is due, until told to stop."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="upgrade") as pool:
            while not stop.is_set():
                self._changed.wait(_TICK_SECONDS)
                self._changed.clear()
                for asked, record in self._due():
                    pool.submit(self._look, asked, record)

    def _due(self) -> list[tuple[Asked, _Record]]:
        """Return the upgrades to look at now, which are busy from now on."""
        now = time.monotonic()
        known = [asked for asked in self.upgrades.of(self._namespace).values() if asked]
        before = self._records
        # One that is busy is kept, so that nobody else takes up the same.
        self._records = {asked.uid: _record(asked, before.get(asked.uid)) for asked in known}
        due = [(asked, self._records[asked.uid]) for asked in known]
        due = [(asked, record) for asked, record in due if not record.busy and record.look_at <= now]
        for _, record in due:
            record.busy = True
        return due

    def _look(self, asked: Asked, record: _Record) -> None:
        """Upgrade where that is due, and say how that went."""
        asked = asked._replace(status=record.told or asked.status)
        outcome: Done | Undelivered
        try:
            outcome = self._upgrade(asked)
        except Undelivered as error:
            outcome = error
        except Exception as error:
            # What nobody has foreseen of one must not end the others.
            _LOG.exception("cannot upgrade CRDs", extra={"details": _details(asked)})
            outcome = Undelivered(Undeliverable.AGENT_FAILED, _FAILED.format(type(error).__name__))
        pause = _ANEW_SECONDS
        if isinstance(outcome, Undelivered):
            pause = min(2.0 ** min(record.failures, 10), _LONGEST_PAUSE)
            details = {**_details(asked), "reason": outcome.reason.value}
            _LOG.warning("cannot upgrade CRDs: %s", outcome, extra={"details": details})
        record.failures = record.failures + 1 if isinstance(outcome, Undelivered) else 0
        try:
            self._tell(asked, record, outcome)
        finally:
            record.look_at = time.monotonic() + pause
            record.busy = False
            self._changed.set()

    def _upgrade(self, asked: Asked) -> Done:
        """Upgrade the CRDs of a chart in a cluster, unless they are the chart's already.

        Raises:
            Undelivered: saying why not.
        """
        refuse_secret(asked)
        if (applied := asked.applied) and (done := self._has(asked, applied.crds)):
            return done
        chart = asked.spec.chart
        try:
            archive = fetch(chart.repository, chart.name, chart.version, self._credentials(asked))
        except ChartUnreadable as error:
            raise Undelivered(Undeliverable.CHART_UNREADABLE, str(error)) from None
        crds = {str(crd["metadata"]["name"]): crd for crd in crds_of(archive)}
        with self._reach(asked) as cluster, writing(f"CRDs of chart {asked.chart}", hides=False):
            # All are looked at before the first is changed.
            steps = {name: step(crd, _found(cluster, name), asked.chart) for name, crd in crds.items()}
        due = {name: crd for name, crd in crds.items() if steps[name] is Step.APPLY}
        # Much of what is wrong with a CRD only an API server knows.
        for name, crd in due.items():
            self._apply(asked, name, crd, dry=True)
        for name, crd in due.items():
            self._apply(asked, name, crd)
            _LOG.info("upgraded a CRD", extra={"details": {**_details(asked), "crd": name}})
        return Done(tuple(crds), tuple(name for name in crds if steps[name] is Step.NEWER))

    def _apply(self, asked: Asked, name: str, crd: Mapping[str, Any], *, dry: bool = False) -> None:
        # Each with the time that a cluster has: large ones take the API server long.
        with self._reach(asked) as cluster, writing(f"CRD {name}", hides=False):
            cluster.apply(f"{_CRDS}/{name}", annotated(crd, asked.chart), _MANAGER, dry=dry)

    def _has(self, asked: Asked, names: Sequence[str]) -> Done | None:
        """Return what a cluster has, where that is what was applied last; None where it is not."""
        with self._reach(asked) as cluster, writing(f"CRDs of chart {asked.chart}", hides=False):
            found = {name: _metadata(cluster, name) for name in names}
        steps = {name: standing(each, asked.chart) for name, each in found.items() if each}
        if len(steps) < len(names) or Step.APPLY in steps.values():
            return None
        return Done(tuple(names), tuple(name for name in names if steps[name] is Step.NEWER))

    def _reach(self, asked: Asked) -> AbstractContextManager[Cluster]:
        return reach(self._control_plane, asked.namespace, asked.spec.provider_config_ref.name)

    def _credentials(self, asked: Asked) -> Credentials | None:
        """Return the credentials of the chart's repository; None where it needs none.

        Raises:
            Undelivered: where they are not to be had.
        """
        ref = asked.spec.pull_secret_ref
        if ref is None:
            return None
        what = f"Secret {ref.namespace}/{ref.name}, the chart repository's credentials,"
        correct = "put username and password there"
        with reading(what, Undeliverable.SOURCE_MISSING, correct):
            held = self._control_plane.read(f"/api/v1/namespaces/{ref.namespace}/secrets/{ref.name}")
        try:
            data = held.get("data") or {}
            return Credentials(*(base64.b64decode(data[key]).decode() for key in Credentials._fields))
        except (KeyError, TypeError, ValueError):
            # Not the error itself: it may quote the password.
            raise Undelivered(Undeliverable.KEY_MISSING, f"{what} has not both: {correct}") from None

    def _tell(self, asked: Asked, record: _Record, outcome: Done | Undelivered) -> None:
        """Write the status, where it says something else than before."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = status_of(asked, outcome, now)
        if status == asked.status:
            return
        try:
            self._control_plane.write_status(f"{path_of_upgrades(asked.namespace)}/{asked.name}", status)
            record.told = status
        except (Refused, HTTPError, OSError) as error:
            if not isinstance(error, Refused) or error.code != http.client.NOT_FOUND:
                _LOG.warning("cannot write a status: %s", error, extra={"details": _details(asked)})


_FAILED = (
    "the agent has failed at it ({}): report what "
    f"Deployment {contract.DELIVERY_AGENT} of the control plane logs"
)


def _read(found: dict[str, Any]) -> Asked | None:
    try:
        return asked_of(found)
    except ValueError:
        # Of another version of the kind.
        _LOG.exception("cannot read a CRDUpgrade", extra={"details": {"upgrade": found["metadata"]["name"]}})
        return None


def _record(asked: Asked, before: _Record | None) -> _Record:
    """Return what is remembered of an upgrade; one that is busy with the spec of before ends that first."""
    if before is not None and (before.busy or before.generation == asked.generation):
        return before
    return _Record(asked.generation, before.told if before else None)


def _details(asked: Asked) -> dict[str, str]:
    cluster = asked.spec.provider_config_ref.name
    return {"upgrade": asked.name, "cluster": cluster, "chart": asked.chart}


def _found(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """Return a CRD of a cluster; None where it is not there."""
    try:
        return cluster.read(f"{_CRDS}/{name}")
    except Refused as error:
        if error.code != http.client.NOT_FOUND:
            raise
        return None


def _metadata(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """Return the metadata of a CRD of a cluster; None where it is not there."""
    try:
        return cluster.metadata(f"{_CRDS}/{name}")
    except Refused as error:
        if error.code != http.client.NOT_FOUND:
            raise
        return None
