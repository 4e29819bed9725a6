"""The download's program, as far as it needs no Hub: tests/contract runs it against one."""

from __future__ import annotations

import ast
import errno
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from functions.vllm.serve.pod import COMPLETE, WEIGHTS_FOLDER
from functions.vllm.source import hub_download
from functions.vllm.source.hub_download import DownloadError, failure_of, wanted_files
from functions.vllm.source.huggingface import HUGGING_FACE, PROGRAM

CONFIG = {"config.json": 600, "tokenizer.model.v3": 5, "chat_template.jinja": 9, "README.md": 70}
SHARDS = {f"model-0000{i}-of-00002.safetensors": 900 for i in (1, 2)}
INDEX = "model.safetensors.index.json"


Wanted = Callable[..., set[str]]


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    """Return what names the files to download of a repository, whose index names these shards."""

    def names(files: dict[str, int], index: Sequence[str] = (), *, consolidated: bool = False) -> set[str]:
        path = tmp_path / "index.json"
        path.write_text(json.dumps({"weight_map": {f"layer.{i}": name for i, name in enumerate(index)}}))
        return set(wanted_files(files, consolidated=consolidated, get=lambda _: path))

    return names


def test_the_index_says_which_weights_are_needed(wanted: Wanted) -> None:
    files = {**CONFIG, **SHARDS, INDEX: 20, "model.fp16.safetensors": 900, "original/a.safetensors": 900}
    assert wanted(files, list(SHARDS)) == {*SHARDS, INDEX, *CONFIG} - {"README.md"}


def test_one_format_is_downloaded(wanted: Wanted) -> None:
    files = {**CONFIG, "model.safetensors": 9, "consolidated.safetensors": 9, "pytorch_model.bin": 9}
    assert wanted(files) & {"model.safetensors", "consolidated.safetensors", "pytorch_model.bin"} == {
        "model.safetensors"
    }


@pytest.mark.parametrize("others", [{}, SHARDS], ids=["nothing else is there", "the engine loads them"])
def test_consolidated_weights(wanted: Wanted, others: dict[str, int]) -> None:
    """V8: some repositories hold nothing else, and the excluded files left an empty volume that was served."""
    files = {**CONFIG, **others, "params.json": 9, "consolidated.safetensors": 9}
    assert wanted(files, consolidated=bool(others)) == {*files} - {"README.md", *others}


def test_layers_of_an_embedding_model_come_along(wanted: Wanted) -> None:
    files = {**CONFIG, "model.safetensors": 9, "2_Dense/model.safetensors": 9, "onnx/model.safetensors": 9}
    assert "2_Dense/model.safetensors" in wanted(files)
    assert "onnx/model.safetensors" not in wanted(files)


def test_pickled_weights_where_there_are_no_others(wanted: Wanted) -> None:
    assert "pytorch_model.bin" in wanted({**CONFIG, "pytorch_model.bin": 9, "training_args.bin": 1})


@pytest.mark.parametrize(
    ("files", "index"),
    [
        (CONFIG, []),
        ({**CONFIG, "model.gguf": 9}, []),
        ({**CONFIG, **SHARDS, INDEX: 20}, [*SHARDS, "model-00003-of-00003.safetensors"]),
    ],
    ids=["none", "a format that is not served", "fewer than the index names"],
)
def test_a_repository_without_weights(wanted: Wanted, files: dict[str, int], index: Sequence[str]) -> None:
    with pytest.raises(DownloadError) as caught:
        wanted(files, index)
    assert (caught.value.code, caught.value.reason) == hub_download.NO_WEIGHTS


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), hub_download.VOLUME_FULL),
        (RuntimeError("I/O error: No space left on device (os error 28)"), hub_download.VOLUME_FULL),
        (PermissionError(errno.EACCES, "Permission denied"), hub_download.NOT_WRITABLE),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), hub_download.UNREACHABLE),
        (TimeoutError("timed out"), hub_download.UNREACHABLE),
        # Its number is 1, as of "operation not permitted".
        (
            ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer"),
            hub_download.NOT_TRUSTED,
        ),
        (ValueError("?"), hub_download.OTHER),
    ],
)
def test_what_the_system_says(error: Exception, kind: tuple[int, str]) -> None:
    try:
        raise RuntimeError("above") from error
    except RuntimeError as above:
        failure = failure_of(above)
    assert (failure.code, failure.reason) == kind
    assert str(failure) == str(error)


