"""What etcd was told: every value of every key since a revision, also those that were overwritten or deleted."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

from tests.e2e.conftest import Plane
from tools.control_plane.plane import ports_of

_ALL = base64.b64encode(b"\0").decode()


def revision(plane: Plane) -> int:
    """Return the revision of the last write."""
    with _call(plane, "kv/range", {"key": _ALL, "limit": "1", "range_end": _ALL}) as answer:
        return int(json.load(answer)["header"]["revision"])


def written(plane: Plane, since: int, *values: bytes) -> set[str]:
    """Return the keys under which one of these values was ever written after a revision.

    Raises:
        AssertionError: when etcd has forgotten a part of it (it is compacted every five minutes).
    """
    return {key for key, value in _history(plane, since) if any(each in value for each in values)}


def _history(plane: Plane, since: int) -> Iterator[tuple[str, bytes]]:
    last = revision(plane)
    asked = {"key": _ALL, "range_end": _ALL, "start_revision": str(since + 1), "progress_notify": True}
    with _call(plane, "watch", {"create_request": asked}) as answer:
        for line in answer:
            result = json.loads(line)["result"]
            assert not result.get("compact_revision"), "etcd has forgotten what was written first"
            for event in result.get("events", ()):
                kv = event["kv"]
                yield base64.b64decode(kv["key"]).decode(), base64.b64decode(kv.get("value", ""))
                if int(kv["mod_revision"]) >= last:
                    return


def _call(plane: Plane, what: str, body: dict[str, Any]) -> Any:
    url = f"http://127.0.0.1:{ports_of(plane.layout).etcd}/v3/{what}"
    return urlopen(Request(url, json.dumps(body).encode()), timeout=60)
