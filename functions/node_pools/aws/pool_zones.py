"""Which of the cluster's subnets a node pool uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from functions.base import Invalid

from ..pools.pool import Pool
from . import zones

__all__ = ["subnets"]


def subnets(
    index: int, pool: Pool, region: str, cluster: Sequence[str], living: Sequence[int]
) -> tuple[int, ...]:
    """Return the subnets of a pool, by position.

    Args:
        index: of the pool in the spec.
        pool: its zones, machine, reservation and fabric decide.
        region: AWS region.
        cluster: the zone of each of the cluster's subnets.
        living: the subnets of its node group, which cannot change; none while there is none.

    Raises:
        Invalid: for zones that the pool cannot have.
    """
    at = f"spec.nodePools[{index}]"
    if living:
        _check_stays(at, pool, _distinct(cluster[i] for i in living))
        return tuple(living)
    if pool.zones:
        _check_named(at, pool, region, cluster)
        found = [i for i, zone in enumerate(cluster) if zone in pool.zones]
    else:
        found = _with_the_machine(at, pool, region, cluster)
    possible = _distinct(cluster[i] for i in found)
    if pool.reservation is not None and len(possible) > 1:
        raise Invalid(
            f"{at}.zones",
            f"a reservation lies in one zone, and the pool could be in {', '.join(possible)}",
            "Name the zone of the reservation",
        )
    if pool.fabric is not None and pool.zones and len(possible) > 1:
        raise Invalid(
            f"{at}.zones",
            f"fabric RDMA connects nodes of one zone, and these are {', '.join(possible)}",
            "Name one of them",
        )
    return tuple(found[:1] if pool.fabric is not None else found)


def _with_the_machine(at: str, pool: Pool, region: str, cluster: Sequence[str]) -> list[int]:
    """Return the positions of the subnets in whose zones AWS has the pool's machine.

    Returns all positions where the zones of the machine are not known, or where zones are given by
    name: which zone a name means differs from account to account.

    Raises:
        Invalid: when the machine is known to be in none of the cluster's zones.
    """
    known = zones.having(region, pool.instance_type)
    if not known or any(not zones.is_id(zone) for zone in cluster):
        return list(range(len(cluster)))
    found = [i for i, zone in enumerate(cluster) if zone in known]
    if not found:
        raise Invalid(
            at,
            f"{pool.instance_type} is only known to be in {', '.join(known)}, and the cluster is in "
            f"{', '.join(_distinct(cluster))}",
            "Use another GPU or machine, or a cluster that lies in one of these zones",
        )
    return found


def _check_named(at: str, pool: Pool, region: str, cluster: Sequence[str]) -> None:
    known = zones.having(region, pool.instance_type)
    for number, zone in enumerate(pool.zones):
        if zone not in cluster:
            raise Invalid(
                f"{at}.zones[{number}]",
                f"the cluster is not in {zone}: its zones are {', '.join(_distinct(cluster))}",
                "Use one of these, spelled as they are, or claim a cluster that is there",
            )
        # Names differ from account to account: only an id says which zone it is.
        if known and zones.is_id(zone) and zone not in known:
            raise Invalid(
                f"{at}.zones[{number}]",
                f"{pool.instance_type} is not known to be in {zone}",
                f"It is in {', '.join(known)}",
            )


def _check_stays(at: str, pool: Pool, living: Sequence[str]) -> None:
    elsewhere = f"Add a pool with another name, move the Models, then remove pool {pool.name}"
    if pool.zones and set(pool.zones) != set(living):
        raise Invalid(
            f"{at}.zones", f"the pool is in {', '.join(living)} and cannot move while it lives", elsewhere
        )
    if pool.fabric is not None and len(living) > 1:
        raise Invalid(
            f"{at}.fabric",
            f"the pool is in {', '.join(living)}, and fabric RDMA connects nodes of one zone",
            elsewhere,
        )


def _distinct(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given))
