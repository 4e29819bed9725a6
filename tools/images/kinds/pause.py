"""The image that holds a pod's namespaces: one static program, built here from tools/go/pause."""

import os
import subprocess
import tempfile
from pathlib import Path

from tools.errors import ToolError, last_lines
from tools.images.image import Image, Part
from tools.images.kinds.kind import Kind
from tools.images.tree import Entry, File
from tools.paths import ROOT
from tools.toolchain import Tool, find_go

__all__ = ["KIND"]

_GO = Tool(
    name="pause",
    title="first process of a pod",
    folder="pause",
    variable="PAUSE",
    # Of the standard library alone.
    module="",
    package=".",
    ask=(),
    answer="",
    oldest=(0, 0, 0),
    minutes=1,
    variables=(),
)


def _make(architecture: str) -> Image:
    sources = [path.read_bytes() for path in sorted((ROOT / "tools" / "go" / _GO.folder).iterdir())]
    part = Part(
        "pause",
        [architecture.encode(), Path(__file__).read_bytes(), *sources],
        lambda: _program(architecture),
    )
    return Image([part], entrypoint=["/pause"], architecture=architecture)


def _program(architecture: str) -> dict[str, Entry]:
    """Build the program for an architecture."""
    variables = {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "GOOS": "linux",
        "GOARCH": architecture,
    }
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "pause"
        flags = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid="]
        done = subprocess.run(
            [find_go(_GO), "build", *flags, "-o", target, _GO.package],
            cwd=_GO.source,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ToolError(f"the pause image's program does not build:\n{last_lines(done.stderr)}")
        return {"pause": File(target.read_bytes(), executable=True)}


KIND = Kind("pause", "the process that holds a pod's namespaces", _make)
