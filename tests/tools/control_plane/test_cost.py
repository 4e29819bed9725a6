"""How `make load` reads core's histograms."""

from __future__ import annotations

import math

from tests.e2e.cost import Cost, Look, Series
from tests.e2e.load import table

NAME = "function_run_function_seconds"


def look(at: float, *, fast: int, slow: int, total: float) -> Look:
    series: dict[Series, float] = {}
    for bound, count in (("0.1", fast), ("0.2", fast + slow), ("+Inf", fast + slow)):
        series[f"{NAME}_bucket", frozenset({("function_name", "one"), ("le", bound)})] = count
    series[f"{NAME}_count", frozenset({("function_name", "one")})] = fast + slow
    series[f"{NAME}_sum", frozenset({("function_name", "one")})] = total
    series[f"{NAME}_count", frozenset({("function_name", "other")})] = 99
    return Look(at, series, {"one": at / 10}, {"one": 50})


COST = Cost(look(10, fast=1, slow=1, total=1), look(40, fast=51, slow=51, total=13))


def test_what_was_before_does_not_count() -> None:
    calls = COST.calls("one")
    assert (COST.seconds, COST.cpu("one"), calls.count, calls.total, calls.mean) == (30, 3, 100, 12, 0.12)
    assert COST.calls("other").count == 0
    assert table([("opens", COST.opens, COST.opens)]).endswith("| opens | 0 | 0 |  |")


def test_a_quantile_lies_within_its_bucket() -> None:
    calls = COST.calls("one")
    found = [round(calls.quantile(share), 3) for share in (0.25, 0.5, 0.75, 1)]
    assert found == [0.05, 0.1, 0.15, 0.2]


def test_without_calls_there_is_no_quantile() -> None:
    none = COST.calls("none")
    assert math.isnan(none.mean)
    assert math.isnan(none.quantile(0.5))


def test_a_ratio_needs_both() -> None:
    assert table([("a", 3.0, 2.0), ("b", 150.4, 0.0), ("c", math.nan, 1.0)]).splitlines()[2:] == [
        "| a | 3 | 2 | 1.5 |",
        "| b | 150 | 0 |  |",
        "| c | nan | 1 | nan |",
    ]
