"""The shared address at a real Envoy: which Model a body names, and that nobody comes to another's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.contract import envoy

OWN, OTHERS = "key-of-team-a-0123456789", "key-of-team-b-0123456789"
MODELS = {"team-a/chat": OWN, "team-b/chat.v1": OTHERS}
MIB = 1 << 20


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any
    seconds: float
    """Of CPU that Envoy has taken."""


Ask = Callable[..., Said]


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    with envoy.running(tmp_path_factory.mktemp("envoy"), MODELS) as (port, process):

        def ask(body: Any, key: str = OWN, **more: str) -> Said:
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {name.replace("_", "-"): value for name, value in more.items()}
            if key:
                headers["Authorization"] = f"Bearer {key}"
            began = _cpu(process)
            connection.request("POST", envoy.PATH, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            told = {name: value for name, value in answer.getheaders() if name not in ("date", "connection")}
            return Said(answer.status, told, json.loads(text), _cpu(process) - began)

        yield ask


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"team-a/chat"}',
        ' {"messages": [{"model": "team-b/chat.v1"}], "model" : "team-a/chat" , "n": [1, {"model": "x/y"}]} ',
        '{"model":"team-b/chat.v1","model":"team-a/chat"}',
        '{"mod\\u0065l":"team-a\\/chat"}',
        '{"model":"team-\\u0061/chat","temperature":1e-2,"stream":true,"stop":null}',
        '{"text":"\\"model\\":\\"team-b/chat.v1\\"","model":"team-a/chat"}',
        '{"text":"ends in a backslash \\\\","model":"team-a/chat","after":"}"}',
        '{"text":"größer, 大, 🙂","model":"team-a/chat"}',
    ],
)
def test_the_last_model_of_the_object_itself_counts(ask: Ask, body: str) -> None:
    """As Python's parser has it, which is the engine's; all else of the body comes as it was."""
    said = ask(body.encode())
    assert said.status == 200
    assert said.body["headers"]["x-freehold-model"] == "team-a/chat" == json.loads(body)["model"]
    assert json.loads(said.body["body"]) == {**json.loads(body), "model": ""}
    assert "authorization" not in said.body["headers"]


def test_a_chunked_body_is_read_too(ask: Ask) -> None:
    assert ask(iter([b'{"mod', b'el":"team-a/chat"}'])).status == 200


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        '{"model":1}',
        '{"model":null}',
        '{"model":["team-a/chat"]}',
        '{"model":"team-a/chat"',
        '{"model":"team-a/chat"} {}',
        '{"model":"team-a/chat",}',
        '{"messages":[{"model":"team-a/chat"}]}',
        '{"model":"team-a/chat","model":7}',
        "model=team-a/chat",
    ],
)
def test_a_body_without_a_model_is_refused_in_words(ask: Ask, body: str) -> None:
    said = ask(body.encode())
    assert said.status == 400
    assert said.headers["content-type"] == "application/json"
    assert said.body["error"]["message"].startswith("The body ")


def test_other_encodings_are_refused_though_the_engine_would_take_them(ask: Ask) -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        assert ask('{"model":"team-a/chat"}'.encode(encoding)).status == 400, encoding


def test_nothing_tells_a_model_that_is_not_there_from_one_of_others(ask: Ask) -> None:
    others = ask(b'{"model":"team-b/chat.v1"}')
    assert (others.status, others.body["error"]["code"]) == (404, "model_not_found")
    for name in (
        "team-b/chat",
        "team-c/chat",
        "chat",
        "team-a/chat/x",
        "TEAM-A/chat",
        "",
        "../x",
        "a/b\\r\\nx: y",
    ):
        said = ask(f'{{"model":"{name}"}}'.encode())
        assert said[:3] == others[:3], name
    assert ask(b'{"model":"team-a/' + b"x" * 4000 + b'"}')[:3] == others[:3]
    assert ask(b'{"model":"team-b/chat.v1"}', OTHERS).status == 200


def test_no_key_and_no_forged_header_lets_in(ask: Ask) -> None:
    own, others = b'{"model":"team-a/chat"}', b'{"model":"team-b/chat.v1"}'
    forged = {"x_freehold_client": "team-b.chat.v1", "x_freehold_model": "team-b/chat.v1"}
    for key in ("", "wrong", OWN[:-1]):
        for more in ({}, forged):
            said = ask(own, key, **more)
            assert (said.status, said.body["error"]["code"]) == (401, "invalid_api_key")
    assert ask(others, **forged).status == 404
    assert ask(b"{}", **forged).status == 400
    # What the header says counts for nothing beside what the body does.
    assert ask(own, **forged).body["headers"]["x-freehold-model"] == "team-a/chat"


def test_a_large_body_is_whole_and_one_that_is_too_large_is_refused_in_words(ask: Ask) -> None:
    for size in (1, 9):
        body = b'{"model":"team-a/chat","prompt":"' + b"a" * (size * MIB) + b'"}'
        said = ask(body)
        assert (said.status, said.body["length"]) == (200, len(body) - len("team-a/chat"))
    said = ask(b'{"model":"team-a/chat","prompt":"' + b"a" * (11 * MIB) + b'"}')
    assert said.status == 413
    assert "10MiB" in said.body["error"]["message"]


def test_no_body_holds_an_envoy_up_for_long(ask: Ask) -> None:
    """It reads for all clients of a thread: the slowest forms of ten MiB, in seconds of CPU."""
    worst = {
        "strings": b'{"a":["' + b'","' * 3_300_000 + b'"],"model":"team-a/chat"}',
        "escapes": b'{"a":"' + b"\\\\" * 5_000_000 + b'","model":"team-a/chat"}',
        "depth": b'{"a":' + b"[" * 5_000_000 + b"]" * 5_000_000 + b',"model":"team-a/chat"}',
        "members": b"{" + b'"\\u0061\\u0061\\u0061":1,' * 450_000 + b'"model":"team-a/chat"}',
    }
    took = {}
    for name, body in worst.items():
        said = ask(body)
        assert said.status == (400 if name == "members" else 200), name
        took[name] = round(said.seconds, 2)
    print(took)
    assert max(took.values()) < 2
