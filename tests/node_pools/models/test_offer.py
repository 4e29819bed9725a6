"""What placed Models read of their cluster changes only with what they depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.base import Request
from functions.node_pools.compose import FUNCTION
from tests.node_pools.models.test_in_use import record
from tests.node_pools.requests import COMPOSITE, L4, aws, cluster, existing, settled

OFFER = "node-pools/offer"


def offered(request: Request) -> dict[str, Any]:
    found = next(r.manifest for r in FUNCTION.compose(request).resources if r.name == OFFER)
    assert found is not None
    return dict(found)


def test_the_whole_offer() -> None:
    # Proves: where it is, what it says, and that the count of a cluster's Models does not take it for one.
    spec = {**existing(storageClassName="nfs", sharedStorage=True), "allowedNamespaces": ["team-*"]}
    found = offered(cluster(spec))
    assert found["metadata"] == {
        "name": f"{COMPOSITE}-offer-85931a",
        "namespace": "crossplane-system",
        "labels": {"freehold.dev/offered-by": COMPOSITE},
    }
    status = FUNCTION.compose(cluster(spec)).status
    assert json.loads(found["data"]["offer"]) == {
        "claim": {"namespace": "platform", "name": "eu-prod"},
        "allowedNamespaces": ["team-*"],
        **{key: status[key] for key in ("access", "nodePools", "storageClassName", "sharedStorage")},
    }


@pytest.mark.parametrize("spec", [aws(), existing()], ids=["aws", "existing"])
def test_what_changes_often_changes_no_offer(spec: dict[str, Any]) -> None:
    # Proves: neither readiness nor GPUs in use wake placed Models.
    ready, _ = settled(FUNCTION, spec)
    busy = replace(ready, answers={"models": (record("a/one", gpus="4"),)})
    assert FUNCTION.compose(busy).status["nodePools"] != FUNCTION.compose(cluster(spec)).status["nodePools"]
    assert offered(busy) == offered(ready) == offered(cluster(spec))


def test_what_a_model_depends_on_changes_it() -> None:
    larger = {**L4, "nodes": {"min": 0, "max": 9}}
    closed = {**existing(), "allowedNamespaces": []}
    others = [existing(larger), existing(storageClassName="nfs"), closed]
    assert len({offered(cluster(spec))["data"]["offer"] for spec in [existing(), *others]}) == 4
