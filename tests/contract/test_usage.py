"""What is recorded of requests at a real Envoy: who has asked which Model, and for how many tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from functions.api import contract
from functions.cluster_stack.gateway import usage
from tests.contract import collector, envoy

KEY, SECRET = "key-of-team-a-0123456789", "what nobody may read in a record"
BODY = json.dumps({"model": "team-a/chat", "prompt": SECRET}).encode()
OWN = f"/team-a/chat{envoy.PATH}"
JSON, STREAM = "application/json", "text/event-stream; charset=utf-8"
CHAT = '{"choices":[{"text":"\\"usage\\":{\\"prompt_tokens\\":1}"}],"usage":{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d,"prompt_tokens_details":{"cached_tokens":4}},"kv_transfer_params":null}'
EVENT = 'data: {"choices":[{"delta":{"content":"x"}}],"usage":null}\n\n'
LAST = 'data: {"choices":[],"usage":{"prompt_tokens":12,"total_tokens":19,"completion_tokens":7}}\n\n'
DONE = "data: [DONE]\n\n"

Asked = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("envoy")
    records = folder / envoy.RECORDS
    with envoy.running(folder, {"team-a/chat": KEY}) as (port, _):

        def lines() -> list[str]:
            return records.read_text().splitlines() if records.exists() else []

        def ask(
            type_: str,
            *chunks: str | int,
            path: str = OWN,
            key: str = KEY,
            body: bytes | Iterator[bytes] = BODY,
            read: int = -1,
            method: str = "POST",
            agent: str = "",
            wait: float = 20,
        ) -> dict[str, Any]:
            before = len(lines())
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {"Authorization": f"Bearer {key}", envoy.PLAY: json.dumps([type_, chunks])}
            headers |= {"User-Agent": agent} if agent else {}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read(None if read < 0 else read)
            connection.close()
            deadline = time.monotonic() + wait
            while len(lines()) == before and time.monotonic() < deadline:
                time.sleep(0.02)
            assert SECRET not in records.read_text()
            assert KEY not in records.read_text()
            [line] = lines()[before:]
            found: dict[str, Any] = json.loads(line)
            return found

        yield ask


def tokens(record: dict[str, Any]) -> tuple[Any, Any, Any]:
    return record["tokensIn"], record["tokensOut"], record["estimated"]


@pytest.mark.parametrize("path", [OWN, envoy.PATH])
def test_an_answers_own_count_is_recorded(asked: Asked, path: str) -> None:
    record = asked(JSON, CHAT % (12, 19, 7), path=path)
    assert tokens(record) == (12, 7, False)
    assert (record["client"], record["model"], record["api"]) == (
        "team-a.chat",
        "team-a/chat",
        "chat/completions",
    )
    assert (record["status"], record["method"]) == (200, "POST")
    assert set(record) == set(usage.RECORD)


@pytest.mark.parametrize("path", [OWN, envoy.PATH])
def test_a_request_that_does_not_say_its_length_is_counted(asked: Asked, path: str) -> None:
    """Its parts are counted as they come, and its answer like any other."""
    parts = [BODY[:20], BODY[20:]]
    assert tokens(asked(JSON, CHAT % (12, 19, 7), path=path, body=iter(parts))) == (12, 7, False)
    tokens_in, tokens_out, estimated = tokens(asked(STREAM, EVENT, EVENT, DONE, path=path, body=iter(parts)))
    assert (tokens_out, estimated) == (3, True)
    # At the address of all Models the body names the Model more briefly by then.
    assert len(BODY) // 5 <= tokens_in <= -(-len(BODY) // 4)


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ('{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":5,"total_tokens":5,"completion_tokens":0}}', (5, 0)),
        ('{"id":"score","usage":{"total_tokens":9}}', (9, 0)),
        ('{"object":"response","usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":0},"output_tokens":8,"total_tokens":11}}', (3, 8)),
        ('{ "usage" : { "prompt_tokens" : 2, "completion_tokens" : 1 } }', (2, 1)),
    ],
)  # fmt: skip
def test_every_api_is_counted(asked: Asked, answer: str, count: tuple[int, int]) -> None:
    assert tokens(asked(JSON, answer)) == (*count, False)


def test_a_count_in_two_chunks_of_a_large_answer_is_found(asked: Asked) -> None:
    text = CHAT % (12, 19, 7)
    middle = text.rindex("total_tokens")
    large = ('{"data":"', 300_000, f'",{text[1:middle]}', text[middle:])
    assert tokens(asked(JSON, *large)) == (12, 7, False)


def test_a_stream_that_says_its_count_is_believed(asked: Asked) -> None:
    assert tokens(asked(STREAM, EVENT * 3, EVENT, LAST, DONE)) == (12, 7, False)
    continuous = LAST.replace('"completion_tokens":7', '"completion_tokens":1')
    assert tokens(asked(STREAM, continuous, continuous, LAST, DONE)) == (12, 7, False)


def test_a_stream_without_a_count_is_estimated(asked: Asked) -> None:
    """An event a token, also one whose end is divided; and a token for four bytes of the request."""
    guessed = -(-len(json.dumps({"model": "team-a/chat", "prompt": SECRET})) // 4)
    assert tokens(asked(STREAM, EVENT, EVENT * 3, EVENT[:-1], EVENT[-1:], DONE)) == (guessed, 6, True)


FORGED = '"tools":[{"parameters":{"usage":{"prompt_tokens":900000000,"output_tokens":0}}}]'
CREATED = f'event: response.created\ndata: {{"response":{{"usage":null,{FORGED},"text":"\\\\\\""}},"sequence_number":0}}\n\n'
COMPLETED = f'data: {{"response":{{{FORGED},"usage":{{"input_tokens":12,"output_tokens":7}},{FORGED}}},"type":"x"}}\n\n'


@pytest.mark.parametrize("pieces", [1, 7, 200])
def test_what_a_client_writes_is_no_count(asked: Asked, pieces: int) -> None:
    """An answer may repeat the tools of its request, before and after the engine's count; in any chunks."""
    first = [CREATED[:pieces], CREATED[pieces : 2 * pieces], CREATED[2 * pieces :]]
    created = [each for each in first if each]
    assert tokens(asked(STREAM, *created, EVENT * 3))[1:] == (4, True)
    assert tokens(asked(STREAM, *created, EVENT, COMPLETED[:pieces], COMPLETED[pieces:])) == (12, 7, False)
    whole = COMPLETED.partition('"response":')[2].rpartition(',"type"')[0]
    assert tokens(asked(JSON, whole[:pieces], whole[pieces:])) == (12, 7, False)
    without = f'{{{FORGED}, "usage" : null, "output" : [{{"usage" : {{"prompt_tokens" : 1}}}}]}}'
    assert tokens(asked(JSON, without)) == (0, 0, False)


