"""The order in which things go: functions are not called on deletion, so it stands beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .naming import unique_name
from .outcome import Resource

__all__ = ["USAGES", "goes_after"]

USAGES = "protection.crossplane.io/v1beta1"
"""API version of Usage and ClusterUsage."""


def goes_after(
    name: str, composite: str, kept: Mapping[str, Any], gone: Mapping[str, Any], after: tuple[str, ...]
) -> Resource:
    """Compose what holds back the deletion of one object until another is gone.

    The deletion is asked for again as soon as it may go on. Crossplane waits for the
    other one only where both stand in one namespace.

    Args:
        name: the Usage's own in the composition, `FUNCTION/what`.
        composite: the composite's name.
        kept: what goes last: apiVersion, kind, metadata.
        gone: what goes first.
        after: what must be ready before.
    """
    namespace = kept["metadata"]["namespace"]
    if gone["metadata"]["namespace"] != namespace:
        raise ValueError(f"{name}: both must stand in namespace {namespace}")
    manifest = {
        "apiVersion": USAGES,
        "kind": "Usage",
        "metadata": {"name": unique_name(composite, name.partition("/")[2]), "namespace": namespace},
        "spec": {"of": _named(kept), "by": _named(gone), "replayDeletion": True},
    }
    return Resource(name, manifest, after)


def _named(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "resourceRef": {"name": manifest["metadata"]["name"]},
    }
