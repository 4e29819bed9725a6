"""Limits of a Model at a real Envoy, with Envoy's own service that counts and a real Redis.

Envoy Gateway's translation of the rules is tried in tests/e2e/real; here they are translated as it does.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from functions.api import Gateway, GatewayLimits, Limits, WhenUnavailable, contract, limit_rules
from functions.cluster_stack.gateway.limits import COMMAND, config
from tests.contract import envoy
from tools.control_plane import envoy_gateway
from tools.control_plane.layout import free_ports
from tools.images import debian
from tools.images.kinds import valkey
from tools.images.tree import File, Link
from tools.toolchain import provide

OWN, OTHERS = "key-of-team-a-0123456789", "key-of-team-b-0123456789"
MODELS = {
    "team-a/chat": OWN,
    "team-b/chat": OTHERS,
    "team-c/one": "one" * 8,
    "team-c/two": "two" * 8,
    "team-d/chat": "d" * 32,
}


def _of(client: str) -> dict[str, str]:
    return limit_rules.matching(contract.GATEWAY_CLIENT, client)


WHOSE = "x-whose"
"""Header that stands for one that says whose token it was."""
RULES = [
    *limit_rules.of(Limits(requests_per_minute=3), _of("team-a[.]chat")),
    *limit_rules.of(Limits(tokens_per_minute=100, tokens_per_month=100_000), _of("team-b[.]chat")),
    *limit_rules.of(Limits(requests_per_minute=4), limit_rules.matching(contract.GATEWAY_MODEL, "team-c/.+")),
    *limit_rules.of(Limits(requests_per_minute=2), limit_rules.each(WHOSE)),
]
DOMAIN = "team"
_SECONDS = 30
Ask = Callable[..., tuple[int, dict[str, str]]]


def _actions(index: int, rule: dict[str, Any]) -> list[dict[str, Any]]:
    [selector] = rule["clientSelectors"]
    [header], [method] = selector["headers"], selector["methods"]
    of_each = {"request_headers": {"header_name": header["name"], "descriptor_key": "client"}}

    def match(key: str, name: str, **how: Any) -> dict[str, Any]:
        headers = [{"name": name, "string_match": how}]
        return {"header_value_match": {"descriptor_key": key, "descriptor_value": key, "headers": headers}}

    return [
        {"generic_key": {"descriptor_key": f"rule-{index}", "descriptor_value": f"rule-{index}"}},
        of_each
        if header["type"] == "Distinct"
        else match("client", header["name"], safe_regex={"regex": header["value"]}),
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
        client = descriptor("client", descriptors=[method])
        if rule["clientSelectors"][0]["headers"][0]["type"] == "Distinct":
            # Without a value it is each value's own.
            del client["value"]
        found.append(descriptor(f"rule-{index}", descriptors=[client]))
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


class _Counting:
    """The service, and the store of its counters: each runs until it is ended, and can run again."""

    def __init__(self, folder: Path) -> None:
        provide(envoy_gateway.COUNTS)
        redis, self.grpc, http, debug = free_ports(4)
        rules = folder / "runtime" / "config"
        rules.mkdir(parents=True)
        # JSON is YAML.
        (rules / "limits.yaml").write_text(json.dumps(_counter_rules()))
        program, self._libraries = _redis(folder / "redis")
        # As in a cluster; what comes later counts.
        own = ["--port", str(redis), "--bind", "127.0.0.1"]
        given = [str(folder) if each == "/data" else each for each in COMMAND[1:]]
        self._stores, self._redis, self._folder = [str(program), *given, *own], redis, folder
        self._variables = {
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
            "GRPC_PORT": str(self.grpc),
            "DEBUG_PORT": str(debug),
        }

    @contextmanager
    def store(self) -> Iterator[None]:
        with _process(self._folder, "redis", self._stores, self._libraries):
            envoy.wait(self._redis, self._folder / "redis.log")
            yield

    @contextmanager
    def service(self) -> Iterator[None]:
        with _process(self._folder, "limits", [str(envoy_gateway.COUNTS.path())], self._variables):
            envoy.wait(self.grpc, self._folder / "limits.log")
            yield


def _asking(port: int) -> Ask:
    def ask(model: str, tokens: int = 0, *, shared: bool = False, **more: str) -> tuple[int, dict[str, str]]:
        usage = {"prompt_tokens": 1, "completion_tokens": tokens - 1}
        played = ["application/json", [json.dumps({"usage": usage})]]
        headers = {"Authorization": f"Bearer {MODELS[model]}", **more}
        if tokens:
            headers[envoy.PLAY] = json.dumps(played)
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        path = envoy.PATH if shared else f"/{model}{envoy.PATH}"
        connection.request("POST", path, json.dumps({"model": model}), headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}

    return ask


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    folder = tmp_path_factory.mktemp("limits")
    counting = _Counting(folder)
    counted = envoy.Counted(counting.grpc, DOMAIN, _limits())
    with (
        counting.store(),
        counting.service(),
        envoy.running(folder, MODELS, counted) as (port, _),
    ):
        # A minute of the counters is the clock's: all of it is to be in one.
        if (left := 60 - time.time() % 60) < _SECONDS:
            time.sleep(left)
        yield _asking(port)


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


def test_a_ceiling_is_of_all_models_of_a_namespace_at_both_addresses(ask: Ask) -> None:
    """By the Model that is asked, whoever asks; a header of a client's says nothing of it."""
    forged = {contract.GATEWAY_MODEL: "team-b/chat"}
    asked = [ask("team-c/one"), ask("team-c/two"), ask("team-c/one", shared=True)]
    asked += [ask("team-c/two", **forged), ask("team-c/one"), ask("team-c/two", shared=True, **forged)]
    assert [status for status, _ in asked] == [200, 200, 200, 200, 429, 429]


def test_clients_that_a_header_tells_are_counted_apart(ask: Ask) -> None:
    asked = [ask("team-d/chat", **{WHOSE: who}) for who in ("alice", "alice", "bob", "alice", "bob")]
    assert [status for status, _ in asked] == [200, 200, 200, 429, 200]
    assert ask("team-d/chat")[0] == 200, "who has no such header is counted by none"


@pytest.mark.parametrize("unavailable", WhenUnavailable)
def test_without_counters_it_is_as_the_owner_says(tmp_path: Path, unavailable: WhenUnavailable) -> None:
    """The store goes and comes, and then the service; limits hold again after each."""
    gateway = Gateway(host="models.example.org", limits=GatewayLimits(when_unavailable=unavailable))
    refuses = config(gateway, {})[0]["rateLimit"]["failClosed"]
    without = 500 if unavailable is WhenUnavailable.REFUSE else 200
    counting = _Counting(tmp_path)
    counted = envoy.Counted(counting.grpc, DOMAIN, _limits(), refuses)
    with envoy.running(tmp_path, MODELS, counted) as (port, _):
        ask = _asking(port)

        def counts() -> bool:
            return "x-ratelimit-remaining" in ask("team-a/chat")[1]

        assert ask("team-a/chat")[0] == without
        with ExitStack() as first:
            first.enter_context(counting.store())
            with counting.service():
                _until(counts)
                first.close()
                _until(lambda: not counts())
                assert [ask("team-a/chat")[0] for _ in range(5)] == [without] * 5
                with counting.store():
                    _until(counts)
        _until(lambda: not counts())
        assert ask("team-a/chat")[0] == without


def _until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
