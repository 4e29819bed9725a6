"""The three functions: one image of one code base; a package of each says which it serves (`packages`).

A node and a registry hold the layers once, and a change of one function's code is a layer of a few hundred
kilobytes. `FUNCTION`, or the first argument, names the function.
"""

from tools.images import code, python
from tools.images.image import Image
from tools.images.kinds.kind import Kind
from tools.images.kinds.names import labels, published
from tools.images.kinds.processes import VARIABLES
from tools.paths import ROOT

__all__ = ["KIND"]

_LOCK = ROOT / "requirements" / "functions.txt"


def _make(architecture: str) -> Image:
    return Image(
        [python.part(architecture), code.site(_LOCK, architecture), code.part("functions")],
        entrypoint=["python3", "-m", "functions"],
        environment=VARIABLES,
        labels=labels("functions"),
        architecture=architecture,
    )


KIND = Kind(
    "functions",
    "the composition functions; FUNCTION says which",
    _make,
    reference=published("functions"),
)
