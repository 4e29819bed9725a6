"""The official client of OpenAI beside Python, so that a test asks a Model as apps do."""

from __future__ import annotations

from tools.images import code, python
from tools.images.image import Image
from tools.images.kinds.kind import Kind
from tools.paths import ROOT

__all__ = ["KIND"]

_LOCK = ROOT / "requirements" / "openai.txt"


def _make(architecture: str) -> Image:
    return Image(
        [python.part(architecture), code.site(_LOCK, architecture)],
        command=["python3"],
        architecture=architecture,
    )


KIND = Kind("openai-client", "the official client of OpenAI, for pods of tests", _make)
