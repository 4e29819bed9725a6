"""Where things are: the repository, the built binaries, the schemas.

Environment variables name something installed elsewhere; make passes them on
(empty when they are not set).
"""

import os
from pathlib import Path

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


def schemas() -> Path:
    """Return the folder of CRDs and OpenAPI documents; it may not exist."""
    return Path(os.environ.get("SCHEMAS") or ROOT.parent / "shared" / "schemas")
