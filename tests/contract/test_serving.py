"""Pods as they are rendered serve: a tiny model of random weights on the real vLLM, on the CPU.

The pod's own command, arguments and variables, as the pod's user, on a read-only root and without a network, in the
file system of the image that tools/images makes: its entry says what a CPU cannot do.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from functions.vllm.engine import ENGINES
from tests.contract.pod import Pod, run, wait_for
from tests.contract.rendered import CLAIMS, containers_in, render
from tools import paths
from tools.control_plane.waiting import patience
from tools.manifests import load
from tools.vllm_cpu import models

START_SECONDS = 600
ANSWER_SECONDS = 240 * patience()
DRAIN_SECONDS = 60 * patience()

KINDS = {
    # The file of the Model, the clusters that it may be on, and the tiny model in place of its weights.
    "generate": ("examples/models/minimal.yaml", paths.EXAMPLES, "chat"),
    "embed": ("examples/models/embedding.yaml", paths.EXAMPLES, "sentence"),
    "rerank": ("tests/contract/claims/rerank.yaml", CLAIMS, "chat"),
}
METRICS = {
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:num_preemptions_total",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:request_success_total",
    "vllm:time_to_first_token_seconds_bucket",
    "vllm:inter_token_latency_seconds_bucket",
    "vllm:e2e_request_latency_seconds_bucket",
    "vllm:request_queue_time_seconds_bucket",
}
"""What dashboards and autoscaling read."""


class Server(NamedTuple):
    """A pod that serves, and what the Model's app team was told of its endpoint."""

    pod: Pod
    port: int
    health: str
    model: str
    hidden_size: int

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Send a request, and return the status and the body of the answer."""
        with contextlib.closing(self.pod.connection(self.port, ANSWER_SECONDS)) as connection:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def post(self, path: str, **body: Any) -> Any:
        """Send a request to the Model, which must be answered with 200."""
        status, text = self.ask("POST", path, {"model": self.model, **body})
        assert status == 200, text
        return json.loads(text)


@pytest.fixture(scope="module")
def servers(
    vllm_image: Path, pods: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Server]]:
    """A server of each kind. They start together: most of a start is work of one core."""
    del pods
    image = vllm_image
    folder = tmp_path_factory.mktemp("serving")
    with contextlib.ExitStack() as stack:
        found = {}
        for kind, (name, clusters, tiny) in KINDS.items():
            found[kind] = stack.enter_context(_serving(kind, name, clusters, folder, tiny, image))
        waiting = dict(found)

        def all_started() -> bool:
            for kind, server in list(waiting.items()):
                if _healthy(kind, server):
                    del waiting[kind]
            return not waiting

        try:
            wait_for(all_started, START_SECONDS, "every server is healthy", pause=1)
        except AssertionError:
            for kind, server in waiting.items():
                print(f"{kind} has not started:\n{server.pod.said()}")
            raise
        yield found


@contextlib.contextmanager
def _serving(kind: str, name: str, clusters: Path, folder: Path, tiny: str, image: Path) -> Iterator[Server]:
    # The pod's group is to own them.
    weights = shutil.copytree(models.provide() / tiny, folder / f"weights-{kind}")
    manifests = render(load(paths.ROOT / name)[0], clusters)
    container = next(c for m in manifests for c in containers_in(m) if c.command[0] == "vllm")
    secret = next(m for m in manifests if m["kind"] == "Secret")
    model = base64.b64decode(secret["data"]["OPENAI_MODEL"]).decode()
    probe = container.spec["startupProbe"]["httpGet"]
    with run(
        container,
        folder / kind,
        {"models": weights},
        image=image,
    ) as pod:
        yield Server(pod, probe["port"], probe["path"], model, models.hidden_size(tiny))


def _healthy(kind: str, server: Server) -> bool:
    """Tell whether a server answers its startup probe. Raises AssertionError for one that ended."""
    assert server.pod.process.poll() is None, f"{kind} ended:\n{server.pod.said()}"
    with contextlib.suppress(OSError):
        return server.ask("GET", server.health)[0] == 200
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_it_serves_the_model_by_the_name_that_the_app_team_has(kind: str, servers: dict[str, Server]) -> None:
    status, text = servers[kind].ask("GET", "/v1/models")
    assert status == 200
    assert [model["id"] for model in json.loads(text)["data"]] == [servers[kind].model]


def test_chat(servers: dict[str, Server]) -> None:
    answer = servers["generate"].post(
        "/v1/chat/completions", messages=[{"role": "user", "content": "Hello"}], max_tokens=8, ignore_eos=True
    )
    assert answer["usage"]["completion_tokens"] == 8
    assert answer["choices"][0]["finish_reason"] == "length"


def test_streaming(servers: dict[str, Server]) -> None:
    stream = Stream(servers["generate"], tokens=16)
    events = list(stream.events())
    assert events[-1] == "[DONE]"
    assert sum(bool(json.loads(event)["choices"]) for event in events[:-1]) >= 8, "token by token"


FREELY = {"chat_template_kwargs": {"enable_thinking": False}, "temperature": 1, "max_tokens": 200}
"""Random weights would never end their reasoning, and without chance they might write blanks for ever."""


def test_structured_output(servers: dict[str, Server]) -> None:
    """Random weights write JSON of the schema, since no other token is allowed."""
    schema = {
        "type": "object",
        "properties": {"sure": {"type": "boolean"}},
        "required": ["sure"],
        "additionalProperties": False,
    }
    answer = servers["generate"].post(
        "/v1/chat/completions",
        messages=[{"role": "user", "content": "Are you sure?"}],
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        **FREELY,
    )
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"])["sure"], bool)


def test_a_tool_is_called(servers: dict[str, Server]) -> None:
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    answer = servers["generate"].post(
        "/v1/chat/completions",
        messages=[{"role": "user", "content": "How is the weather?"}],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": parameters}}],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        **FREELY,
    )
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"])["city"] in ("Paris", "Rome")


def test_tools_may_be_offered(servers: dict[str, Server]) -> None:
    """Where no parser is named, vLLM answers this with 400."""
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    answer = servers["generate"].post(
        "/v1/chat/completions",
        messages=[{"role": "user", "content": "How is the weather?"}],
        tools=[tool],
        tool_choice="auto",
        max_tokens=8,
    )
    assert answer["choices"]


def test_embeddings(servers: dict[str, Server]) -> None:
    server = servers["embed"]
    answer = server.post("/v1/embeddings", input=["one", "two"])
    vectors = [each["embedding"] for each in answer["data"]]
    assert [len(vector) for vector in vectors] == [server.hidden_size] * 2
    assert [sum(x * x for x in vector) for vector in vectors] == pytest.approx([1, 1], abs=0.01)


def test_rerank(servers: dict[str, Server]) -> None:
    answer = servers["rerank"].post("/v1/rerank", query="one", documents=["two", "three"])
    assert {each["index"] for each in answer["results"]} == {0, 1}
    assert all(0 <= each["relevance_score"] <= 1 for each in answer["results"])


def test_metrics(servers: dict[str, Server]) -> None:
    status, text = servers["generate"].ask("GET", ENGINES[0].metrics_path)
    assert status == 200
    names = {line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names >= METRICS


def test_what_routes_lead_to_is_there(servers: dict[str, Server]) -> None:
    """Each server has what its model's task has; none here classifies."""
    known = set()
    for server in servers.values():
        status, text = server.ask("GET", "/openapi.json")
        assert status == 200
        paths_of = json.loads(text)["paths"].items()
        known |= {(method.upper(), path) for path, methods in paths_of for method in methods}
    assert set(ENGINES[0].api.values()) - {("POST", "/classify")} <= known


