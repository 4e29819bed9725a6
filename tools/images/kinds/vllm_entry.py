#!/usr/bin/python3
"""`vllm` in the image for CPUs: the real one, given what a machine without a GPU can do.

The one place where a Model's pod in the tests differs from one on a GPU. `vllm serve` keeps the arguments as
rendered, but for those of GPU_ONLY; any other command of vLLM is passed on as it is.
"""

import os
import sys

GPU_ONLY = ("--quantization",)
"""Arguments with a value: weights are made fp8 by a kernel of a GPU; tried, vLLM 0.27.1 does not start."""
ADDED = ("--enforce-eager",)
"""Compiling takes another compiler than a GPU's, and 15 s more."""
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
    return [*kept, *(word for word in ADDED if word not in kept)]


def main() -> None:
    """Become vLLM."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"]:
        arguments = for_a_cpu(arguments)
        for name, value in VARIABLES.items():
            os.environ.setdefault(name, value)
    sys.argv = ["vllm", *arguments]
    from vllm.entrypoints.cli.main import main as vllm

    sys.exit(vllm())


if __name__ == "__main__":
    main()
