"""The line of a container's log that explains why the container ended."""

from __future__ import annotations

import re

__all__ = ["explaining_line", "lacks_gpu_memory", "without_secrets"]

_MOST = 400
"""Characters of a line that are kept."""
_LONGEST = 4096
"""Characters of a line that are looked at."""
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PREFIX = re.compile(
    r"^(?:\((?:APIServer|EngineCore|Worker|Process)[^)]*\)\s*)*"
    r"(?:(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+\d\d-\d\d \d\d:\d\d:\d\d\s+\[[^\]]*\]\s?)?"
)
"""What vLLM writes before each line: the process, the level, the time and the place in the source."""
_ERROR = re.compile(
    r"^(?:[a-zA-Z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b.*"
    r"|.*\berror: .*|^(?:Fatal|FATAL|panic)\b.*|.*[Cc]ommand not found.*"
)
"""The last line of a Python traceback, and what argparse, Go and the shell say."""
_FOLLOWS = re.compile(
    r"Engine core initialization failed|EngineDeadError|EngineCore encountered an issue"
    r"|WorkerProc initialization failed|Engine core proc .* died|See root cause above"
    r"|^(?:SystemExit|KeyboardInterrupt)"
)
"""Errors that vLLM raises because another process of the engine has failed: the cause stands above."""
_GOES_ON = re.compile(r"validation errors? for \w+$")
"""Ends a line of pydantic's, of which the next one says what is wrong."""
_GPU_MEMORY = re.compile(
    r"CUDA out of memory|OutOfMemoryError|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|No available memory for the cache blocks|less than desired GPU memory utilization"
    r"|larger than the available KV cache memory|larger than the maximum number of tokens that can be stored"
)
"""vLLM 0.27 and torch: vllm/v1/core/kv_cache_utils.py, vllm/v1/worker/gpu_worker.py."""
_SECRETS = (
    (re.compile(r"\bhf_[A-Za-z0-9]{8,}"), "hf_***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 ***"),
    (
        re.compile(
            r"(?i)\b((?:x-amz-)?(?:signature|credential|security-token)|token|api[_-]?key|password)=[^&\s]+"
        ),
        r"\1=***",
    ),
    (re.compile(r"://[^/\s:@]+:[^/\s@]+@"), "://***@"),
)


def explaining_line(log: str) -> str:
    """Return the last line that names an error, the cause before what follows from the cause.

    Without such a line: the last line; empty for an empty log.
    """
    # The patterns take the square of a line's length, and a tenant writes the line.
    cut = (line[:_LONGEST] for line in log.splitlines())
    lines = [_PREFIX.sub("", _ESCAPES.sub("", line)).strip() for line in cut]
    lines = [line for line in lines if line]
    errors = [i for i, line in enumerate(lines) if _ERROR.match(line)]
    causes = [i for i in errors if not _FOLLOWS.search(lines[i])]
    last = next(iter([*causes[-1:], *errors[-1:], len(lines) - 1]))
    found = " ".join(lines[last:][: 2 if _GOES_ON.search(lines[last]) else 1]) if lines else ""
    return without_secrets(found)[:_MOST]


def lacks_gpu_memory(line: str) -> bool:
    """Tell whether a line says that the memory of the GPU does not suffice."""
    return bool(_GPU_MEMORY.search(line))


def without_secrets(text: str) -> str:
    """Return a text without what looks like a token, a password or the signature of a URL."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
