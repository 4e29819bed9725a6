"""Limits of a Model at a real Envoy, with Envoy's own service that counts and a real Redis.

Envoy Gateway's translation of the rules is tried in tests/e2e/real; here they are translated as it does.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from functions.api import Limits, limit_rules
from functions.cluster_stack.gateway.limits import COMMAND
from tests.contract import envoy
from tools.control_plane import envoy_gateway
from tools.control_plane.layout import free_ports
from tools.images import debian
from tools.images.kinds import valkey
from tools.images.tree import File, Link
from tools.toolchain import provide

OWN, OTHERS = "key-of-team-a-0123456789", "key-of-team-b-0123456789"
MODELS = {"team-a/chat": OWN, "team-b/chat": OTHERS}
A, B = "team-a[.]chat", "team-b[.]chat"
RULES = [
    *limit_rules.of(Limits(requests_per_minute=3), A),
    *limit_rules.of(Limits(tokens_per_minute=100, tokens_per_month=100_000), B),
]
DOMAIN = "team"
_SECONDS = 30
Ask = Callable[..., tuple[int, dict[str, str]]]


def _actions(index: int, rule: dict[str, Any]) -> list[dict[str, Any]]:
    [selector] = rule["clientSelectors"]
    [header], [method] = selector["headers"], selector["methods"]

    def match(key: str, name: str, **how: Any) -> dict[str, Any]:
        headers = [{"name": name, "string_match": how}]
        return {"header_value_match": {"descriptor_key": key, "descriptor_value": key, "headers": headers}}

    return [
        {"generic_key": {"descriptor_key": f"rule-{index}", "descriptor_value": f"rule-{index}"}},
        match("client", header["name"], safe_regex={"regex": header["value"]}),
        match("method", ":method", exact=method["value"]),
    ]


def _limits() -> list[dict[str, Any]]:
    """Return the rules as Envoy takes them: one before a request, and where tokens count one after it."""
    found: list[dict[str, Any]] = []
    for index, rule in enumerate(RULES):
        cost, actions = rule.get("cost"), _actions(index, rule)
        if not cost:
            found.append({"actions": actions})
            continue
        counted = cost["response"]["metadata"]
        text = f"%DYNAMIC_METADATA({counted['namespace']}:{counted['key']})%"
        found.append({"actions": actions, "hits_addend": {"number": cost["request"]["number"]}})
        found.append({"actions": actions, "hits_addend": {"format": text}, "apply_on_stream_done": True})
    return found


def _counter_rules() -> dict[str, Any]:
    """Return what the service that counts is told."""

    def descriptor(key: str, **more: Any) -> dict[str, Any]:
        return {"key": key, "value": key, **more}

    found = []
    for index, rule in enumerate(RULES):
        limit = {"unit": rule["limit"]["unit"].lower(), "requests_per_unit": rule["limit"]["requests"]}
        method = descriptor("method", rate_limit=limit)
        found.append(descriptor(f"rule-{index}", descriptors=[descriptor("client", descriptors=[method])]))
    return {"domain": DOMAIN, "descriptors": found}


def _redis(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return the program, unpacked, and the variables by which it finds its libraries."""
    packages = debian.resolve(valkey.PACKAGES, "amd64")
    for path, entry in debian.tree(packages).items():
        if path.startswith(("usr/bin/redis", "usr/lib/", "lib/")) and isinstance(entry, File | Link):
            to = folder / path
            to.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(entry, Link):
                to.symlink_to(entry.target)
                continue
            to.write_bytes(entry.read())
            to.chmod(0o755)
    libraries = (folder / each for each in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
    return folder / "usr/bin/redis-server", {"LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))}


@contextmanager
def _process(folder: Path, name: str, command: list[str], variables: dict[str, str]) -> Iterator[None]:
    with (
        (folder / f"{name}.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | variables) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def _counting(folder: Path) -> Iterator[int]:
    """Run the service with a Redis of its own; give its port."""
    provide(envoy_gateway.COUNTS)
    redis, grpc, http, debug = free_ports(4)
    rules = folder / "runtime" / "config"
    rules.mkdir(parents=True)
    # JSON is YAML.
    (rules / "limits.yaml").write_text(json.dumps(_counter_rules()))
    program, libraries = _redis(folder / "redis")
    # As in a cluster; what comes later counts.
    own = ["--port", str(redis), "--bind", "127.0.0.1"]
    given = [str(folder) if each == "/data" else each for each in COMMAND[1:]]
    stores = [str(program), *given, *own]
    variables = {
        "RUNTIME_ROOT": str(folder),
        "RUNTIME_SUBDIRECTORY": "runtime",
        "RUNTIME_WATCH_ROOT": "false",
        "USE_STATSD": "false",
        "LOG_LEVEL": "warn",
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_URL": f"127.0.0.1:{redis}",
        "GRPC_HOST": "127.0.0.1",
        "DEBUG_HOST": "127.0.0.1",
        "HOST": "127.0.0.1",
        "PORT": str(http),
        "GRPC_PORT": str(grpc),
        "DEBUG_PORT": str(debug),
    }
    with _process(folder, "redis", stores, libraries):
        envoy.wait(redis, folder / "redis.log")
        with _process(folder, "limits", [str(envoy_gateway.COUNTS.path())], variables):
            envoy.wait(grpc, folder / "limits.log")
            yield grpc


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    folder = tmp_path_factory.mktemp("limits")
    with (
        _counting(folder) as counts,
        envoy.running(folder, MODELS, envoy.Counted(counts, DOMAIN, _limits())) as (port, _),
    ):

        def ask(model: str, tokens: int = 0, *, shared: bool = False) -> tuple[int, dict[str, str]]:
            usage = {"prompt_tokens": 1, "completion_tokens": tokens - 1}
            played = ["application/json", [json.dumps({"usage": usage})]]
            headers = {"Authorization": f"Bearer {MODELS[model]}"}
            if tokens:
                headers[envoy.PLAY] = json.dumps(played)
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            path = envoy.PATH if shared else f"/{model}{envoy.PATH}"
            connection.request("POST", path, json.dumps({"model": model}), headers)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}

        # A minute of the counters is the clock's: all of it is to be in one.
        if (left := 60 - time.time() % 60) < _SECONDS:
            time.sleep(left)
        yield ask


def test_requests_above_a_limit_are_refused_at_both_addresses(ask: Ask) -> None:
    """With what is left, and when to come again; nobody else is."""
    got = [ask("team-a/chat"), ask("team-a/chat", shared=True), ask("team-a/chat")]
    assert [status for status, _ in got] == [200, 200, 200]
    assert [told["x-ratelimit-remaining"] for _, told in got] == ["2", "1", "0"]
    for shared in (False, True):
        status, told = ask("team-a/chat", shared=shared)
        assert (status, told["x-ratelimit-remaining"]) == (429, "0")
        assert told["retry-after"] == told["x-ratelimit-reset"]
        assert 0 < int(told["retry-after"]) <= 60
    assert ask("team-b/chat")[0] == 200


def test_tokens_are_counted_once_an_answer_has_ended(ask: Ask) -> None:
    """One that goes beyond the limit comes whole; the minute's is nearer than the month's."""
    for tokens, before, left in ((90, "100", "10"), (20, "10", "0")):
        status, told = ask("team-b/chat", tokens)
        assert (status, told["x-ratelimit-remaining"]) == (200, before)
        _until_left(ask, left)
    status, told = ask("team-b/chat", 20)
    assert (status, told["x-ratelimit-remaining"]) == (429, "0")


def _until_left(ask: Ask, left: str) -> None:
    """Wait until the service has counted an answer, which Envoy tells it after the client has got the answer."""
    deadline = time.monotonic() + 20
    # What is played without tokens takes none.
    while (found := ask("team-b/chat")[1]["x-ratelimit-remaining"]) != left:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
