"""What the image's `vllm` makes of the arguments and variables of a rendered pod."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from types import ModuleType

import pytest

from tools.images.kinds import vllm_entry

_MAIN = "vllm.entrypoints.cli.main"
_QUEUE = "vllm.distributed.device_communicators.shm_broadcast"
_REGISTRY = "vllm.model_executor.models.registry"


class VllmCalledError(Exception):
    """The stand-in for vLLM was called."""


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM is not installed here: a module in its place ends the process."""

    def main() -> None:
        raise VllmCalledError

    for name in (_MAIN, _QUEUE, _REGISTRY):
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(parts[end - 1]))
        below = ".".join(parts[:-1])
        monkeypatch.setattr(sys.modules[below], parts[-1], sys.modules[name], raising=False)
    monkeypatch.setattr(sys.modules[_MAIN], "main", main, raising=False)
    # The entry changes these of its own process.
    monkeypatch.setattr(multiprocessing, "get_context", multiprocessing.get_context)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    for name in vllm_entry.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/vllm", *words])
    with pytest.raises(VllmCalledError):
        vllm_entry.main()
    return sys.argv


@pytest.mark.usefixtures("called")
def test_serve_keeps_the_rendered_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = ["serve", "/models", "--served-model-name=a", "--max-model-len=1"]
    assert run(monkeypatch, *rendered) == ["vllm", *rendered, "--enforce-eager"]
    assert run(monkeypatch, "serve", "--enforce-eager") == ["vllm", "serve", "--enforce-eager"]
    assert os.environ["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "2", "the pod's own"


@pytest.mark.usefixtures("called")
def test_a_replica_on_several_nodes_tries_the_model_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = ["serve", "/models", "--nnodes=2"]
    added = ["--compilation-config.mode=1", "--compilation-config.backend=eager"]
    assert run(monkeypatch, *rendered) == ["vllm", *rendered, *added]


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize("words", [["--quantization=fp8"], ["--quantization", "fp8"]])
def test_what_only_a_gpu_can_do_is_left_out(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["serve", "/models", *words, "--port=1"]
    assert run(monkeypatch, *given) == ["vllm", "serve", "/models", "--port=1", "--enforce-eager"]


@pytest.mark.usefixtures("called")
def test_other_commands_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "bench", "--x") == ["vllm", "bench", "--x"]
    assert "VLLM_CPU_KVCACHE_SPACE" not in os.environ
    assert multiprocessing.get_context("spawn").get_start_method() == "spawn"


@pytest.mark.usefixtures("called")
def test_serve_starts_no_process_that_imports_vllm_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "serve", "/models")
    assert multiprocessing.get_context("spawn").get_start_method() == "fork"
    assert sys.modules[_REGISTRY]._run_in_subprocess(os.getpid) == os.getpid()
    assert gc.isenabled()
