"""AWS' EFA device plugin: lets pods ask for the RDMA devices of their node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.api import PoolStatus, contract

from .component import Component, workload
from .facts import Facts

__all__ = ["COMPONENT"]

_NAMESPACE, _NAME = "kube-system", "aws-efa-k8s-device-plugin"


def _pools(facts: Facts) -> list[PoolStatus]:
    return [p for p in facts.pools if p.fabric is not None and p.fabric.resource == contract.EFA]


def _values(pools: Sequence[PoolStatus], tolerations: list[dict[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {"fullnameOverride": _NAME, "tolerations": tolerations}
    machines = sorted({p.instance_type for p in pools if p.instance_type})
    if machines:
        # The chart's own list knows the machines of its day, and names those of other pools.
        values["supportedInstanceLabels"] = {"values": machines}
    return values


COMPONENT = Component(
    name="efa-device-plugin",
    label="the EFA device plugin",
    about="Device plugin of AWS' RDMA network, where a pool has it.",
    namespace=_NAMESPACE,
    wanted=lambda facts: bool(_pools(facts)),
    values=lambda facts: _values(_pools(facts), facts.tolerations),
    observed=(workload("efa-device-plugin", "DaemonSet", _NAMESPACE, _NAME),),
    after=("gpu-operator",),
)
