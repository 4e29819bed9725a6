"""What becomes of requests to replicas that are full, gone or broken: `python -m ... FOLDER`, see `envoy_gateway`.

FOLDER/asked.json has the paths of requests, by what their Model is. It prints what was answered and what the
replicas have heard, by what was tried.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.envoy_gateway import ENGINE, KEY, PORT, RECORDS, addressed, begun, connected

__all__ = ["BEGUN", "BOUND", "GONE", "OTHER", "REST"]

OTHER, GONE = "10.244.0.12", "10.244.0.13"
"""Addresses of another replica, and of one where nothing listens."""
BOUND = 3
"""Requests that a Model of the test holds at once."""
BEGUN, REST = "begun, ", "and whole"
"""What a replica sends at once, and once it may go on."""
_NAME, _PLAY = "x-name", "x-play"
_ASKED, _HEARD = Counter[str](), Counter[str]()
_MAY_GO_ON = threading.Event()


class _Replica(BaseHTTPRequestHandler):
    """Answers with its address, or as it is told."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, "{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        _HEARD[self.headers.get(_NAME, "")] += 1
        plays: dict[str, Callable[[], None]] = {
            "hold": self._hold,
            "refuse": lambda: self._answer(500, "broken"),
            "cut": self._cut,
            "drop": self._end,
            "full": lambda: self._answer(503, "the engine is full"),
        }
        here = str(self.request.getsockname()[0])
        plays.get(self.headers.get(_PLAY, ""), lambda: self._answer(200, here))()

    def _answer(self, status: int, text: str, length: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
        self.wfile.flush()

    def _hold(self) -> None:
        self._answer(200, BEGUN, len(BEGUN + REST))
        _MAY_GO_ON.wait(60)
        self.wfile.write(REST.encode())

    def _cut(self) -> None:
        self._answer(200, BEGUN, len(BEGUN + REST))
        self._end()

    def _end(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Said(NamedTuple):
    """An answer."""

    status: int
    body: str
    headers: dict[str, str]


class _App(NamedTuple):
    context: ssl.SSLContext

    def ask(
        self, path: str, name: str, play: str = "", method: str = "POST", model: str = "", **more: str
    ) -> Said:
        _ASKED[name] += 1
        client = connected(self.context)
        own = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", _NAME: name, _PLAY: play}
        client.request(method, path, json.dumps({"model": model, "prompt": "x"}), {**own, **more})
        answer = client.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        try:
            body = answer.read().decode()
        except http.client.IncompleteRead as cut:
            body = cut.partial.decode()
        client.close()
        return Said(answer.status, body, told)

    def flood(self, path: str, model: str) -> dict[str, Any]:
        """Fill the Model, ask for more, and let it go on."""
        _MAY_GO_ON.clear()
        before, held = _HEARD["held"], list[Said]()
        threads = [
            threading.Thread(target=lambda: held.append(self.ask(path, "held", "hold", model=model)))
            for _ in range(BOUND)
        ]
        for thread in threads:
            thread.start()
        _until(lambda: _HEARD["held"] - before == BOUND)
        above = [self.ask(path, "above", model=model) for _ in range(5)]
        listed = self.ask(path.replace("chat/completions", "models"), "", method="GET") if not model else None
        _MAY_GO_ON.set()
        for thread in threads:
            thread.join()
        after = self.ask(path, "after", model=model)
        return {"held": held, "above": above, "listed": listed and listed.status, "after": after.status}


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, dict(_HEARD)
        time.sleep(0.01)


def _main(folder: Path) -> None:
    addressed(ENGINE, OTHER)
    for address in (ENGINE, OTHER):
        server = ThreadingHTTPServer((address, PORT), _Replica)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    paths = json.loads((folder / "asked.json").read_text())
    models = paths["bounded"].replace("chat/completions", "models")
    context, first = begun(folder, (models, KEY, {}))
    assert first[0] == http.client.OK, (folder / "log").read_text()[-3000:]
    app = _App(context)
    _until(lambda: app.ask(paths["broken"], "").status == http.client.OK)
    found: dict[str, Any] = {
        "own": app.flood(paths["bounded"], ""),
        "shared": app.flood("/v1/chat/completions", paths["name"]),
        "spread": [app.ask(paths["bounded"], "spread").body for _ in range(20)],
        "all gone": app.ask(paths["gone"], "all gone"),
        "one gone": [app.ask(paths["broken"], "one gone").status for _ in range(20)],
    }
    for play in ("refuse", "cut", "drop", "full"):
        found[play] = app.ask(paths["bounded"], play, play)
    found["heard"] = dict(_HEARD)
    records = folder / RECORDS

    def lines() -> list[str]:
        return records.read_text().splitlines() if records.exists() else []

    _until(lambda: len(lines()) >= _ASKED.total())
    found["records"] = [json.loads(line) for line in lines()]
    print(json.dumps(found))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
