"""Every place that a cluster can be in: one file a place, and its line here."""

from . import aws, existing
from .place import Place, one_of, stays

__all__ = ["PLACES", "Place", "one_of", "stays"]

PLACES: tuple[Place, ...] = (aws.PLACE, existing.PLACE)