class RepositoryNotFoundError(Exception):
    """As huggingface_hub's: of every 401 over TLS, but the one in which huggingface.co refuses a token."""

    def __init__(self, status: int) -> None:
        self.response = SimpleNamespace(status_code=status, headers={})


@pytest.mark.parametrize(
    ("status", "token", "kind"),
    [
        (401, "", hub_download.NO_REPOSITORY),
        (401, "hf_old", hub_download.TOKEN_REFUSED),
        (404, "hf_right", hub_download.NO_REPOSITORY),
    ],
)
def test_whether_a_token_is_refused(
    monkeypatch: pytest.MonkeyPatch, status: int, token: str, kind: tuple[int, str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    failure = failure_of(RepositoryNotFoundError(status))
    assert (failure.code, failure.reason) == kind


def run(folder: Path, report: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, "--report", str(report), "org/name", "main", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def safetensors(tensors: int) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [tensors], "data_offsets": [0, tensors]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(tensors)


def complete(folder: Path, **other: str) -> Path:
    """Make a folder as the program leaves it."""
    content = safetensors(100)
    (folder / ".freehold").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    state = {"repository": "org/name", "revision": "main", "commit": "c" * 40, **other}
    marker = folder / ".freehold" / "complete"
    marker.write_text(json.dumps({**state, "sizes": {"model.safetensors": len(content)}}))
    return marker


def test_what_is_complete_is_not_downloaded_again(tmp_path: Path) -> None:
    """A Job that is created again needs neither the Hub nor its library, which is not installed here."""
    complete(tmp_path / "models")
    report = tmp_path / "report"
    done = run(tmp_path / "models", report)
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text()) == {"commit": "c" * 40, "bytes": len(safetensors(100)), "files": 1}


@pytest.mark.parametrize("broken", ["cut off", "gone", "of another model"])
def test_what_is_not_complete_is_downloaded(tmp_path: Path, broken: str) -> None:
    """And no serving pod starts on it meanwhile."""
    folder = tmp_path / "models"
    marker = complete(folder, **({"repository": "org/other"} if broken == "of another model" else {}))
    weights = folder / "model.safetensors"
    if broken == "cut off":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif broken == "gone":
        weights.unlink()
    leftover = folder / ".cache" / "huggingface" / "download" / "2_Dense" / "a.incomplete"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    done = run(folder, tmp_path / "report")
    assert done.returncode == 1
    assert "No module named 'huggingface_hub'" in (tmp_path / "report").read_text()
    assert not marker.exists()
    assert not leftover.exists(), "V19: it takes room, and nobody else removes it"


def test_every_exit_code_has_a_cause() -> None:
    told = {value for name, value in vars(hub_download).items() if name.isupper() and type(value) is tuple}
    codes = dict(kind for kind in told if len(kind) == 2 and isinstance(kind[0], int))
    known = {code: cause.reason for code, cause in HUGGING_FACE.causes.items()}
    assert {code: reason for code, reason in codes.items() if code >= 41} == known


def test_serving_pods_wait_for_what_the_program_writes_last() -> None:
    assert f"{WEIGHTS_FOLDER}/.freehold/complete" == COMPLETE


def test_it_stands_alone() -> None:
    """The image has the standard library and huggingface_hub, and nothing of this package."""
    names = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(PROGRAM))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or "."])
    }
    assert names - set(sys.stdlib_module_names) == {"huggingface_hub", "certifi"}
