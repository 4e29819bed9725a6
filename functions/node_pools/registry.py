"""Every place that a cluster can be in; nothing else lists them."""

from __future__ import annotations

from . import aws, created, existing
from .place import Place

__all__ = ["PLACES"]

PLACES: tuple[Place, ...] = (created.place(aws.CLOUD), existing.PLACE)
