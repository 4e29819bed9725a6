"""Amounts of CPU and memory, as Kubernetes writes them."""

from __future__ import annotations

import pytest

from functions.api import quantity


@pytest.mark.parametrize(
    ("written", "millicores"),
    [("2", 2000), ("1.5", 1500), ("730m", 730), ("0.1", 100), ("3k", 3000000), ("", None), ("two", None)],
)
def test_cpu(written: str, millicores: int | None) -> None:
    assert quantity.millicores(written) == millicores


@pytest.mark.parametrize(
    ("written", "mebibytes"),
    [
        ("11Gi", 11264),
        ("15842096Ki", 15470),
        ("16G", 15258),
        ("1.5Ti", 1572864),
        ("1048576", 1),
        ("1e9", None),
    ],
)
def test_memory(written: str, mebibytes: int | None) -> None:
    assert quantity.mebibytes(written) == mebibytes


def test_written() -> None:
    assert (quantity.cpu(2000), quantity.cpu(780)) == ("2", "780m")
    assert (quantity.memory(11264), quantity.memory(3013)) == ("11Gi", "3013Mi")
