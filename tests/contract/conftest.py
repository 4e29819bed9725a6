"""What the tests against the real vLLM share. `make contract` installs vLLM and runs them.

vLLM's packages and ours do not go together, so vLLM runs in an environment of its own (tools/vllm_cpu).
A test asks it through the fixture `ask_vllm`: a module of the folder `inside` runs there, once, with a
request as JSON, and writes its answer as JSON. Importing vLLM takes 15 to 25 s of CPU, so a test module asks
once for everything, in a fixture of module scope.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rootfs import unpacked
from tools.control_plane.waiting import patience
from tools.errors import last_lines
from tools.images.command import build
from tools.vllm_cpu import environment

INSIDE = Path(__file__).parent / "inside"
ASK_SECONDS = 600 * patience()

AskVLLM = Callable[..., Any]
"""Called with the name of a module of `inside`, the request, and variables of its environment."""


@pytest.fixture(scope="session")
def vllm_folder() -> Path:
    """The environment that vLLM is installed in."""
    return environment.provide()


@pytest.fixture(scope="session")
def ask_vllm(vllm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AskVLLM:
    """Run a module of `inside` by vLLM's Python: `ask_vllm(name, request, **variables)` returns its answer."""

    def ask(module: str, request: Any, **variables: str) -> Any:
        folder = tmp_path_factory.mktemp(module)
        asked, answer = folder / "request.json", folder / "answer.json"
        asked.write_text(json.dumps(request))
        script = INSIDE / f"{module}.py"
        done = subprocess.run(
            [vllm_folder / "bin" / "python", script, asked, answer],
            env={**os.environ, **OFFLINE, **variables},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{script} exits {done.returncode}:\n{last_lines(done.stderr, 40)}"
        return json.loads(answer.read_text())

    return ask


@pytest.fixture(scope="session")
def pods(vllm_folder: Path) -> None:
    """What pods need: vLLM's environment, and the right to make namespaces and to become another user."""
    del vllm_folder
    if os.geteuid() != 0:
        pytest.skip("runs a pod as the pod's user: needs root")


@pytest.fixture(scope="session")
def vllm_image(vllm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file system of the image of vLLM for a CPU."""
    del vllm_folder
    built = build("vllm")
    folder = tmp_path_factory.mktemp("image")
    unpacked(built, folder)
    # A container runtime makes it, to bind the pod's own over it.
    (folder / "etc" / "hosts").touch()
    yield folder
    shutil.rmtree(folder)


OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    # Inspecting a model's class in a child process would import vLLM once more.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
"""Variables that keep vLLM from the network, and from writing what no test reads."""
