"""The KMS key that encrypts the cluster's Secrets: a key of its own, unless the spec names one.

EKS takes a key only when a cluster is created. So a live cluster keeps the key that it was
created with, or stays without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.base import Invalid, Request

__all__ = ["KEY", "SecretsKey", "decide"]

KEY = "kms-key"


@dataclass(frozen=True)
class SecretsKey:
    """The KMS key that encrypts the cluster's Secrets."""

    arn: str
    """ARN of the key; empty while AWS has not told it, or where a live cluster has no key."""
    own: bool
    """Whether the key is composed."""
    awaited: bool = False
    """Whether the cluster cannot be created yet because the ARN is unknown."""
    note: str = ""
    """Warning where the spec names another key than the live cluster has."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """The cluster's fields."""
        if not self.arn:
            return {}
        return {"encryptionConfig": {"provider": {"keyArn": self.arn}, "resources": ["secrets"]}}


def decide(request: Request, region: str, asked: str | None) -> SecretsKey:
    """Decide what encrypts the Secrets.

    Args:
        request: with the cluster and its key as they live.
        region: AWS region of the cluster.
        asked: ARN that the spec names; None for a key of the cluster's own.

    Raises:
        Invalid: for a key of another region, which EKS would refuse.
    """
    cluster, key = request.resource("node-pools/cluster"), request.resource(f"node-pools/{KEY}")
    if cluster is not None:
        living = cluster.text("spec", "forProvider", "encryptionConfig", "provider", "keyArn") or ""
        guard = request.resource(f"node-pools/{KEY}-last")
        own = key is not None or guard is not None
        return SecretsKey(living, own, note=_in_vain(asked, living))
    if asked:
        _check_region(asked, region)
        return SecretsKey(asked, own=False)
    arn = (key and key.text("status", "atProvider", "arn")) or ""
    return SecretsKey(arn, own=True, awaited=not arn)


def _check_region(arn: str, region: str) -> None:
    where = arn.split(":")[3]
    if where != region:
        raise Invalid(
            "spec.aws.kmsKeyArn",
            f"the key is in {where}, and the cluster in {region}",
            "Name a key of the cluster's region, or leave it out to have one made",
        )


def _in_vain(asked: str | None, living: str) -> str:
    if asked is None or asked == living:
        return ""
    made_with = f"encrypted with {living}" if living else "encrypted with AWS's own key"
    return (
        f"spec.aws.kmsKeyArn has no effect: the cluster's Secrets are {made_with}, "
        "which cannot change while it lives; claim a new cluster to have another"
    )
