"""The reading pod's own program, as the pod runs it, against a small Hub on this machine."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from functions.checkpoint import report as module
from functions.checkpoint.read import read
from tests.tools.inspect.folders import text
from tools.control_plane.waiting import patience

PROGRAM = Path(str(module.__file__)).read_text()
CONFIG = text("qwen3", 36, 4096, 32, 8, 40960, head_dim=128, vocab_size=151936, intermediate_size=12288)


class Hub(ThreadingHTTPServer):
    """Files of one model; a path may answer an error or another address instead."""

    files: dict[str, bytes]
    errors: dict[str, tuple[int, str]]
    moved: dict[str, str]
    limited: list[dict[str, str]]
    """Headers of the answers 429 to the next requests."""
    seen: list[tuple[str, str | None]]
    """Paths that were asked for, with the Authorization header."""

    scheme = "http"

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def open_tls(self, authority: trustme.CA) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.socket, self.scheme = context.wrap_socket(self.socket, server_side=True), "https"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        name = self.path.rpartition("/resolve/")[2].partition("/")[2] or self.path.lstrip("/")
        if self.server.limited:
            self._answer(429, b"", self.server.limited.pop(0))
        elif name in self.server.moved:
            self._answer(307, b"", {"Location": self.server.moved[name]})
        elif name in self.server.errors:
            code, reason = self.server.errors[name]
            self._answer(code, b"", {"X-Error-Code": reason} if reason else {})
        elif name in self.server.files:
            begin, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            part = self.server.files[name][int(begin) : int(end) + 1 if end else None]
            self._answer(206, part, {"X-Repo-Commit": "c0ffee"})
        else:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})

    def _answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    yield from serving()


@pytest.fixture
def storage() -> Iterator[Hub]:
    yield from serving()


def serving() -> Iterator[Hub]:
    server = Hub(("127.0.0.1", 0), Handler)
    server.files, server.errors, server.moved, server.limited, server.seen = {}, {}, {}, [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(
    hub: Hub, tmp_path: Path, token: str = "", revision: str = "main", **more: str
) -> tuple[int, dict[str, Any]]:
    """Run the program; return its exit code and the termination message."""
    log = tmp_path / "termination-log"
    environment = {"HF_ENDPOINT": hub.address, "REPORT": str(log), **({"HF_TOKEN": token} if token else {})}
    environment |= more
    command = [sys.executable, "-I", "-c", PROGRAM, "acme/house", revision]
    ended = subprocess.run(
        command, env=environment, capture_output=True, timeout=60 * patience(), check=False
    )
    message = log.read_text()
    assert len(message) <= 4096
    said: dict[str, Any] = json.loads(message)
    return ended.returncode, said


def index(size: int, *names: str) -> bytes:
    weights = dict.fromkeys(names, "a.safetensors")
    return json.dumps({"metadata": {"total_size": size}, "weight_map": weights}).encode()


def test_config_and_index(hub: Hub, tmp_path: Path) -> None:
    hub.files = {
        "config.json": json.dumps({**CONFIG, "time_step_limit": [0.0, float("inf")]}).encode(),
        "model.safetensors.index.json": index(16_381_516_800, "model.norm.weight", "lm_head.weight"),
    }
    code, said = run(hub, tmp_path)
    assert code == 0
    assert said["commit"] == "c0ffee"
    assert said["weights"] == {"bytes": 16_381_516_800, "head": True}
    assert read("acme/house", said).facts.weights_gib == pytest.approx(15.26, abs=0.01)


def test_one_file_without_an_index(hub: Hub, tmp_path: Path) -> None:
    """Its header is read, and none of its tensors."""
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "model.norm.weight": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 1000]},
            "lm_head.weight": {"dtype": "BF16", "shape": [4], "data_offsets": [1000, 1200]},
        }
    ).encode()
    hub.files = {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors": len(header).to_bytes(8, "little") + header + b"\0" * 1200,
    }
    assert run(hub, tmp_path)[1]["weights"] == {"bytes": 1200, "head": 200}


def test_what_stands_beside(hub: Hub, tmp_path: Path) -> None:
    hub.files = {
        "config.json": json.dumps(CONFIG).encode(),
        "hf_quant_config.json": json.dumps({"quantization": {"quant_algo": "NVFP4"}}).encode(),
        "modules.json": b"[]",
        "model.safetensors.index.json": index(7 * 2**30),
    }
    facts = read("acme/house", run(hub, tmp_path)[1]).facts
    assert (facts.precision, facts.task) == ("nvfp4", "embed")


def test_a_large_config_stays_small(hub: Hub, tmp_path: Path) -> None:
    ignored = [f"model.layers.{i}.self_attn.q_proj" for i in range(2000)]
    config = {
        **CONFIG,
        "layer_types": ["full_attention"] * 36,
        "quantization_config": {"quant_method": "fp8", "modules_to_not_convert": ignored},
    }
    hub.files = {"config.json": json.dumps(config).encode(), "model.safetensors.index.json": index(2**30)}
    code, said = run(hub, tmp_path)
    assert (code, said["quantization"]) == (0, {"method": "fp8", "attention": True})
    assert said["config"]["layer_types"] == {"full_attention": 36}


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (401, "GatedRepo", "GatedRepo"),
        (403, "GatedRepo", "GatedRepo"),
        (403, "", "GatedRepo"),
        (401, "RepoNotFound", "RepoNotFound"),
        (404, "RepoNotFound", "RepoNotFound"),
        (404, "", "RepoNotFound"),
        (404, "RevisionNotFound", "RevisionNotFound"),
        (404, "EntryNotFound", "NoConfig"),
        (429, "", "RateLimited"),
        (503, "", "Unreachable"),
    ],
)
def test_refusals(hub: Hub, tmp_path: Path, code: int, reason: str, told: str) -> None:
    hub.errors = {"config.json": (code, reason)}
    ended, said = run(hub, tmp_path)
    assert (ended, said["error"]) == (1, told), "it fails, so that the kubelet tries again"


@pytest.mark.parametrize("header", [{"Retry-After": "1"}, {"RateLimit": '"resolvers";r=0;t=1'}])
def test_a_hub_that_limits_requests_is_waited_for(hub: Hub, tmp_path: Path, header: dict[str, str]) -> None:
    """It is asked again when it says, as the pod's next try would be: later and later."""
    hub.files = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors.index.json": index(2**30)}
    hub.limited = [header, header]
    began = time.monotonic()
    assert run(hub, tmp_path)[0] == 0
    assert time.monotonic() - began >= 2


