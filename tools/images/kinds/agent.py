"""The agent, which reports the state of Models' pods, and delivers Secrets. Its pod says the command."""

from functions.catalog import image
from tools.images import code, python
from tools.images.image import Image
from tools.images.kinds.kind import Kind
from tools.images.kinds.names import labels
from tools.images.kinds.processes import VARIABLES
from tools.paths import ROOT

__all__ = ["KIND"]

_LOCK = ROOT / "requirements" / "agent.txt"


def _make(architecture: str) -> Image:
    return Image(
        [
            python.part(architecture),
            # The client's asynchronous half, half of all its files, lacks what it needs: nobody imports it.
            code.site(_LOCK, architecture, "kubernetes/aio"),
            # Of the functions it imports the API alone.
            code.part("agent", "agent", "functions/__init__.py", "functions/api"),
        ],
        entrypoint=["python3", "-m", "agent"],
        environment=VARIABLES,
        labels=labels("agent"),
        architecture=architecture,
    )


KIND = Kind(
    "agent", "reports why a Model's pods do not run, and delivers Secrets", _make, reference=image("agent")
)
