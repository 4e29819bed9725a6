"""The agent's process: `python -m agent MODE`, in a pod of its cluster or, for tests, by a kubeconfig."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import certifi

from functions.api import contract

from .asker import Asker
from .asking import ask, resolves, trusting
from .cluster import EVENTS, PODS, REPORTS, Cluster
from .deliverer import Deliverer, path_of_deliveries
from .reporter import Reporter
from .shared_address import SharedAddress, answering
from .upgrader import Upgrader, path_of_upgrades
from .watching import Watching

_LOG = logging.getLogger("agent")
_AUTHORITIES = "GATEWAY_AUTHORITIES"


class _Json(logging.Formatter):
    """One line of JSON for each record."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "details", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _health(address: str, watches: Sequence[Watching]) -> ThreadingHTTPServer:
    """Serve /healthz (the API server has answered lately) and /readyz (all is known, too)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            well = all(watch.well() for watch in watches)
            ready = well and all(watch.listed.is_set() for watch in watches)
            known = {"/healthz": well, "/readyz": ready}
            self.send_response(404 if self.path not in known else 200 if known[self.path] else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    host, _, port = address.rpartition(":")
    return ThreadingHTTPServer((host, int(port)), Handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="agent")
    parser.add_argument(
        "mode",
        nargs="?",
        choices=("report", "deliver"),
        default="report",
        help="report: sum up the pods of each Model of a GPU cluster (default); deliver: carry Secrets "
        "of the control plane into GPU clusters, and upgrade the CRDs of charts there",
    )
    parser.add_argument(
        "--namespace",
        default="crossplane-system",
        help="of the SecretDeliveries and CRDUpgrades (default %(default)s)",
    )
    parser.add_argument(
        "--kubeconfig", type=Path, help="of the cluster; default: the pod's own service account"
    )
    parser.add_argument(
        "--health", default=":8081", help="address of the health endpoint (default %(default)s)"
    )
    parser.add_argument(
        "--models",
        help="report: answer there which Models a client of the gateway may call, and merge the keys of all "
        "Models beside the gateway; default: the cluster has no gateway",
    )
    parser.add_argument(
        "--gateway",
        metavar="HOST:PORT",
        help="report: ask each Model there, with its own key, which models it serves; needs --models. "
        f"{_AUTHORITIES} of the environment has the authorities that clients know it by, as PEM",
    )
    parser.add_argument(
        "--clients-are-here",
        action="store_true",
        help="report: pods of this cluster alone can connect to the gateway, so its name has to lead there",
    )
    given = parser.parse_args(arguments)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    cluster = Cluster.of(given.kubeconfig)
    if given.mode == "deliver":
        deliverer = Deliverer(cluster, given.namespace)
        path = path_of_deliveries(given.namespace)
        with _upgrades(stop, cluster, given.namespace):
            _run(stop, given.health, [Watching(cluster, path, {}, deliverer.deliveries)], deliverer.run)
        return 0
    reporter = Reporter(cluster, asks=bool(given.gateway))
    if given.models:
        shared = SharedAddress(cluster)
        _share(stop, given.models, shared)
        if given.gateway:
            _ask(stop, given.gateway, shared, reporter, clients_are_here=given.clients_are_here)
    watches = [
        # The reports first: only their namespaces matter.
        Watching(cluster, REPORTS, {}, reporter.reports),
        Watching(cluster, PODS, {"labelSelector": contract.MODEL}, reporter.pods),
        Watching(cluster, EVENTS, {"fieldSelector": "type=Warning"}, reporter.events),
    ]
    # Half of what there is would make reports that say too little.
    _run(stop, given.health, watches, reporter.run)
    return 0


@contextmanager
def _upgrades(stop: threading.Event, cluster: Cluster, namespace: str) -> Iterator[None]:
    """Upgrade CRDs beside whatever else is done.

    An older package/install.yaml has no such kind: Secrets are delivered even so, so the agent's health is
    not asked of this.
    """
    upgrader = Upgrader(cluster, namespace)
    watch = Watching(cluster, path_of_upgrades(namespace), {}, upgrader.upgrades)
    threading.Thread(target=watch.run, args=[stop], daemon=True).start()
    working = threading.Thread(target=upgrader.run, args=[stop])
    working.start()
    try:
        yield
    finally:
        stop.set()
        working.join()


def _share(stop: threading.Event, address: str, shared: SharedAddress) -> None:
    """Keep the address of all Models; neither reports nor the agent's health wait for it."""
    for target, given in ((shared.run, [stop]), (answering(address, shared).serve_forever, [])):
        threading.Thread(target=target, args=given, daemon=True).start()


def _ask(
    stop: threading.Event, at: str, shared: SharedAddress, reporter: Reporter, *, clients_are_here: bool
) -> None:
    """Ask Models through the gateway; the agent's health is not asked of this."""
    host, _, port = at.rpartition(":")
    authorities = os.environ.get(_AUTHORITIES, "")
    context = trusting(authorities, certifi.where())
    asker = Asker(
        shared.questions,
        reporter.serves,
        lambda question: ask(question, (host, int(port)), context, all_known=bool(authorities)),
        resolves,
        reporter.asked,
        clients_are_here=clients_are_here,
    )
    threading.Thread(target=asker.run, args=[stop], daemon=True).start()


def _run(
    stop: threading.Event, address: str, watches: Sequence[Watching], work: Callable[[threading.Event], None]
) -> None:
    """Follow what there is, and once all of it is known, work until told to stop."""
    health = _health(address, watches)
    threads = [threading.Thread(target=watch.run, args=[stop], daemon=True) for watch in watches]
    for thread in (*threads, threading.Thread(target=health.serve_forever, daemon=True)):
        thread.start()
    _LOG.info("started")
    while not stop.is_set() and not all(watch.listed.wait(0.2) for watch in watches):
        pass
    work(stop)
    _LOG.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
