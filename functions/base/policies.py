"""Management policies that several functions share."""

from __future__ import annotations

__all__ = ["DIES_WITH_CLUSTER"]

DIES_WITH_CLUSTER = ("Observe", "Create", "Update")
"""For what reaches into a cluster that its own claim creates, or that is gone: never deleted by itself.

The cluster goes at the same time, and a deletion that can no longer reach it would
hold the claim for ever.
"""
