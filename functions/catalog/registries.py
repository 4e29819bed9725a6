"""Registries of AWS' own images by region, from `ecr_registries.tsv`."""

from __future__ import annotations

from functools import cache

from .tables import rows

__all__ = ["ecr_registry"]


@cache
def _registries() -> dict[str, str]:
    return {row["region"]: row["registry"] for row in rows("ecr_registries.tsv")}


def ecr_registry(region: str) -> str | None:
    """Return the registry from which EKS nodes pull AWS' own images; None for a region not listed.

    Source `eks` is the table of
    https://docs.aws.amazon.com/eks/latest/userguide/add-ons-images.html, read 2026-11-28. That
    table spells the host of ap-east-2 with another region, so ap-east-2 is from `guardduty`:
    https://docs.aws.amazon.com/guardduty/latest/ug/eks-runtime-agent-ecr-image-uri.html.
    """
    return _registries().get(region)