def test_a_hub_that_goes_on_to_limit_requests_is_told(hub: Hub, tmp_path: Path) -> None:
    hub.limited = [{"Retry-After": "1"}] * 4
    code, said = run(hub, tmp_path)
    assert (code, said["error"]) == (1, "RateLimited")
    assert len(hub.seen) == 4, "it asks no more than that"


def test_no_json(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"config.json": b"<html>"}
    assert run(hub, tmp_path)[1]["error"] == "NotJSON"


def test_nobody_answers(hub: Hub, tmp_path: Path) -> None:
    hub.shutdown()
    hub.socket.close()
    code, said = run(hub, tmp_path)
    assert (code, said["error"]) == (1, "Unreachable")


def test_the_token_stays_at_the_hub(hub: Hub, storage: Hub, tmp_path: Path) -> None:
    """Storage that the Hub redirects to has addresses that are signed."""
    hub.files = {"config.json": json.dumps(CONFIG).encode()}
    hub.moved = {"model.safetensors.index.json": f"{storage.address}/index"}
    storage.files = {"index": index(2**30)}
    assert run(hub, tmp_path, token="hf_secret")[0] == 0
    assert {token for _, token in hub.seen} == {"Bearer hf_secret"}
    assert [token for _, token in storage.seen] == [None]


def test_the_token_goes_along_to_a_renamed_repository(hub: Hub, storage: Hub, tmp_path: Path) -> None:
    """The Hub redirects to the new name on its own address, which asks for the token again."""
    hub.files = {"new-config.json": json.dumps(CONFIG).encode()}
    hub.moved = {
        "config.json": "/acme/home/resolve/main/new-config.json",
        "modules.json": f"http://localhost:{hub.server_address[1]}/elsewhere",
        "hf_quant_config.json": f"{storage.address}/back",
    }
    storage.moved = {"back": f"{hub.address}/returned"}
    assert run(hub, tmp_path, token="hf_secret")[0] == 0
    seen = dict(hub.seen)
    assert seen["/acme/home/resolve/main/new-config.json"] == "Bearer hf_secret"
    assert seen["/elsewhere"] is None, "another name is another host"
    assert (storage.seen, seen["/returned"]) == ([("/back", None)], None)


def test_a_revision_is_one_part_of_the_path(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"config.json": json.dumps(CONFIG).encode()}
    run(hub, tmp_path, revision="refs/pr/1")
    assert hub.seen[0][0] == "/acme/house/resolve/refs%2Fpr%2F1/config.json"


def test_a_mirrors_own_authority(hub: Hub, tmp_path: Path) -> None:
    authority = trustme.CA()
    hub.files = {"config.json": json.dumps(CONFIG).encode()}
    hub.open_tls(authority)
    code, said = run(hub, tmp_path)
    assert (code, said["error"]) == (1, "NotTrusted")
    assert "issuer" in said["detail"]
    bundle = authority.cert_pem.bytes().decode()
    assert run(hub, tmp_path, CA_BUNDLE=bundle)[0] == 0


@pytest.mark.parametrize("code", [401, 403])
def test_a_token_that_the_hub_refuses(hub: Hub, tmp_path: Path, code: int) -> None:
    hub.errors = {"config.json": (code, "")}
    assert run(hub, tmp_path, token="hf_old")[1]["error"] == "TokenRefused"
    hub.errors = {"config.json": (code, "GatedRepo")}
    assert run(hub, tmp_path, token="hf_old")[1]["error"] == "GatedRepo"
