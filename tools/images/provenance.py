"""Where an image comes from, as a statement of SLSA provenance (https://slsa.dev/spec/v1.0/provenance).

No time stamp and no name of a run: the same commit, made in the same place, has the same statement.
"""

from __future__ import annotations

import os
from typing import Any

from tools.images.image import Image
from tools.images.kinds.names import SOURCE, is_dirty, revision
from tools.images.store import Built

__all__ = ["BUILDER", "statement"]

BUILDER = f"{SOURCE}/blob/main/docs/install.md#your-own-build"
"""Who has made it, where no workflow has."""
_TYPE = f"{SOURCE}/blob/main/docs/install.md#where-an-image-comes-from"
"""What the parameters below mean."""


def statement(built: Built, image: Image, reference: str) -> dict[str, Any]:
    """Return the statement of an image that is made, as in-toto has it.

    Args:
        built: the image.
        image: what it was made of.
        reference: its whole name, such as ghcr.io/freehold-dev/agent:v0.1.0.
    """
    repository, _, tag = reference.rpartition(":")
    made_of = sorted({(each.uri, each.sha256) for part in image.parts for each in part.materials})
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": repository, "digest": {"sha256": built.digest.removeprefix("sha256:")}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": _TYPE,
                "externalParameters": {
                    "image": built.name,
                    "architecture": built.architecture,
                    "repository": repository,
                    "tag": tag,
                },
                "resolvedDependencies": [
                    _clone(),
                    *({"uri": uri, "digest": {"sha256": sha256}} for uri, sha256 in made_of),
                ],
            },
            "runDetails": {"builder": {"id": _builder()}},
        },
    }


def _clone() -> dict[str, Any]:
    clone: dict[str, Any] = {"uri": f"git+{SOURCE}", "digest": {"gitCommit": revision()}}
    return {**clone, "annotations": {"changed": "since the commit"}} if is_dirty() else clone


def _builder() -> str:
    """Return who makes images here: the workflow of GitHub's, if it is one."""
    workflow = os.environ.get("GITHUB_WORKFLOW_REF")
    return f"{os.environ['GITHUB_SERVER_URL']}/{workflow}" if workflow else BUILDER
