"""Which three availability zones a cluster is in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from functions.base import Invalid
from functions.catalog import machines, regions

from ..likely import did_you_mean
from ..plan import Pool

__all__ = ["COUNT", "choose", "holding"]

COUNT = 3
_AT, _AT_REGION = "spec.aws.zones", "spec.aws.region"
_ID = re.compile(r"^([a-z]+\d)-az\d+$")

# EKS places no control plane there:
# https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html
_WITHOUT_EKS = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})


def choose(
    region: str, given: Sequence[str] | None, recorded: Sequence[str], pools: Sequence[Pool]
) -> tuple[str, ...]:
    """Return the cluster's zones, in the order of its subnets.

    Args:
        region: AWS region.
        given: what the user wrote.
        recorded: those of an earlier run; subnets cannot move.
        pools: their machines decide where nothing is given or recorded.

    Raises:
        Invalid: when the zones given cannot be, or none are given and none known.
    """
    if given:
        _check(region, given)
        if recorded and set(given) != set(recorded):
            raise Invalid(
                _AT,
                f"the cluster is in {', '.join(recorded)} and cannot move to {', '.join(given)}",
                "Restore them, or claim a new cluster",
            )
    if recorded:
        return tuple(recorded)
    return tuple(given) if given else _best(region, pools)


def holding(region: str, zones: Sequence[str], machine: str) -> tuple[int, ...]:
    """Return which of the zones, by position, are known to have a machine type; all when none is."""
    known = _zones_of(region, machine)
    found = tuple(i for i, zone in enumerate(zones) if zone in known)
    return found or tuple(range(len(zones)))


def _zones_of(region: str, machine: str) -> tuple[str, ...]:
    facts, known = regions("aws").get(region), machines("aws").get(machine)
    if facts is None or known is None:
        return ()
    return facts.zones_of(known) or ()


def _best(region: str, pools: Sequence[Pool]) -> tuple[str, ...]:
    """Choose the zones that have the pools' machines: first so that each has one, then the most."""
    usable = _usable(region)
    wanted = [set(_zones_of(region, pool.instance_type)) for pool in pools]
    chosen: list[str] = []
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
        if zones and not zones & set(chosen):
            raise Invalid(
                f"spec.nodePools[{index}]",
                f"{pool.instance_type} is only in {', '.join(sorted(zones))}, "
                f"and no {COUNT} zones of {region} have the machines of all pools",
                f"Move the pool to a cluster of its own, or name {COUNT} zones in {_AT}",
            )


def _check(region: str, given: Sequence[str]) -> None:
    """Refuse zones that are not this region's, or that could be the same one twice."""
    facts = regions("aws").get(region)
    prefixes = {z.partition("-")[0] for z in facts.zones} if facts else set()
    by_name = re.compile(rf"^{re.escape(region)}[a-z]$")
    example = facts.zones[0] if facts and facts.zones else "euc1-az1"
    for index, zone in enumerate(given):
        found = _ID.match(zone)
        ours = found is not None and (not prefixes or found[1] in prefixes)
        if not ours and not by_name.match(zone):
            raise Invalid(
                f"{_AT}[{index}]",
                f"{zone} is not a zone of {region}",
                f"Give it by id (such as {example}) or by name (such as {region}a)",
            )
        if zone in _WITHOUT_EKS:
            raise Invalid(f"{_AT}[{index}]", f"EKS does not run in {zone}", "Use another zone")
    if len(set(given)) < COUNT:
        raise Invalid(_AT, f"a zone is there twice in {', '.join(given)}", f"Name {COUNT} different zones")
    if len({bool(_ID.match(zone)) for zone in given}) > 1:
        raise Invalid(
            _AT,
            "zones are given by id and by name, so two of them may be the same",
            "Give all by id, which means the same in every account",
        )
