"""A pod of an app team that asks a Model without a pause, and what became of each request.

Every request is a stream over a connection of its own. One that is refused before it begins is repeated once, as
OpenAI's clients repeat such requests (twice by default): vLLM answers 500 to requests that come after it was told to
stop. A stream that has begun and breaks is lost, as it is with those clients: part of it was read.
The first one is sent once the address is reached; the Service's name is looked up then, and not again: a lost
look-up is the name server's, not the Model's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from tests.e2e.real import pods
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

_SEND = """
import http.client, json, os, socket, threading, time
from urllib.parse import urlsplit

base, model = urlsplit(os.environ["OPENAI_BASE_URL"]), os.environ["OPENAI_MODEL"]

class Refused(Exception):
    pass

def reached(host):
    # The agent of network policies hears of a new pod a moment after the pod has started.
    for _ in range(60):
        try:
            address = socket.gethostbyname(host)
            socket.create_connection((address, base.port), timeout=2).close()
            return address
        except OSError as error:
            last = error
            time.sleep(0.5)
    raise last

def opened(address, tokens):
    body = {"model": model, "prompt": "Hello", "max_tokens": tokens, "ignore_eos": True, "stream": True}
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = "Bearer " + key
    connection = http.client.HTTPConnection(address, base.port, timeout=60)
    try:
        connection.request("POST", base.path + "/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Refused("%d %s" % (answer.status, answer.read()[:200]))
    except (OSError, http.client.HTTPException) as error:
        raise Refused(repr(error))
    return answer

def what_is_missing(answer):
    try:
        events = [line[6:].strip() for line in answer if line.startswith(b"data: ")]
    except (OSError, http.client.HTTPException) as error:
        return "the stream broke: %r" % error
    if events[-1:] != [b"[DONE]"]:
        return "the stream ended after %d events" % len(events)
    reason = json.loads(events[-2])["choices"][0]["finish_reason"]
    return "" if reason == "length" else "the stream ended by %s" % reason

def send(caller, address):
    asked = {"caller": caller["name"], "sent": time.time(), "begun": None, "ended": None, "lost": ""}
    asked["tries"] = 0
    answer = None
    while answer is None and asked["tries"] < caller["tries"]:
        asked["tries"] += 1
        try:
            answer = opened(address, caller["tokens"])
        except Refused as error:
            asked["lost"] = "refused: %s" % error
    if answer is not None:
        asked |= {"begun": time.time(), "lost": ""}
        print(json.dumps(asked), flush=True)
        asked["lost"] = what_is_missing(answer)
    print(json.dumps({**asked, "ended": time.time()}), flush=True)
    return answer is not None

def call(caller):
    address = reached(caller["address"] or base.hostname)
    time.sleep(max(0, caller["at"] - time.time()))
    while send(caller, address) or not caller["address"]:
        time.sleep(caller["pause"])

for caller in json.loads(os.environ["CALLERS"]):
    threading.Thread(target=call, args=[caller]).start()
"""


@dataclass(frozen=True)
class Caller:
    """Somebody who sends one request after the other."""

    name: str
    tokens: int
    """Of each answer."""
    address: str = ""
    """Of one pod, whose caller ends when the pod takes no more requests; empty for the Model's Service."""
    at: float = 0.0
    """When the first request is sent, in seconds since 1970."""
    pause: float = 0.3
    """Seconds between two requests."""

    @property
    def tries(self) -> int:
        """How often a request is sent that is refused: no other pod is behind the address of one."""
        return 1 if self.address else 2


@dataclass(frozen=True)
class Asked:
    """A request, and what became of it. Times are seconds since 1970."""

    caller: str
    sent: float
    tries: int
    begun: float | None
    """When the answer began; None where it did not."""
    ended: float | None
    """When all was known of the request; None while it is under way."""
    lost: str
    """Why there is no whole answer; empty where there is one, or may be one yet."""


@dataclass(frozen=True)
class Steady:
    """A pod whose callers send requests."""

    api: Api
    pod: Manifest

    def asked(self) -> list[Asked]:
        """Return all requests that were refused or answered, or whose answer has begun."""
        lines = [json.loads(line) for line in pods.log(self.api, self.pod).splitlines()]
        # The last line of a request says most of it.
        return list({(line["caller"], line["sent"]): Asked(**line) for line in lines}.values())

    def settled(self, callers: Sequence[Caller]) -> list[Asked]:
        """Return all requests once those that callers of the Service have sent by now have ended."""
        now = time.time()

        def ended() -> bool:
            late = {each.caller for each in self.asked() if each.sent > now and each.ended}
            return late == {caller.name for caller in callers}

        wait_for("the requests under way to end", ended, 90)
        return self.asked()


@contextmanager
def sending(api: Api, claim: Manifest, name: str, callers: Sequence[Caller]) -> Iterator[Steady]:
    """Have a pod of the claim's namespace send requests for a while; give what became of them."""
    secret = {"secretRef": {"name": claim["status"]["endpoint"]["secretName"]}}
    listed = json.dumps([{**asdict(caller), "tries": caller.tries} for caller in callers])
    env = [{"name": "CALLERS", "value": listed}]
    pod = pods.pod(claim["metadata"]["namespace"], name, _SEND, envFrom=[secret], env=env)
    try:
        pods.started(api, pod)
        yield Steady(api, pod)
    finally:
        pods.remove(api, pod)


def loses_nothing(asked: Sequence[Asked]) -> None:
    """Raise AssertionError for requests without a whole answer."""
    lost = [f"{each.caller}, sent at {each.sent:.1f}: {each.lost}" for each in asked if each.lost]
    assert lost == [], f"{len(lost)} of {len(asked)} requests are lost:\n" + "\n".join(lost)
