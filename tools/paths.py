"""Where things are: the repository, the built binaries, the schemas.

Environment variables name something installed elsewhere; make passes them on
(empty when they are not set).
"""

import os
from pathlib import Path

from tools.errors import ToolError

ROOT = Path(__file__).resolve().parent.parent
MADE = ROOT / ".tools"
"""What the tools make for themselves: binaries, caches, logs."""

XRDS = ROOT / "xrds"
COMPOSITIONS = ROOT / "compositions"
PACKAGE = ROOT / "package"
INSTALL = PACKAGE / "install.yaml"
"""What a platform team applies beside the packages."""
EXAMPLES = ROOT / "examples"
OUT = ROOT / "out"


def crossplane() -> Path:
    """Return the Crossplane CLI: $CROSSPLANE, else the one `make tools` builds."""
    return _binary("CROSSPLANE", "crossplane")


def crossplane_core() -> Path:
    """Return the Crossplane core, the render engine: $CROSSPLANE_CORE, else the built one."""
    return _binary("CROSSPLANE_CORE", "crossplane-core")


def schemas() -> Path:
    """Return the folder of CRDs and OpenAPI documents; it may not exist."""
    return Path(os.environ.get("SCHEMAS") or ROOT.parent / "shared" / "schemas")


def _binary(variable: str, name: str) -> Path:
    named = os.environ.get(variable)
    path = Path(named) if named else MADE / "bin" / name
    if not path.is_file():
        cause = f"{variable} names it" if named else "`make tools` builds it"
        raise ToolError(f"{path} does not exist ({cause})")
    return path
