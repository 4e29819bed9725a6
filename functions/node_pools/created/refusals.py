"""Changes of a live node pool that would replace all its nodes, and the Models on them."""

from __future__ import annotations

from collections.abc import Mapping

from functions.api import Capacity, FabricKind, NodePool, PoolStatus, Slices
from functions.base import Invalid

from ..pools.sharing import described, same

__all__ = ["check", "check_disk", "check_live", "fixed", "fixed_region"]


def check(at: str, asked: NodePool, record: PoolStatus) -> None:
    """Refuse what would replace every node of a pool that lives, and with them its Models.

    Raises:
        Invalid: it says what to do instead.
    """
    if asked.capacity is not record.capacity:
        raise fixed(f"{at}.capacity", f"the pool is {record.capacity.value}", asked.name)
    if asked.reservation != record.reservation:
        of = f"draws from {record.reservation.id}" if record.reservation else "draws from no reservation"
        raise fixed(f"{at}.reservation", f"the pool {of}", asked.name)
    if (asked.fabric is FabricKind.RDMA) != (record.fabric is not None):
        has = f"has {record.fabric.resource}" if record.fabric else "has no fabric"
        raise fixed(f"{at}.fabric", f"the pool {has}", asked.name)
    if asked.zones is not None and set(asked.zones) != set(record.zones or ()):
        where = f"in {', '.join(record.zones)}" if record.zones else "where its machine was known to be"
        raise fixed(f"{at}.zones", f"the pool is {where}", asked.name)
    if not same(asked.sharing, record.sharing):
        raise fixed(f"{at}.sharing", f"the pool {described(record.sharing)}", asked.name)


def check_live(
    at: str,
    asked: NodePool,
    *,
    capacity: Capacity | None,
    reservation: str | None,
    labels: Mapping[str, str],
    sharing: Slices | None,
) -> None:
    """Refuse the same changes where the status is lost, by what the live objects say.

    Args:
        at: path of the pool.
        asked: the pool as the user wrote it.
        capacity: of the live pool; None where that is not known.
        reservation: id of the live pool's reservation, empty for none; None where that is not known.
        labels: of the live pool's nodes that say how their GPUs are shared.
        sharing: how the spec shares its GPUs.

    Raises:
        Invalid: it says what to do instead.
    """
    if capacity is not None and asked.capacity is not capacity:
        raise fixed(f"{at}.capacity", f"the pool is {capacity.value}", asked.name)
    if reservation is not None and (asked.reservation.id if asked.reservation else "") != reservation:
        of = f"draws from {reservation or 'no reservation'}"
        raise fixed(f"{at}.reservation", f"the pool {of}", asked.name)
    if labels != (sharing.node_labels if sharing else {}):
        how = " and ".join(f"{k}={v}" for k, v in labels.items())
        running = f"shares its GPUs ({how})" if how else described(None)
        raise fixed(f"{at}.sharing", f"the pool {running}", asked.name)


def check_disk(at: str, asked: NodePool, live_gib: int | None) -> None:
    """Refuse another root disk, whether or not the status is lost.

    Args:
        at: path of the pool.
        asked: the pool as the user wrote it.
        live_gib: root disk of the live pool's nodes, in GiB; None where that is not known.

    Raises:
        Invalid: it says what to do instead.
    """
    if live_gib is not None and asked.disk_gib != live_gib:
        raise fixed(f"{at}.diskGiB", f"the pool's nodes have disks of {live_gib} GiB", asked.name)


def fixed(at: str, running: str, pool: str) -> Invalid:
    """Return the refusal of a change that a live node pool cannot take.

    Args:
        at: path of the field.
        running: what the pool is, as a sentence.
        pool: the pool's name.
    """
    return Invalid(
        at,
        f"{running} and cannot change while it lives",
        f"Add a pool with another name, move the Models, then remove pool {pool}",
    )


def fixed_region(at: str, region: str) -> Invalid:
    """Return the refusal to create a live cluster again in another region, and to delete it where it is.

    Args:
        at: path of the field.
        region: of the live cluster.
    """
    return Invalid(
        at,
        f"the cluster runs in {region} and cannot move",
        f"Set {region}, or claim a cluster under another name",
    )
