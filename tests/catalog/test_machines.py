"""The tables of GPUs, partitions, machines and regions: every row, and how they agree with each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

import pytest

from functions.catalog import gpus, machines, mig_profiles, regions
from functions.catalog.tables import rows

GPUS = {row["gpu"]: row for row in rows("gpus.tsv")}
INSTANCES = rows("instances.tsv")
REGIONS = rows("regions.tsv")
PROFILES = rows("mig_profiles.tsv")
CLOUDS = ("aws", "azure", "gcp")
KEYS = {
    "gpus.tsv": ("gpu",),
    "instances.tsv": ("cloud", "instance_type"),
    "regions.tsv": ("cloud", "region"),
    "mig_profiles.tsv": ("gpu", "profile"),
}
CONFIDENCE = {"verified", "derived", "memory"}


def named(row: Mapping[str, str]) -> str:
    return row["instance_type"]


@pytest.mark.parametrize("table", KEYS)
def test_every_row_is_whole(table: str) -> None:
    # Proves: as many cells as columns, a key of its own, a source, and how sure it is.
    found = rows(table)
    keys = [tuple(row[column] for column in KEYS[table]) for row in found]
    assert len(set(keys)) == len(keys) > 0
    for row in found:
        assert all(isinstance(cell, str) and cell == cell.strip() for cell in row.values()), row
        assert row["sources"], row
        assert row["confidence"] in CONFIDENCE, row


def test_everything_parses() -> None:
    # Proves: no row is dropped but those of other vendors' GPUs.
    others = {name for name, row in GPUS.items() if row["vendor"] != "nvidia"}
    assert others == {"MI300X"}
    assert len(gpus()) == len(GPUS) - len(others)
    for cloud in CLOUDS:
        of_cloud = [r for r in INSTANCES if r["cloud"] == cloud and r["gpu"] not in others]
        assert set(machines(cloud)) == {named(r) for r in of_cloud}
        assert set(regions(cloud)) == {r["region"] for r in REGIONS if r["cloud"] == cloud}
    assert {r["cloud"] for r in INSTANCES} == {r["cloud"] for r in REGIONS} == set(CLOUDS)


@pytest.mark.parametrize("row", INSTANCES, ids=named)
def test_a_machine_is_sane(row: Mapping[str, str]) -> None:
    # Proves: figures in the range of what there is, in the unit of the column; words out of a known few.
    assert row["gpu"] in GPUS
    assert row["gpu_count"] in {"", *(str(n) for n in (1, 2, 4, 8, 16))}
    assert not row["gpu_fraction"] or 0 < float(row["gpu_fraction"]) < 1
    ranges = {
        "gpu_memory_mib_usable": (2048, 300_000),
        "vcpu": (2, 512),
        "memory_gib": (8, 8192),
        "local_nvme_gib": (0, 32_768),
        "network_gbps": (1, 6400),
        "fabric_cards": (0, 32),
        "price_usd_per_hour": (0.1, 200),
    }
    for column, (least, most) in ranges.items():
        assert not row[column] or least <= float(row[column]) <= most, column
    assert row["architecture"] in {"amd64", "arm64"}
    assert row["fabric"] in {"", "efa", "infiniband", "rdma", "gpudirect-tcpx", "gpudirect-tcpxo"}
    assert {row["spot"], row["on_demand"], row["capacity_blocks"]} <= {"", "yes", "no"}


@pytest.mark.parametrize("row", INSTANCES, ids=named)
def test_a_machine_agrees_with_itself(row: Mapping[str, str]) -> None:
    # Proves: a price says where and when; only what has a fabric has cards; usable is what the driver gives.
    assert bool(row["price_usd_per_hour"]) == bool(row["price_region"]) == bool(row["price_date"])
    assert not row["price_date"] or date(2025, 1, 1) < date.fromisoformat(row["price_date"])
    assert row["fabric"] or row["fabric_cards"] in {"", "0"}
    driver = GPUS[row["gpu"]]["memory_mib_driver"]
    assert not (driver and row["gpu_memory_mib_usable"]) or (int(row["gpu_memory_mib_usable"]) <= int(driver))
    seen = row["regions_seen"]
    known = regions(row["cloud"])
    assert re.fullmatch(r"\d*", seen) or all(region in known for region in seen.split(","))


def test_a_region_names_what_there_is() -> None:
    # Proves: families, their GPUs, their zones and what their price is a factor of are in the tables.
    for row in REGIONS:
        known = [r for r in INSTANCES if r["cloud"] == row["cloud"]]
        gpus_of = {name: r["gpu"] for r in known for name in (r["family"], named(r))}
        for entry in filter(None, row["family_zones"].split(";")):
            family, _, rest = entry.partition("=")
            gpu, _, zones = rest.partition("@")
            assert gpus_of.get(family) == gpu, (row["region"], entry)
            assert set(filter(None, zones.split(","))) <= set(row["zones"].split(",")), (row["region"], entry)
        region = regions(row["cloud"])[row["region"]]
        assert region.price_factors.keys() <= region.family_zones.keys()
        assert all(0.5 < factor < 3 for factor in region.price_factors.values())


def test_zones_of_aws_are_the_regions_own() -> None:
    # Proves: ids of one region share its prefix, and no two regions share one.
    prefixes = {
        name: {zone.partition("-")[0] for zone in region.zones}
        for name, region in regions("aws").items()
        if region.zones
    }
    assert all(len(found) == 1 for found in prefixes.values())
    assert len({min(found) for found in prefixes.values()}) == len(prefixes)


def test_partitions_fit_their_gpu() -> None:
    # Proves: as many partitions as a GPU is cut into, with what each is known to have, fit its memory, and
    # none has more than its name says.
    known = gpus()
    for gpu, profiles in mig_profiles().items():
        whole = known[gpu].memory_mib
        for profile in profiles.values():
            assert re.fullmatch(r"[1-7]g\.\d+gb", profile.name)
            assert 1 <= profile.per_gpu <= 7
            if profile.memory_mib is not None and whole is not None:
                assert profile.memory_mib * profile.per_gpu <= whole, (gpu, profile)
                assert profile.memory_mib / 1024 <= int(profile.name.partition(".")[2][:-2]), (gpu, profile)
    for row in PROFILES:
        assert row["profile"].startswith(f"{row['compute_slices']}g.")


def test_price_factors() -> None:
    # Proves: a listed price is turned into a region's by its own factor, by type before family; where
    # nothing is known nothing is guessed.
    frankfurt, virginia, aws = regions("aws")["eu-central-1"], regions("aws")["us-east-1"], machines("aws")
    assert virginia.price_factor_of(aws["g6.xlarge"]) == 1.0
    assert frankfurt.price_factor_of(aws["g6.xlarge"]) == 1.25
    assert frankfurt.price_factor_of(aws["p6-b200.48xlarge"]) is None
    assert regions("aws")["us-west-1"].price_factor_of(aws["p5.48xlarge"]) == 1.25
