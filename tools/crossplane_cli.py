"""The Crossplane CLI as a child process."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools import paths


def crossplane(arguments: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run the CLI to its end, whatever its exit code, and return what it printed.

    Raises ToolError when there is no CLI.
    """
    # It lives for a fraction of a second, and so does the core that it starts:
    # collecting garbage less often saves a quarter of that.
    environment = {"GOGC": "400", **os.environ}
    command = [paths.crossplane(), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
