"""Logs as vLLM 0.16 to 0.27, the Hub's client and a shell write them."""

from __future__ import annotations

import time

import pytest

from agent.logs import explaining_line, lacks_gpu_memory, without_secrets

HALF_A_SECOND = 0.5
CACHE = "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine."
ENGINE = f"""\
(APIServer pid=1) INFO 11-28 17:38:26 [utils.py:302] version 0.27.1
(EngineCore pid=271) INFO 11-28 17:40:01 [gpu_model_runner.py:3120] Model loading took 18.21 GiB memory and 190.2 seconds
(EngineCore pid=271) ERROR 11-28 17:41:02 [core.py:1374] EngineCore failed to start.
(EngineCore pid=271) ERROR 11-28 17:41:02 [core.py:1374] Traceback (most recent call last):
(EngineCore pid=271) ERROR 11-28 17:41:02 [core.py:1374]   File "/usr/local/lib/python3.12/dist-packages/vllm/v1/core/kv_cache_utils.py", line 859, in check
(EngineCore pid=271) ERROR 11-28 17:41:02 [core.py:1374]     raise ValueError(
(EngineCore pid=271) ERROR 11-28 17:41:02 [core.py:1374] {CACHE}
(EngineCore pid=271) Process EngineCore:
(EngineCore pid=271) Traceback (most recent call last):
(EngineCore pid=271)   File "/usr/lib/python3.12/multiprocessing/process.py", line 314, in _bootstrap
(EngineCore pid=271)     self.run()
(EngineCore pid=271) {CACHE}
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1)   File "/usr/local/bin/vllm", line 8, in <module>
(APIServer pid=1)     sys.exit(main())
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {{}}
"""
WORKERS = """\
(Worker_TP1 pid=301) ERROR 11-28 17:41:02 [multiproc_executor.py:870] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 1 has a total capacity of 44.40 GiB
(EngineCore pid=271) ERROR 11-28 17:41:02 [core.py:1374] Exception: WorkerProc initialization failed due to an exception in a background process. See stack trace for root cause.
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("\n \n", ""),
        (ENGINE, CACHE),
        (
            WORKERS,
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 1 has a total capacity of 44.40 GiB",
        ),
        (
            "usage: vllm serve [model_tag] [options]\nvllm: error: unrecognized arguments: --tensor-paralel-size=2\n",
            "vllm: error: unrecognized arguments: --tensor-paralel-size=2",
        ),
        (
            "\x1b[1;36m(APIServer pid=1)\x1b[0;0m pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
            "\x1b[1;36m(APIServer pid=1)\x1b[0;0m   Value error, the model type `gemma4` is not recognized\n",
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig "
            "Value error, the model type `gemma4` is not recognized",
        ),
        ("/bin/sh: 1: hf: command not found\n", "/bin/sh: 1: hf: command not found"),
        ("OSError: [Errno 28] No space left on device\nbye\n", "OSError: [Errno 28] No space left on device"),
        # Without an error: the last thing said.
        ("Fetching 12 files\nKilled\n", "Killed"),
        # Only what follows from something that the log no longer holds.
        (
            "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
            "RuntimeError: Engine core initialization failed. See root cause above.",
        ),
    ],
)
def test_the_line_that_explains(log: str, line: str) -> None:
    assert explaining_line(log) == line


def test_a_long_line_is_cut() -> None:
    assert len(explaining_line("ValueError: " + "x" * 5000)) == 400


@pytest.mark.parametrize(
    "line",
    [
        CACHE,
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "ValueError: Free memory on device (3.22/4.0 GiB) on startup is less than desired GPU memory utilization (0.9, 3.6 GiB).",
        "ValueError: To serve at least one request with the models's max seq len (16384), (2.0 GiB KV cache is needed, which is "
        "larger than the available KV cache memory (1.5 GiB)",
    ],
)
def test_too_little_gpu_memory(line: str) -> None:
    assert lacks_gpu_memory(line)
    assert not lacks_gpu_memory("MemoryError: cannot allocate 2 GiB")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("401 for token hf_AbCdEfGhIjKlMnOpQrStUv", "401 for token hf_***"),
        ("Authorization: Bearer eyJhbGciOi.J9", "Authorization: Bearer ***"),
        (
            "GET https://cdn.example/x?X-Amz-Signature=0a1b2c&X-Amz-Date=2026",
            "GET https://cdn.example/x?X-Amz-Signature=***&X-Amz-Date=2026",
        ),
        ("proxy http://me:secret@proxy:3128 refused", "proxy http://***@proxy:3128 refused"),
        ("500 tokens of 600", "500 tokens of 600"),
    ],
)
def test_secrets_are_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_a_long_line_takes_no_time() -> None:
    """A tenant writes it, and one thread reads the logs of all tenants."""
    began = time.thread_time()
    explaining_line("XError: " + "Engine core proc " * 15_000)
    assert time.thread_time() - began < HALF_A_SECOND
