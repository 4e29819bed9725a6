"""What packages say of themselves to people: annotations as package registries show them.

Five are of the specification of packages (contributing/specifications/xpkg.md of crossplane/crossplane); the
icon and the name for people are what Upbound's and other package registries read beside them.
"""

from __future__ import annotations

import base64
from functools import cache

from tools import paths
from tools.images.kinds.names import LICENCE, SOURCE
from tools.manifests import Manifest

__all__ = ["DESCRIPTION", "README", "TITLE", "about"]

TITLE = "friendly-name.meta.crossplane.io"
DESCRIPTION = "meta.crossplane.io/description"
"""One sentence."""
README = "meta.crossplane.io/readme"
"""Markdown."""


def about(meta: Manifest) -> Manifest:
    """Return a package's metadata with what all our packages say alike."""
    metadata = meta["metadata"]
    common = {
        "meta.crossplane.io/maintainer": f"Freehold <{SOURCE}/issues>",
        "meta.crossplane.io/source": SOURCE,
        "meta.crossplane.io/license": LICENCE,
        "meta.crossplane.io/iconURI": _icon(),
    }
    return {**meta, "metadata": {**metadata, "annotations": {**metadata["annotations"], **common}}}


@cache
def _icon() -> str:
    """Return the icon as a data URI: it needs no server, and travels with a mirror."""
    content = base64.b64encode((paths.PACKAGE / "icon.svg").read_bytes()).decode()
    return f"data:image/svg+xml;base64,{content}"
