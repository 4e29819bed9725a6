"""The source folders of the Go modules that programs are built from, for CRDs of the same version."""

import os
import subprocess
from pathlib import Path

from tools.errors import ToolError, last_lines
from tools.toolchain import Tool, find_go


def module_folder(tool: Tool) -> Path:
    """Return the source folder of a tool's module, downloading it when Go's cache has lost it."""
    go = str(find_go(tool))
    done = _run(tool, go, "mod", "download", tool.module)
    if done.returncode == 0:
        done = _run(tool, go, "list", "-m", "-f", "{{.Dir}}", tool.module)
    folder = done.stdout.strip()
    if done.returncode != 0 or not folder:
        raise ToolError(f"no source of {tool.module}, so no CRDs:\n{last_lines(done.stderr)}")
    return Path(folder)


def _run(tool: Tool, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": ""}
    return subprocess.run(
        command, cwd=tool.source, env=environment, capture_output=True, text=True, check=False
    )
