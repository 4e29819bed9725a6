"""Versions of vLLM: which one an image has, and the oldest that takes what Models are started with."""

from __future__ import annotations

import re

__all__ = ["OLDEST", "in_words", "version_of"]

OLDEST = (0, 18, 0)
"""The first version with --shutdown-timeout; --disable-access-log-for-endpoints is of 0.16.

https://github.com/vllm-project/vllm/releases
"""
_TAG = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])")


def version_of(image: str) -> tuple[int, ...] | None:
    """Return the version that an image's tag says; None for another kind of tag, or a digest alone.

    A tag counts where the image's own name says that it is vLLM's, such as vllm-openai:v0.27.1-cu129.
    """
    name, _, tag = image.partition("@")[0].rpartition(":")
    if not name or "/" in tag or "vllm" not in name.rpartition("/")[2]:
        return None
    found = _TAG.match(tag)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def in_words(version: tuple[int, ...]) -> str:
    """Return a version as people write it: 0.18.0."""
    return ".".join(map(str, version))
