"""How a pool's machines are bought: on demand, as Spot, or from a reservation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from functions.api import Capacity, NodePool, ReservationKind
from functions.base import Invalid

from ..pools.pool import Pool

__all__ = ["check", "group_fields", "live", "note", "template_fields", "update_fields"]

_ID = re.compile(r"cr-[0-9a-f]{8,17}")


def check(pools: Sequence[NodePool]) -> None:
    """Refuse reservation ids that EC2 would not understand.

    Raises:
        Invalid: for the first of them.
    """
    for index, pool in enumerate(pools):
        if pool.reservation is not None and not _ID.fullmatch(pool.reservation.id):
            raise Invalid(
                f"spec.nodePools[{index}].reservation.id",
                f"{pool.reservation.id} is not the id of a capacity reservation",
                "Write it as EC2 lists it, such as cr-0123456789abcdef0",
            )


def group_fields(pool: Pool) -> dict[str, Any]:
    """Return the node group's fields that say how machines are bought.

    https://docs.aws.amazon.com/eks/latest/userguide/capacity-blocks-mng.html has the machine
    of a Capacity Block in the launch template, and EKS takes it in one place only.
    """
    if _is_block(pool):
        return {"capacityType": "CAPACITY_BLOCK"}
    market = "SPOT" if pool.capacity is Capacity.SPOT else "ON_DEMAND"
    return {"capacityType": market, "instanceTypes": [pool.instance_type]}


def template_fields(pool: Pool) -> dict[str, Any]:
    """Return the launch template's fields for a reservation, without which no node is started."""
    if pool.reservation is None:
        return {}
    target = {"capacityReservationTarget": {"capacityReservationId": pool.reservation.id}}
    fields: dict[str, Any] = {"capacityReservationSpecification": target}
    if _is_block(pool):
        fields |= {
            "instanceMarketOptions": {"marketType": "capacity-block"},
            "instanceType": pool.instance_type,
        }
    return fields


def live(capacity_type: str, reservation: str | None) -> Capacity | None:
    """Return how a live node group's machines are bought; None where its launch template is missing.

    Args:
        capacity_type: of the node group.
        reservation: id that its launch template names, or empty; None where the template is missing.
    """
    if capacity_type == "SPOT":
        return Capacity.SPOT
    if reservation or capacity_type == "CAPACITY_BLOCK":
        return Capacity.RESERVED
    return None if reservation is None else Capacity.ON_DEMAND


def update_fields(pool: Pool) -> dict[str, str]:
    """Return how EKS replaces nodes: a full reservation has room for a new node only once an old one is gone.

    https://docs.aws.amazon.com/eks/latest/APIReference/API_NodegroupUpdateConfig.html
    """
    return {} if pool.reservation is None else {"updateStrategy": "MINIMAL"}


def note(pool: Pool) -> str:
    """Warn that a Capacity Block holds no nodes outside its time; empty where no warning is due."""
    if not _is_block(pool) or pool.nodes.min == 0:
        return ""
    return (
        f"node pool {pool.name} asks for at least {pool.nodes.min} nodes, and a Capacity Block holds none "
        "before it begins and after it ends: set its nodes.min to 0 outside that time"
    )


def _is_block(pool: Pool) -> bool:
    return pool.reservation is not None and pool.reservation.kind is ReservationKind.CAPACITY_BLOCK
