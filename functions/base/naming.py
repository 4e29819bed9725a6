"""Deterministic names within each system's limits."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

__all__ = ["HELM_RELEASE", "LABEL", "digest", "label_value", "unique_name"]

LABEL = 63
"""Characters in a DNS label, so in most names of Kubernetes objects."""
HELM_RELEASE = 53
"""Characters in a Helm release's name: https://helm.sh/docs/chart_template_guide."""

_DIGEST = 6
SHORTEST = _DIGEST + 2
"""The least limit that holds a name: a letter, a dash and the digest."""
_OUTSIDE = re.compile(r"[^a-z0-9]+")


def digest(*parts: str, digits: int = _DIGEST) -> str:
    """Return hexadecimal digits, six unless told otherwise, that stand for exactly these parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:digits]


def label_value(name: str) -> str:
    """Return an object's name as a label's value: itself, where it is short enough."""
    return name if len(name) <= LABEL else unique_name(name)


# A cluster's manifests name one another hundreds of times a request, and always in the same way.
@lru_cache(maxsize=8192)
def unique_name(
    *parts: str, limit: int = LABEL, unique: tuple[str, ...] | None = None, digits: int = _DIGEST
) -> str:
    """Join parts into a DNS label of at most `limit` characters.

    The digest is always there, so that ("a-b", "c") and ("a", "b-c") differ, and
    so do two long names with the same beginning. `unique` gives the digest other
    parts than the readable ones. Six digits tell apart what one owner names; what
    separates tenants needs 16, since somebody may search for a second name.

    Raises:
        ValueError: for a limit that holds no such name.
    """
    return _unique_name(parts, limit, unique or parts, digits)


# A composite's names are asked for at every reconcile, some of them a hundred times.
@lru_cache(maxsize=16384)
def _unique_name(parts: tuple[str, ...], limit: int, unique: tuple[str, ...], digits: int) -> str:
    if limit < digits + 2:
        raise ValueError(f"no unique name has at most {limit} characters")
    readable = _OUTSIDE.sub("-", "-".join(parts).lower()).strip("-")
    room = limit - digits - 1
    if not readable[:1].isalpha():
        readable = f"x-{readable}"
    return f"{readable[:room].rstrip('-')}-{digest(*unique, digits=digits)}"
