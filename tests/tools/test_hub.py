"""The small Hub as a process, as an image starts it."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from functions.checkpoint import report
from tests.tls import folder as certificates
from tools.control_plane.waiting import patience, wait_for
from tools.hub.__main__ import main
from tools.paths import ROOT
from tools.servers import free_port

FILES = {"config.json": b'{"model_type": "qwen3"}', "a/model.safetensors": bytes(range(256)) * 1024}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


@contextmanager
def serving(*arguments: str) -> Iterator[int]:
    """Start the Hub; yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "tools.hub", "--address", f"127.0.0.1:{port}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "a pipe"
        said = process.stdout.readline()
        assert said.startswith("serving acme/house"), said
        yield port
        process.terminate()
    assert process.returncode == 0


def get(url: str, token: str = "", span: str = "") -> tuple[int, bytes, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers | ({"Range": span} if span else {}))
    context = ssl.create_default_context(cafile=certificates() / "ca.crt")
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, b"", refused.headers


def test_several_models(models: Path) -> None:
    gated = ["--gated", "acme/tower", "--token", "hf_secret"]
    with serving(f"acme/house={models}", f"acme/tower={models / 'a'}", *gated) as port:
        hub = f"http://127.0.0.1:{port}"
        _, listed, _ = get(f"{hub}/api/models/acme/house/revision/main")
        assert {each["rfilename"] for each in json.loads(listed)["siblings"]} == set(FILES)
        for name, content in FILES.items():
            assert get(f"{hub}/acme/house/resolve/main/{name}")[1] == content
        tower = f"{hub}/acme/tower/resolve/main/model.safetensors"
        assert get(tower)[0] == 401
        assert get(tower)[2]["X-Error-Code"] == "GatedRepo"
        assert get(tower, "hf_secret")[0] == 200
        code, _, headers = get(f"{hub}/acme/shed/resolve/main/config.json")
        assert (code, headers["X-Error-Code"]) == (404, "RepoNotFound")


def test_a_part_of_a_file(models: Path) -> None:
    large = FILES["a/model.safetensors"]
    with serving(f"acme/house={models}") as port:
        url = f"http://127.0.0.1:{port}/acme/house/resolve/main/a/model.safetensors"
        for span, part in (
            ("10-19", large[10:20]),
            ("200000-", large[200000:]),
            ("262000-999999", large[262000:]),
        ):
            code, body, headers = get(url, span=f"bytes={span}")
            assert (code, body, int(headers["Content-Length"])) == (206, part, len(part))


def test_busy_at_first(models: Path) -> None:
    with serving(f"acme/house={models}", "--busy", "429,503") as port:
        url = f"http://127.0.0.1:{port}/acme/house/resolve/main/config.json"
        first, second, third = get(url), get(url), get(url)
        assert (first[0], first[2]["Retry-After"], second[0], third[0]) == (429, "1", 503, 200)


def test_a_client_that_asks_too_often_has_to_wait(models: Path) -> None:
    """As the real Hub says it, and to no client longer than it says."""
    with serving(f"acme/house={models}", f"acme/tower={models}", "--limit", "2/1") as port:
        url = f"http://127.0.0.1:{port}/acme/{{}}/resolve/main/config.json"
        codes = [get(url.format(name))[0] for name in ("house", "tower")]
        code, _, headers = get(url.format("house"))
        assert ([*codes, code], headers["Retry-After"]) == ([200, 200, 429], "1")
        assert parse_qs(headers["RateLimit"], separator=";")["t"] == ["1"]
        wait_for("the second to be over", lambda: get(url.format("house"))[0] == 200, 5)


def test_the_pod_that_reads_a_model_reads_it(models: Path, tmp_path: Path) -> None:
    """By TLS, as from the real Hub."""
    program = Path(str(report.__file__)).read_text()
    with serving(f"acme/house={models}", "--tls", str(certificates())) as port:
        environment = {
            "HF_ENDPOINT": f"https://127.0.0.1:{port}",
            "REPORT": str(tmp_path / "report"),
            "SSL_CERT_FILE": str(certificates() / "ca.crt"),
        }
        command = [sys.executable, "-c", program, "acme/house", "main"]
        subprocess.run(command, env=environment, capture_output=True, timeout=60 * patience(), check=False)
    assert '"qwen3"' in (tmp_path / "report").read_text()


def test_a_gated_model_without_a_token_is_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"acme/house={models}", "--gated", "acme/house"])
    assert (
        "--gated acme/house: it is no model that is served, or there is no --token" in capsys.readouterr().err
    )
