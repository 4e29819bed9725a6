"""Which availability zones a cluster uses, and which zones have a machine type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from functions.api import Aws
from functions.base import Invalid
from functions.catalog import machines, regions

from ..pools.likely import did_you_mean
from ..pools.pool import Pool

__all__ = ["COUNT", "check", "choose", "having", "is_id"]

COUNT = 3
"""Zones of a VPC that is made."""

_AT, _AT_REGION = "spec.aws.zones", "spec.aws.region"
_ID = re.compile(r"^([a-z]+\d)-az\d+$")

# EKS places no control plane there:
# https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html
_WITHOUT_EKS = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})


def choose(place: Aws, kept: Mapping[int, str], pools: Sequence[Pool]) -> tuple[str, ...]:
    """Return the cluster's zones, in the order of its subnets.

    Args:
        place: region, and the zones or the subnets that the user names.
        kept: zones of an earlier run or of live subnets, by the subnets' position: a subnet cannot move.
        pools: their zones and machines decide where nothing is given or kept.

    Raises:
        Invalid: when the zones given cannot be, or none are given and none known.
    """
    if place.existing_network is not None:
        given = [subnet.zone for subnet in place.existing_network.subnets]
        check(place.region, given, "spec.aws.existingNetwork.subnets[{}].zone")
        return tuple(given)
    if place.zones:
        _check_given(place.region, place.zones, list(kept.values()))
    if len(kept) == COUNT:
        return tuple(kept[i] for i in range(COUNT))
    wanted = place.zones or _best(place.region, pools, list(kept.values()))
    rest = iter([zone for zone in wanted if zone not in kept.values()])
    return tuple(kept[i] if i in kept else next(rest) for i in range(COUNT))


def is_id(zone: str) -> bool:
    """Tell whether a zone is given by id (euc1-az1) and not by the account's own name (eu-central-1a)."""
    return _ID.match(zone) is not None


def having(region: str, machine: str) -> tuple[str, ...]:
    """Return the ids of the zones that have a machine type; empty where these are not known."""
    facts, known = regions("aws").get(region), machines("aws").get(machine)
    if facts is None or known is None:
        return ()
    return facts.zones_of(known) or ()


def check(region: str, zones: Sequence[str], at: str) -> None:
    """Refuse zones that no cluster of the region can have.

    Args:
        region: AWS region.
        zones: as the user wrote them.
        at: path of one, with `{}` for its position.

    Raises:
        Invalid: for the first of them.
    """
    facts = regions("aws").get(region)
    prefixes = {z.partition("-")[0] for z in facts.zones} if facts else set()
    by_name = re.compile(rf"^{re.escape(region)}[a-z]$")
    example = facts.zones[0] if facts and facts.zones else "euc1-az1"
    for index, zone in enumerate(zones):
        found = _ID.match(zone)
        ours = found is not None and (not prefixes or found[1] in prefixes)
        if not ours and not by_name.match(zone):
            raise Invalid(
                at.format(index),
                _not_ours(region, zone, prefixes),
                f"Give one by id (such as {example}) or by name (such as {region}a)",
            )
        if zone in _WITHOUT_EKS:
            raise Invalid(at.format(index), f"EKS does not run in {zone}", "Use another zone")
    if len({is_id(zone) for zone in zones}) > 1:
        raise Invalid(
            at.partition("[")[0],
            "zones are given by id and by name, so two of them may be the same",
            "Give all by id, which means the same in every account",
        )


def _not_ours(region: str, zone: str, prefixes: set[str]) -> str:
    local = zone.startswith(f"{region}-") or (zone.partition("-")[0] in prefixes and zone.count("-") > 1)
    if local:
        return f"{zone} is a Local or Wavelength Zone, where EKS runs no managed nodes"
    return f"{zone} is not a zone of {region}"


def _check_given(region: str, given: Sequence[str], kept: Sequence[str]) -> None:
    check(region, given, f"{_AT}[{{}}]")
    if len(set(given)) < COUNT:
        raise Invalid(_AT, f"a zone is there twice in {', '.join(given)}", f"Name {COUNT} different zones")
    if not set(kept) <= set(given):
        raise Invalid(
            _AT,
            f"the cluster is in {', '.join(kept)} and cannot move to {', '.join(given)}",
            "Restore them, or claim a new cluster",
        )


def _best(region: str, pools: Sequence[Pool], kept: Sequence[str]) -> tuple[str, ...]:
    """Choose zones: those kept, those that pools name, one for each pool, then those with most machines."""
    if any(not is_id(zone) for zone in kept):
        # Only the account's owner knows which id belongs to a name, so a further zone goes by its name too.
        return (*kept, *(name for letter in "abcdef" if (name := f"{region}{letter}") not in kept))
    usable = _usable(region)
    wanted = [set(pool.zones or having(region, pool.instance_type)) for pool in pools]
    named = {zone for pool in pools for zone in pool.zones}
    chosen = [*kept, *(zone for zone in usable if zone in named and zone not in kept)][:COUNT]
    while len(chosen) < COUNT:
        unserved = [zones for zones in wanted if zones and not zones & set(chosen)]
        rest = [zone for zone in usable if zone not in chosen]
        chosen.append(
            min(rest, key=lambda z: (-sum(z in s for s in unserved), -sum(z in s for s in wanted), z))
        )
    _check_served(region, chosen, wanted, pools)
    return tuple(sorted(chosen))


def _usable(region: str) -> list[str]:
    """Return the zones that a cluster may be in: enough of them.

    Raises:
        Invalid: when the region has fewer, or they are not known.
    """
    facts = regions("aws").get(region)
    if facts is None:
        raise Invalid(
            _AT_REGION,
            f"{region} is not a region that the catalog knows",
            f"{did_you_mean(region, regions('aws'))}If it is new, name {COUNT} zones in {_AT}",
        )
    if not facts.zones:
        raise Invalid(
            _AT,
            f"the zones of {region} are not known",
            f"Name {COUNT} that have the pools' machines, or use another region",
        )
    usable = [zone for zone in facts.zones if zone not in _WITHOUT_EKS]
    if len(usable) < COUNT:
        raise Invalid(
            _AT_REGION,
            f"{region} has only {len(usable)} zones for EKS, and a cluster needs {COUNT}",
            "Use another region",
        )
    return usable


def _check_served(region: str, chosen: list[str], wanted: list[set[str]], pools: Sequence[Pool]) -> None:
    for index, (zones, pool) in enumerate(zip(wanted, pools, strict=True)):
        if zones and not pool.zones and not zones & set(chosen):
            raise Invalid(
                f"spec.nodePools[{index}]",
                f"{pool.instance_type} is only in {', '.join(sorted(zones))}, "
                f"and no {COUNT} zones of {region} have the machines of all pools",
                f"Move the pool to a cluster of its own, or name {COUNT} zones in {_AT}",
            )
