"""Who may call a Model, and from where."""

from __future__ import annotations

from pydantic import Field

from .schema import Schema

__all__ = ["Callers"]


class Callers(Schema):
    """Who may call the Model beside those with its key."""

    in_cluster: bool = Field(
        False,
        description="Whether pods of the GPU cluster, in a namespace named like the claim's, may call the "
        "Model's Service, too: over plain HTTP and without a key. Where the cluster has no gateway they may "
        "anyhow, since nothing else leads to the Model. Default false.",
    )
