"""A cluster that was created stays in its region."""

from __future__ import annotations

from dataclasses import replace

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import aws, settled


def test_a_live_cluster_does_not_move_to_another_region() -> None:
    # Proves: the function refuses what would create everything anew, though admission refuses it of claims already.
    request, _ = settled(FUNCTION, aws())
    spec = request.composite["spec"]
    moved = {**spec, "aws": {**spec["aws"], "region": "us-west-2"}}
    assert spec["aws"]["region"] != "us-west-2"
    with pytest.raises(Invalid) as refused:
        FUNCTION.compose(replace(request, composite={**request.composite, "spec": moved}))
    assert str(refused.value) == (
        f"spec.aws.region: the cluster runs in {spec['aws']['region']} and cannot move. "
        f"Set {spec['aws']['region']}, or claim a cluster under another name."
    )
