"""Names of GPUs as people, drivers and node labels write them."""

from __future__ import annotations

import pytest

from functions.catalog import gpu_named, gpus, gpus_named
from functions.catalog.tables import rows

LABELS = {row["product_label"]: row["gpu"] for row in rows("gpus.tsv") if row["product_label"]}


@pytest.mark.parametrize(
    ("text", "gpu"),
    [
        ("H100-80GB", "H100-80GB"),
        ("H100", "H100-80GB"),
        ("h100-80gb", "H100-80GB"),
        ("H100 SXM5 80GB", "H100-80GB"),
        ("NVIDIA H100 80GB HBM3", "H100-80GB"),
        ("H100-NVL", "H100-NVL-94GB"),
        ("A100 80GB", "A100-80GB"),
        ("A100-SXM4-40GB", "A100-40GB"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("RTX4090", "RTX-4090"),
        ("RTX-4090", "RTX-4090"),
        ("H20", "H20"),
        ("L4", "L4"),
        ("RTX A6000", "A6000"),
        ("RTX PRO 6000", "RTX-PRO-6000"),
        ("H200", "H200-141GB"),
    ],
)
def test_a_name_of_one_gpu(text: str, gpu: str) -> None:
    found = gpu_named(text)
    assert found is not None
    assert found.name == gpu


@pytest.mark.parametrize("label", LABELS)
def test_every_label_and_driver_name_is_understood(label: str) -> None:
    # Proves: what a node's label says, and what the driver says (blanks for '-'), name the label's own GPU.
    assert [g and g.name for g in (gpu_named(label), gpu_named(label.replace("-", " ")))] == [
        LABELS[label]
    ] * 2


def test_every_name_names_itself_alone() -> None:
    assert all(gpus_named(name) == (name,) and gpu_named(name) == gpu for name, gpu in gpus().items())


@pytest.mark.parametrize("text", ["A100", "V100", "A100 PCIe"])
def test_a_name_of_several_is_none_of_them(text: str) -> None:
    assert gpu_named(text) is None
    assert len(gpus_named(text)) > 1


@pytest.mark.parametrize("text", ["RTX", "MI300X", "H1000", "", "GB", "RTX 4090 D", "A100-60GB"])
def test_an_unknown_name_is_no_gpu(text: str) -> None:
    # Proves: a card of another kind is not taken for one that it resembles.
    assert gpu_named(text) is None
    assert gpus_named(text) == ()


def test_a_short_name_means_every_such_gpu() -> None:
    assert gpus_named("H100") == ("H100-80GB", "H100-NVL-94GB", "H100-PCIE")
    assert gpus_named("h200") == ("H200-141GB", "H200-NVL")
