"""A cluster that is given to a render offers what it would offer on a control plane."""

from __future__ import annotations

import pytest

from tests.properties.worlds import clusters, name_of, world
from tools.offers import with_offers


@pytest.mark.parametrize("example", clusters())
def test_the_offer_is_the_composed_one(example: str) -> None:
    live = world(example)
    composed = next(o for o in live.observed if name_of(o) == "node-pools/offer")
    _, made = with_offers([live.xr])
    assert made["data"] == composed["data"]
    assert (made["kind"], made["metadata"]["name"]) == (composed["kind"], composed["metadata"]["name"])
    assert made["metadata"]["namespace"] == composed["metadata"]["namespace"]


def test_one_that_is_given_stands() -> None:
    live = world("existing/small")
    composed = next(o for o in live.observed if name_of(o) == "node-pools/offer")
    assert with_offers([live.xr, composed]) == [live.xr, composed]


def test_a_cluster_without_status_offers_nothing() -> None:
    xr = {k: v for k, v in world("existing/small").xr.items() if k != "status"}
    assert with_offers([xr]) == [xr]
