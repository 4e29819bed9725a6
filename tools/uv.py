"""uv of the locked version, which downloads, checks and unpacks wheels, of other platforms too."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.errors import ToolError, last_lines
from tools.paths import MADE, ROOT

__all__ = ["run", "uv"]

_LOCK = ROOT / "requirements" / "lock.txt"


def uv() -> Path:
    """Return the program, installing it once. Raises ToolError when that fails."""
    made = MADE / "lock"
    program = made / "bin" / "uv"
    stamp = made / ".made-from"
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if program.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return program
    run([sys.executable, "-m", "venv", "--clear", made])
    options = ["--disable-pip-version-check", "--quiet", "--require-hashes", "--only-binary", ":all:"]
    run([made / "bin" / "python", "-m", "pip", "install", *options, "--requirement", _LOCK])
    stamp.write_text(wanted)
    return program


def run(command: Sequence[str | Path], **variables: str) -> None:
    """Run a command in the clone, with variables added. Raises ToolError with its last lines."""
    environment = os.environ | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise ToolError(
            f"`{' '.join(map(str, command[:4]))} ...` failed:\n{last_lines(done.stdout + done.stderr)}"
        )
