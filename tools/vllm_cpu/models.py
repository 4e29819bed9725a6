"""Models of random weights that vLLM serves as it does large ones, made once by its own environment."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.console import working
from tools.errors import ToolError, last_lines
from tools.paths import CACHE
from tools.vllm_cpu import environment

__all__ = ["KINDS", "folder", "hidden_size", "provide"]

KINDS = ("chat", "sentence")
"""A language model of the Qwen3 family with a chat template, and an encoder of the XLM-RoBERTa family."""
_SCRIPT = Path(__file__).with_name("tiny_models.py")


def folder() -> Path:
    """Return the folder of the models, one folder each; it may not exist."""
    digest = hashlib.sha256(_SCRIPT.read_bytes() + environment.folder().name.encode())
    return CACHE / "freehold" / f"tiny-models-{digest.hexdigest()[:8]}"


def provide() -> Path:
    """Make the models unless they are there, and return their folder. They are the same each time."""
    where = folder()
    if where.is_dir():
        return where
    environment.provide()
    with (
        working("making tiny models of random weights"),
        tempfile.TemporaryDirectory(dir=where.parent, prefix="tiny-models-") as partial,
    ):
        made = Path(partial) / "models"
        made.mkdir()
        request, answer = Path(partial) / "request.json", Path(partial) / "answer.json"
        request.write_text(json.dumps({kind: str(made / kind) for kind in KINDS}))
        command = [environment.python(), _SCRIPT, request, answer]
        done = subprocess.run(command, cwd=partial, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolError(f"the tiny models are not made:\n{last_lines(done.stderr)}")
        try:
            made.rename(where)
        except OSError:
            # Another process was faster.
            shutil.rmtree(made)
    return where


def hidden_size(kind: str) -> int:
    """Return the size of a model's hidden state."""
    return int(json.loads((provide() / kind / "config.json").read_text())["hidden_size"])
