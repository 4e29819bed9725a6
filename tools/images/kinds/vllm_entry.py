#!/usr/bin/python3
"""`vllm` in the image for CPUs: the real one, given what a machine without a GPU can do.

The one place where a Model's pod in the tests differs from one on a GPU. `vllm serve` keeps the arguments as
rendered, but for those of GPU_ONLY; any other command of vLLM is passed on as it is.
"""

import gc
import multiprocessing
import os
import sys
import time
from typing import Any

GPU_ONLY = ("--quantization",)
"""Arguments with a value: weights are made fp8 by a kernel of a GPU; tried, vLLM 0.27.1 does not start."""
ADDED = ("--enforce-eager",)
"""Compiling takes another compiler than a GPU's, and 15 s more."""
_SEVERAL = "--nnodes"
ADDED_FOR_SEVERAL = ("--compilation-config.mode=1", "--compilation-config.backend=eager")
"""Instead, for a replica on several nodes: as said, but vLLM tries the model once at the start.

Otherwise the first request makes the engine end: on a CPU, vLLM 0.27.1 makes room for what one stage hands to
the next in that try alone, and leaves the try out with --enforce-eager.
"""
VARIABLES = {
    # GiB of KV cache: there is no memory of a GPU to take a share of.
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # By default it binds threads to cores, of which a container may have none to itself.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    # Else the sampler compiles itself at the first request. There is no C++ compiler in the image.
    "TORCHDYNAMO_DISABLE": "1",
}
"""Unless the pod says otherwise."""
_PAUSE = 0.001
"""Seconds; a step of the tiny models takes three times as long."""


def for_a_cpu(arguments: list[str]) -> list[str]:
    """Return the arguments of `vllm serve` without what only a GPU can do."""
    kept = []
    words = iter(arguments)
    for word in words:
        name, equals, _ = word.partition("=")
        if name not in GPU_ONLY:
            kept.append(word)
        elif not equals:
            # Its value is the next word.
            next(words, None)
    several = any(word.partition("=")[0] == _SEVERAL for word in kept)
    added = ADDED_FOR_SEVERAL if several else ADDED
    return [*kept, *(word for word in added if word not in kept)]


def start_lightly() -> None:
    """Have vLLM take a third of the CPU seconds that it takes by default, most of them to start.

    What is left out guards a GPU's driver, which a forked process cannot use, or the time between two steps
    on a GPU.
    """
    _fork()
    # Most of the time is taken by imports, which make millions of objects and no garbage.
    gc.disable()
    from vllm.distributed.device_communicators import shm_broadcast
    from vllm.model_executor.models import registry

    gc.freeze()
    gc.enable()
    # By default in a process of its own, which imports all of vLLM for it.
    registry._run_in_subprocess = lambda inspect: inspect()
    # What waits for the next step, or for the end of one, spins for a second: two cores while anybody asks.
    shm_broadcast.sched_yield = lambda: time.sleep(_PAUSE)


def _fork() -> None:
    """Have processes be forked that vLLM starts anew on a CPU: each of the two would import vLLM again."""
    given: Any = multiprocessing.get_context

    def forked(method: str | None = None) -> Any:
        return given("fork" if method == "spawn" else method)

    multiprocessing.get_context = forked


def main() -> None:
    """Become vLLM."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"]:
        arguments = for_a_cpu(arguments)
        for name, value in VARIABLES.items():
            os.environ.setdefault(name, value)
        start_lightly()
    sys.argv = ["vllm", *arguments]
    from vllm.entrypoints.cli.main import main as vllm

    sys.exit(vllm())


if __name__ == "__main__":
    main()
