"""Secrets that follow their source: each SecretDelivery is looked at again and again."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from urllib3.exceptions import HTTPError

from functions.api import Undeliverable, contract

from . import clients, rotation
from .answers import making, reading, writing
from .cluster import Cluster, Refused
from .delivery import (
    Asked,
    Carried,
    Proven,
    Undelivered,
    Version,
    asked_of,
    private_key,
    refuse_source,
    secret,
    status_of,
    value_of,
)
from .keys import clients_of, told
from .known import Known
from .made import made_secret, refuse_made, renewal
from .owners import config_map, take_over
from .reaching import reach

__all__ = ["Deliverer", "path_of_deliveries"]

_LOG = logging.getLogger(__name__)
_AT_ONCE = 16
"""Clusters that are reached at the same time; one that does not answer takes five seconds."""
_LOOK_SECONDS = 20.0
"""How often the source of a delivered Secret is looked at: its metadata alone."""
_LOOK_SECONDS_OF_KEYS = 3.0
"""The same of a Model's keys: one that is taken back has to be refused within seconds."""
_LOOKS_A_SECOND = 50
"""Of keys, over all Models: where there are more, each is looked at more seldom. The API server takes a
millisecond for each."""
_ANEW_SECONDS = 300.0
"""How long until a Secret is delivered anew, should somebody have changed or deleted it in its cluster."""
_TICK_SECONDS = 1.0
"""How often it is asked what is due, where nothing changes."""
_SETTLE_SECONDS = 0.1
"""A change waits so long for others."""
_LONGEST_PAUSE = 30.0
_LONGEST_PAUSE_OF_CLUSTER = 120.0


def path_of_deliveries(namespace: str) -> str:
    """Return the path of all SecretDeliveries of a namespace."""
    return f"/apis/{contract.DELIVERY_API_VERSION}/namespaces/{namespace}/{contract.DELIVERY_PLURAL}"


class _Record:
    """What is remembered of a delivery between two looks."""

    def __init__(self, generation: int, told: Mapping[str, Any] | None) -> None:
        self.generation = generation
        self.told = told
        """The status that was written last, which the watch may not have brought yet."""
        self.carried: Carried | None = None
        """What was delivered last of this generation."""
        self.warning, self.authorities = "", ""
        """What is to be done soon about what was delivered last, and who vouches for it."""
        self.anew_at = 0.0
        self.look_at = 0.0
        self.failures = 0


class _Reached:
    """What is remembered of a cluster."""

    def __init__(self) -> None:
        self.busy = False
        self.not_before = 0.0
        self.failures = 0


