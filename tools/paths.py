"""Where things are: the repository, the built binaries, the schemas.

Environment variables name something installed elsewhere; make passes them on
(empty when they are not set).
"""

import os
from pathlib import Path

from tools.errors import ToolError

ROOT = Path(__file__).resolve().parent.parent
"""The clone, or the folder that an installed copy is in."""
CLONE = (ROOT / "pyproject.toml").is_file()
"""Whether this is a clone."""
_FILES = ROOT if CLONE else ROOT / "tools" / "files"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
"""The user's folder of what can be made again."""
MADE = ROOT / ".tools" if CLONE else CACHE / "freehold"
"""What the tools make for themselves: programs, caches, logs."""

XRDS = _FILES / "xrds"
COMPOSITIONS = _FILES / "compositions"
PACKAGE = _FILES / "package"
INSTALL = PACKAGE / "install.yaml"
"""What a platform team applies beside the packages."""
GO_LOCK = _FILES / "requirements" / "go.txt"
OWN_SCHEMAS = ROOT / "tools" / "own_schemas"
"""CRDs of ours for kinds that a folder of schemas may lack."""
EXAMPLES = ROOT / "examples"
OUT = ROOT / "out"


def require_clone(command: str) -> None:
    """Raise ToolError in an installed copy, which has neither examples nor a control plane's sources."""
    if not CLONE:
        raise ToolError(f"`freehold {command}` needs a clone of the project: run it there, after `make venv`")


def schemas() -> Path:
    """Return the folder of CRDs and OpenAPI documents; it may not exist."""
    return Path(os.environ.get("SCHEMAS") or ROOT.parent / "shared" / "schemas")


def charts() -> Path | None:
    """Return the folder of real Helm charts, packaged or unpacked, that $CHARTS names; None for none."""
    named = os.environ.get("CHARTS")
    return Path(named) if named else None
