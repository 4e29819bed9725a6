"""Where weights come from, the volume that keeps them, and the Job that fills it.

The sources are listed here; each has a module with its value. Serving pods have no egress, so they
cannot fetch anything, and a volume keeps the weights when pods restart.
"""

from functions.api import ModelSpec

from .huggingface import HUGGING_FACE
from .source import Source

__all__ = ["SOURCES", "source_of"]

SOURCES = (HUGGING_FACE,)


def source_of(spec: ModelSpec) -> Source:
    """Return the source of a Model's weights: the one whose field is set in the spec."""
    return next(source for source in SOURCES if getattr(spec.source, source.field) is not None)
