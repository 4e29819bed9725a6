"""A small Hub as an image, with models of random weights: pods download them by the Hub's own protocol."""

from __future__ import annotations

from tools.images import code, python
from tools.images.image import Image, Part
from tools.images.kinds.kind import Kind
from tools.images.kinds.processes import VARIABLES
from tools.images.tree import Entry, from_folder, mounted
from tools.vllm_cpu import models

__all__ = ["KIND", "MODELS"]

MODELS = "/models"
"""The folder of the models: /models/chat and /models/sentence."""


def _make(architecture: str) -> Image:
    where = models.provide()
    return Image(
        [
            python.part(architecture),
            code.part("hub", "tools/__init__.py", "tools/hub"),
            Part("tiny models", [where.name.encode()], _models),
        ],
        entrypoint=["python3", "-m", "tools.hub"],
        command=[f"freehold/tiny-{kind}={MODELS}/{kind}" for kind in models.KINDS],
        environment=VARIABLES,
        architecture=architecture,
    )


def _models() -> dict[str, Entry]:
    return mounted(from_folder(models.provide()), MODELS)


KIND = Kind("hub", "a small Hub with models of random weights", _make, architectures=("amd64",))
