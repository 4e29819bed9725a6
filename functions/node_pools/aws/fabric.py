"""EFA, AWS' RDMA network between the GPUs of several nodes, for node pools with fabric RDMA."""

from __future__ import annotations

from typing import Any

from functions.base import Request, Resource

from ..pools.pool import Pool
from .managed import managed, ref
from .network import nodes_security_group, vpc
from .plan import POOL_TAG, Plan

__all__ = ["gone", "needs", "resources", "template_fields"]

_GROUP, _PLACEMENT_GROUPS = "efa-security-group", "placement-group-"
_RULES = (("efa-in", "SecurityGroupIngressRule"), ("efa-out", "SecurityGroupEgressRule"))

_WITHOUT_EFA_ON_CARD_0 = frozenset({"p6-b300.48xlarge"})
"""Machines whose network card 0 carries ordinary traffic alone; the fabric is on the other cards."""


def resources(plan: Plan) -> list[Resource]:
    """Compose one security group for all fabrics, and a placement group for each node pool with a fabric."""
    pools = [pool for pool in plan.pools if pool.fabric is not None]
    if not pools:
        return []
    group = managed(
        plan,
        "SecurityGroup",
        _GROUP,
        {**vpc(plan), "name": plan.object_name(_GROUP), "description": "EFA between nodes"},
        after=() if plan.vpc_id else ("vpc",),
    )
    return [
        group,
        *(_rule(plan, name, kind) for name, kind in _RULES),
        *(
            managed(plan, "PlacementGroup", name, {"strategy": "cluster"}, tags={POOL_TAG: pool.name})
            for pool in pools
            if (name := _placement_group(pool))
        ),
    ]


def gone(request: Request, plan: Plan) -> list[str]:
    """Return the placement groups of other pools, and the security group once no pool has a fabric."""
    groups = {_placement_group(pool) for pool in plan.pools if pool.fabric is not None}
    # A node pool that stays for its Models may be the last one with a fabric.
    shared = () if groups or plan.kept_pools else (_GROUP, *(name for name, _ in _RULES))
    live = [name for name in (f"node-pools/{what}" for what in shared) if name in request.observed]
    keys = [*(group.removeprefix(_PLACEMENT_GROUPS) for group in groups if group), *plan.kept_pools]
    return [*request.others(f"node-pools/{_PLACEMENT_GROUPS}", keys), *live]


def needs(pool: Pool) -> tuple[str, ...]:
    """Return which resources must be ready before a pool's launch template is created."""
    if pool.fabric is None:
        return ()
    placement = _placement_group(pool)
    return ("cluster", _GROUP, *(name for name, _ in _RULES), *((placement,) if placement else ()))


def template_fields(request: Request, plan: Plan, pool: Pool) -> dict[str, Any] | None:
    """Return the fields of a pool's launch template; None while the ids in it are not known.

    EKS gives no security group to network interfaces that a launch template names, so the
    template names the cluster's security group too.
    """
    if pool.fabric is None:
        return {}
    nodes, group = nodes_security_group(request), request.resource(f"node-pools/{_GROUP}")
    fabric = group and group.text("status", "atProvider", "id")
    if not nodes or not fabric:
        return None
    common = {"deleteOnTermination": "true", "securityGroups": [nodes, fabric]}
    group_name = _placement_group(pool)
    placement = {"placement": {"groupName": plan.object_name(group_name)}} if group_name else {}
    return {
        "networkInterfaces": [
            {**interface, **common} for interface in _interfaces(pool.instance_type, pool.fabric.per_node)
        ],
        **placement,
    }


def _interfaces(machine: str, devices: int) -> list[dict[str, Any]]:
    """Return a node's network interfaces: one for ordinary traffic, and an EFA device on each card.

    Devices of the type efa-only take no IP address: 32 addresses a node would use up the subnet.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html
    """
    first = 1 if machine in _WITHOUT_EFA_ON_CARD_0 else 0
    fabric = [
        {"networkCardIndex": card, "deviceIndex": 1 if card == 0 else 0, "interfaceType": "efa-only"}
        for card in range(first, first + devices)
    ]
    return [{"networkCardIndex": 0, "deviceIndex": 0}, *fabric]


def _rule(plan: Plan, name: str, kind: str) -> Resource:
    """Compose the rule that allows all traffic within the security group in one direction; EFA needs both.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html#efa-start-security
    """
    itself = {"securityGroupIdRef": ref(plan, _GROUP), "referencedSecurityGroupIdRef": ref(plan, _GROUP)}
    return managed(plan, kind, name, {"ipProtocol": "-1", **itself}, after=(_GROUP,))


def _placement_group(pool: Pool) -> str:
    """Return the name of a pool's placement group in the composition; empty for a reserved pool.

    A reservation decides where its machines stand. Machines of a reservation that was made in a
    placement group start in no other placement group.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/cr-cpg.html
    """
    return "" if pool.reservation is not None else f"{_PLACEMENT_GROUPS}{pool.name}"