class Deliverer:
    """What is asked in one namespace of the control plane, and what is due."""

    def __init__(self, control_plane: Cluster, namespace: str) -> None:
        """Know nothing yet.

        Args:
            control_plane: where deliveries and their sources are.
            namespace: of the deliveries; those of other namespaces are not even read.
        """
        self._control_plane, self._namespace = control_plane, namespace
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._records: dict[str, _Record] = {}
        self._clusters: dict[str, _Reached] = {}
        self._keys = 0
        """Secrets that a look at all keys asks for."""
        self.deliveries: Known[Asked | None] = Known(_read, lambda _: self._changed.set())

    def run(self, stop: threading.Event) -> None:
        """Deliver what is due, until told to stop."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="deliver") as pool:
            while not stop.is_set():
                self._changed.wait(_TICK_SECONDS)
                self._changed.clear()
                stop.wait(_SETTLE_SECONDS)
                for cluster, asked in self._due().items():
                    pool.submit(self._serve, cluster, asked)

    def _due(self) -> dict[str, list[Asked]]:
        """Return the deliveries to look at now, by cluster; those clusters are busy from now on."""
        now = time.monotonic()
        known = [asked for asked in self.deliveries.of(self._namespace).values() if asked]
        due: dict[str, list[Asked]] = {}
        self._keys = sum(_looks(asked) for asked in known if asked.spec.made)
        with self._lock:
            uids = {asked.uid for asked in known}
            self._records = {uid: record for uid, record in self._records.items() if uid in uids}
            # One that is busy looks itself up when it is done.
            asked_for = {asked.cluster for asked in known}
            kept = {n: reached for n, reached in self._clusters.items() if n in asked_for or reached.busy}
            self._clusters = kept
            for asked in known:
                record = self._records.get(asked.uid)
                if record is None or record.generation != asked.generation:
                    told = record.told if record else None
                    record = self._records[asked.uid] = _Record(asked.generation, told)
                cluster = self._clusters.setdefault(asked.cluster, _Reached())
                if record.look_at <= now and cluster.not_before <= now and not cluster.busy:
                    due.setdefault(asked.cluster, []).append(asked)
            for name in due:
                self._clusters[name].busy = True
        return due

    def _serve(self, cluster: str, due: Sequence[Asked]) -> None:
        """Look at some deliveries to a cluster, one after the other, until it does not answer."""
        broken: Undelivered | None = None
        try:
            for asked in due:
                broken = self._look(asked, broken)
        except Exception:
            # What nobody has foreseen of one cluster must not keep the others waiting.
            _LOG.exception("cannot deliver", extra={"details": {"cluster": cluster}})
            broken = Undelivered(Undeliverable.AGENT_FAILED, "", cluster=True)
        with self._lock:
            reached = self._clusters[cluster]
            reached.busy = False
            if broken is None:
                reached.failures, reached.not_before = 0, 0.0
            else:
                pause = min(2.0 ** min(reached.failures, 10), _LONGEST_PAUSE_OF_CLUSTER)
                reached.failures += 1
                reached.not_before = time.monotonic() + pause

    def _look(self, asked: Asked, broken: Undelivered | None) -> Undelivered | None:
        """Deliver a Secret where that is due; return why the cluster takes none, or None."""
        record = self._records.get(asked.uid)
        if record is None or record.generation != asked.generation:
            return broken  # Gone or changed meanwhile.
        outcome: Carried | Undelivered
        try:
            refuse_source(asked)
            outcome = self._deliver(asked, record, broken)
        except Undelivered as error:
            outcome = error
        except Exception as error:
            # Others that go to the same cluster are tried all the same.
            _LOG.exception("cannot deliver a Secret", extra={"details": _details(asked)})
            outcome = Undelivered(Undeliverable.AGENT_FAILED, _FAILED.format(type(error).__name__))
        now = time.monotonic()
        if isinstance(outcome, Carried):
            if record.carried != outcome:
                _LOG.info("delivered a Secret", extra={"details": _details(asked)})
                if asked.spec.made and asked.cluster:
                    self._wake(asked)
            record.carried, record.failures, record.look_at = outcome, 0, now + self._pause(asked)
        else:
            record.look_at = now + min(2.0 ** min(record.failures, 10), _LONGEST_PAUSE)
            record.failures += 1
            details = {**_details(asked), "reason": outcome.reason.value}
            _LOG.warning("cannot deliver a Secret: %s", outcome, extra={"details": details})
        self._tell(asked._replace(status=record.told or asked.status), record, outcome)
        return outcome if isinstance(outcome, Undelivered) and outcome.cluster else broken

    def _pause(self, asked: Asked) -> float:
        """Return the seconds until the source of a delivered Secret is looked at again."""
        if not asked.spec.made:
            return _LOOK_SECONDS
        return max(_LOOK_SECONDS_OF_KEYS, self._keys / _LOOKS_A_SECOND)

    def _deliver(self, asked: Asked, record: _Record, broken: Undelivered | None) -> Carried:
        """Deliver a Secret, unless what is there is what was delivered last.

        Raises:
            Undelivered: saying why.
        """
        source = f"/api/v1/namespaces/{asked.spec.source.namespace}/secrets/{asked.spec.source.name}"
        with reading(asked.source, Undeliverable.SOURCE_MISSING, _CORRECT):
            metadata = self._source(asked, source)
        # The gateway gets another key first, and only where its cluster can be reached.
        due = bool(asked.cluster) and rotation.is_due(asked, metadata, datetime.now(UTC))
        seen = Carried(_version(metadata), clients.seen(self._control_plane, asked))
        before = record.carried
        if before and before.same(seen) and not due and time.monotonic() < record.anew_at:
            return before
        with reading(asked.source, Undeliverable.SOURCE_MISSING, _CORRECT):
            found = self._control_plane.read(source)
        found, proven = self._proven(asked, source, found)
        given, versions = clients.read(self._control_plane, asked)
        if broken is not None:
            raise broken
        target, namespace = asked.spec.target, asked.spec.target.namespace
        with self._reach(asked) as cluster, writing(_secret(asked)):
            path = f"/api/v1/namespaces/{namespace}/secrets/{target.name}"
            if asked.cluster:
                owner = config_map(cluster, asked)
            else:
                owner = asked.owner
                take_over(cluster, path, asked)
            if due:
                found = self._changed_by(asked, source, rotation.changed(asked, found, datetime.now(UTC)))
            value = value_of(asked, found)
            own = {target.key: value}
            if asked.cluster:
                own |= rotation.former(asked, found, datetime.now(UTC))
            taken, left_out = clients_of(asked, own, given)
            cluster.apply(path, secret(asked, value, owner, {**own, **taken, **proven.more}))
        record.warning, record.authorities = proven.warning, proven.authorities
        record.anew_at = time.monotonic() + _ANEW_SECONDS
        return Carried(_version(found["metadata"]), versions, told(left_out, len(given)))

    def _source(self, asked: Asked, path: str) -> dict[str, Any]:
        """Return the metadata of a delivery's source, which is made first where the agent is to make it.

        Raises:
            Undelivered: for a Secret that the agent has not made for this composite.
            Refused: where there is no source, or it may not be read or made.
        """
        if not asked.spec.made:
            return self._control_plane.metadata(path)
        try:
            found = self._control_plane.metadata(path)
        except Refused as error:
            if error.code != http.client.NOT_FOUND:
                raise
            with making(asked):
                self._control_plane.create(path.rpartition("/")[0], made_secret(asked, datetime.now(UTC)))
            _LOG.info("made a Secret", extra={"details": {"secret": asked.source}})
            found = self._control_plane.metadata(path)
        refuse_made(asked, found)
        return found

    def _proven(self, asked: Asked, path: str, found: dict[str, Any]) -> tuple[dict[str, Any], Proven]:
        """Return a source, renewed where that is due, and what is delivered beside its value.

        A certificate that may not be renewed is delivered as long as it serves.

        Raises:
            Undelivered: saying why it does not.
        """
        patch = renewal(asked, found, datetime.now(UTC))
        if not patch:
            return found, private_key(asked, found, value_of(asked, found), time.time())
        try:
            found = self._changed_by(asked, path, patch)
        except Undelivered as refused:
            try:
                proven = private_key(asked, found, value_of(asked, found), time.time())
            except Undelivered:
                raise refused from None
            return found, proven._replace(warning=f"{asked.source} cannot be renewed: {refused}")
        return found, private_key(asked, found, value_of(asked, found), time.time())

    def _changed_by(self, asked: Asked, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change a source that the agent has made; return it as it is then.

        Raises:
            Undelivered: where it may not be written, or read.
        """
        with making(asked):
            self._control_plane.merge(path, patch)
            _LOG.info("changed a Secret", extra={"details": {"secret": asked.source}})
        with reading(asked.source, Undeliverable.SOURCE_MISSING, _CORRECT):
            return self._control_plane.read(path)

    def _wake(self, asked: Asked) -> None:
        """Have other deliveries of the same source looked at now, such as that beside the claim."""
        others = [o for o in self.deliveries.of(self._namespace).values() if o and o.uid != asked.uid]
        with self._lock:
            for other in others:
                record = self._records.get(other.uid)
                if record and other.spec.source == asked.spec.source:
                    record.look_at = 0.0
        self._changed.set()

    @contextmanager
    def _reach(self, asked: Asked) -> Iterator[Cluster]:
        """Give the cluster that a delivery's ProviderConfig names, as provider-kubernetes would reach it."""
        if not asked.cluster:
            yield self._control_plane
            return
        with reach(self._control_plane, asked.namespace, asked.cluster) as cluster:
            yield cluster

    def _tell(self, asked: Asked, record: _Record, outcome: Carried | Undelivered) -> None:
        """Write the status, where it says something else than before."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = status_of(asked, outcome, now, record.warning, record.authorities)
        if status == asked.status:
            return
        try:
            path = f"{path_of_deliveries(asked.namespace)}/{asked.name}"
            self._control_plane.write_status(path, status)
            record.told = status
        except (Refused, HTTPError, OSError) as error:
            if not isinstance(error, Refused) or error.code != http.client.NOT_FOUND:
                _LOG.warning("cannot write a status: %s", error, extra={"details": _details(asked)})


_FAILED = (
    "the agent has failed at it ({}): report what "
    f"Deployment {contract.DELIVERY_AGENT} of the control plane logs"
)
_CORRECT = "create it, or correct the reference to it"


def _read(found: dict[str, Any]) -> Asked | None:
    try:
        return asked_of(found)
    except ValueError:
        # Of another version of the kind; its errors quote what stands there, which is no secret.
        _LOG.exception(
            "cannot read a SecretDelivery", extra={"details": {"delivery": found["metadata"]["name"]}}
        )
        return None


def _looks(asked: Asked) -> int:
    """Return how many Secrets a look at a delivery asks for."""
    return 1 + len({client.secret_ref.name for client in asked.spec.clients})


def _details(asked: Asked) -> dict[str, str]:
    target = asked.spec.target
    return {"delivery": asked.name, "cluster": asked.cluster, "to": f"{target.namespace}/{target.name}"}


def _secret(asked: Asked) -> str:
    return f"Secret {asked.spec.target.namespace}/{asked.spec.target.name}"


def _version(metadata: dict[str, Any]) -> Version:
    return Version(metadata["uid"], metadata["resourceVersion"])