def test_a_client_that_goes_away_has_what_it_got_counted(asked: Asked) -> None:
    record = asked(STREAM, *([EVENT] * 40), read=2 * len(EVENT))
    assert record["estimated"] is True
    assert 2 <= record["tokensOut"] < 40
    assert "downstream" in str(record["why"])


def test_what_is_refused_takes_no_tokens(asked: Asked) -> None:
    for path in (OWN, envoy.PATH):
        record = asked(JSON, path=path, key="wrong")
        assert (record["status"], record["client"], *tokens(record)) == (401, None, None, None, None)
    unknown = asked(JSON, path=envoy.PATH, body=b'{"model":"team-a/none"}')
    assert (unknown["status"], unknown["client"], unknown["model"]) == (404, "team-a.chat", "team-a/none")


def test_the_agents_own_question_is_no_use_of_a_model(asked: Asked) -> None:
    """Whoever takes its name hides no more than that question: no tokens, and no key that is not taken."""
    listed: dict[str, Any] = {"path": "/team-a/chat/v1/models", "method": "GET", "body": b""}
    probe = {"agent": contract.PROBE}
    for others in ({}, {"agent": "curl"}):
        assert asked(JSON, "{}", **listed, **others)["api"] == "models"
    assert asked(JSON, "{}", **listed, **probe, key="wrong")["status"] == 401
    with pytest.raises(ValueError, match="not enough values"):
        asked(JSON, "{}", **listed, **probe, wait=2)
    assert tokens(asked(JSON, CHAT % (12, 19, 7), **probe)) == (12, 7, False)


def test_a_collector_is_told_the_same_and_its_absence_is_nobodys_business(tmp_path: Path) -> None:
    """Each record, with its members as attributes; while it is away, requests are answered and printed."""
    records = tmp_path / envoy.RECORDS

    def ask(port: int, prompt: str) -> int:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        played = json.dumps([JSON, [CHAT % (12, 19, 7)]])
        headers = {"Authorization": f"Bearer {KEY}", envoy.PLAY: played}
        connection.request("POST", OWN, json.dumps({"prompt": prompt}), headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def until(so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not so():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    with ExitStack() as runs:
        to, told = runs.enter_context(collector.running())
        with envoy.running(tmp_path, {"team-a/chat": KEY}, collector=to) as (port, _):
            assert [ask(port, SECRET) for _ in range(3)] == [200] * 3
            until(lambda: len(told) == 3)
            runs.close()
            assert ask(port, SECRET) == 200
            until(lambda: len(records.read_text().splitlines()) == 4)
    one = told[0]
    assert set(usage.RECORD) | {"service.name"} <= set(one)
    assert one["service.name"] == usage.SERVICE_NAME
    assert (one["client"], one["model"], one["status"]) == ("team-a.chat", "team-a/chat", "200")
    assert (one["tokensIn"], one["tokensOut"], one["estimated"]) == ("12", "7", "false")
    assert SECRET not in str(told)
    assert KEY not in str(told)