def test_probes_are_not_in_the_log(servers: dict[str, Server]) -> None:
    server = servers["generate"]
    for path in (server.health, ENGINES[0].metrics_path, "/v1/models"):
        server.ask("GET", path)
    log = server.pod.log.read_text()
    assert "GET /v1/models" in log
    assert f"GET {server.health} " not in log
    assert f"GET {ENGINES[0].metrics_path} " not in log


class Stream:
    """A completion that arrives token by token."""

    def __init__(self, server: Server, tokens: int) -> None:
        self.connection = server.pod.connection(server.port, ANSWER_SECONDS)
        body = {
            "model": server.model,
            "prompt": "Hello",
            "max_tokens": tokens,
            "ignore_eos": True,
            "stream": True,
        }
        self.connection.request(
            "POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"}
        )
        self.answer = self.connection.getresponse()

    def events(self) -> Iterator[str]:
        """Yield the data of each event until the server closes the stream."""
        with contextlib.closing(self.connection):
            for line in self.answer:
                if line.startswith(b"data: "):
                    yield line.removeprefix(b"data: ").decode().strip()


def test_a_stream_under_way_ends_before_the_pod_does(servers: dict[str, Server]) -> None:
    """The last test of its server: the pod is told to end, as by a rollout."""
    server = servers["generate"]
    events = Stream(server, tokens=1000).events()
    for _ in range(5):
        next(events)
    server.pod.signal(signal.SIGTERM)
    rest = list(events)
    assert rest[-1] == "[DONE]"
    assert json.loads(rest[-2])["choices"][0]["finish_reason"] == "length", "all that was asked for"
    assert len(rest) > 100, "most of it came after the signal"
    assert server.pod.end(DRAIN_SECONDS) == 0, server.pod.said()
