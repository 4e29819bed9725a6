"""AWS' EFA device plugin: lets pods ask for the RDMA devices of their node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.api import CloudFacts, PoolStatus, contract
from functions.catalog import ecr_registry

from .component import KUBE_SYSTEM, Component, workload
from .facts import Facts

__all__ = ["COMPONENT"]

_NAME = "aws-efa-k8s-device-plugin"


def _pools(facts: Facts) -> list[PoolStatus]:
    return [p for p in facts.pools if p.fabric is not None and p.fabric.resource == contract.EFA]


def _values(
    pools: Sequence[PoolStatus], tolerations: list[dict[str, Any]], registry: str | None
) -> dict[str, Any]:
    """Return the chart's values.

    Args:
        pools: those with such devices.
        tolerations: of pods that run on every GPU node.
        registry: the region's own of AWS' images; None: not known, so the chart's stands.
    """
    values: dict[str, Any] = {"fullnameOverride": _NAME, "tolerations": tolerations}
    machines = sorted({p.instance_type for p in pools if p.instance_type})
    if machines:
        # The chart's own list knows the machines of its day, and names those of other pools.
        values["supportedInstanceLabels"] = {"values": machines}
    if registry is not None:
        # The chart's own is one region's, in the partition of the commercial regions.
        values["image"] = {"repository": f"{registry}/eks/{_NAME}"}
    return values


def _registry(cloud: CloudFacts | None) -> str | None:
    return ecr_registry(cloud.region) if cloud is not None and cloud.name == "aws" else None


COMPONENT = Component(
    name="efa-device-plugin",
    label="the EFA device plugin",
    about="Device plugin of AWS' RDMA network, where a pool has it.",
    namespace=KUBE_SYSTEM,
    wanted=lambda facts: bool(_pools(facts)),
    values=lambda facts: _values(_pools(facts), facts.tolerations, _registry(facts.cloud)),
    observed=(workload("efa-device-plugin", "DaemonSet", KUBE_SYSTEM, _NAME),),
    # A Release in a cluster that is deleted with its claim is never uninstalled. Without its Release,
    # the plugin would run on, and nobody would upgrade it.
    stays=True,
)
