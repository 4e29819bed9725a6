"""Serve models from folders as the Hub does: `python -m tools.hub acme/house=/models/house`."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.hub.server import Hub, Limit, by_tls, files_of, server


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="hub", description="A small Hub that serves models from folders.")
    parser.add_argument("models", nargs="+", metavar="ORGANISATION/NAME=FOLDER")
    parser.add_argument(
        "--gated", action="append", default=[], metavar="ORGANISATION/NAME", help="needs --token"
    )
    parser.add_argument("--token", default="", help="the token that may read gated models")
    parser.add_argument(
        "--busy", default="", metavar="STATUS,...", help="answer the first requests so, such as 429"
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        metavar="REQUESTS/SECONDS",
        help="refuse a client for some seconds (429) after so many requests",
    )
    parser.add_argument("--address", default=":8080", help="address to listen on (default %(default)s)")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="serve TLS with its tls.crt and tls.key")
    given = parser.parse_args(arguments)
    hubs = _hubs(given.models)
    for name in given.gated:
        gated = next((hub for hub in hubs if hub.repository == name), None)
        if gated is None or not given.token:
            parser.error(f"--gated {name}: it is no model that is served, or there is no --token")
        gated.token = given.token
    for hub in hubs:
        hub.limit = given.limit
    hubs[0].busy = [int(status) for status in given.busy.split(",") if status]
    host, _, port = given.address.rpartition(":")
    listens = socket.create_server((host, int(port)))
    if given.tls:
        listens = by_tls(listens, given.tls)
    # An exit, so that no signal waits for what a client is being sent.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"serving {', '.join(hub.repository for hub in hubs)} on {given.address}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server(hubs, listens, lambda line: print(line, flush=True)).serve_forever()
    return 0


def _limit(text: str) -> Limit:
    """Return the limit of all models together, as an address on the internet has one. Raises ValueError."""
    requests, _, seconds = text.partition("/")
    return Limit(int(requests), float(seconds))


def _hubs(models: Sequence[str]) -> list[Hub]:
    """Return the models, whose files are read once: they are small."""
    return [Hub(name, files_of(Path(folder))) for name, _, folder in (each.partition("=") for each in models)]


if __name__ == "__main__":
    sys.exit(main())
