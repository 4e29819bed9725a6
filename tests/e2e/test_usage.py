"""Core's webhook for Usages, through the API server."""

from __future__ import annotations

import pytest

from tools.control_plane.api import Api, ApiError, condition
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

METADATA = {"name": "guarded", "namespace": "team-b"}
CLAIM: Manifest = {
    "apiVersion": "freehold.dev/v1alpha1",
    "kind": "Model",
    "metadata": METADATA,
    "spec": {"model": "Qwen/Qwen3-8B"},
}
USAGE: Manifest = {
    "apiVersion": "protection.crossplane.io/v1beta1",
    "kind": "Usage",
    "metadata": METADATA,
    "spec": {
        "of": {"apiVersion": CLAIM["apiVersion"], "kind": "Model", "resourceRef": {"name": "guarded"}},
        "reason": "a test needs it",
    },
}


def test_a_guarded_claim_cannot_be_deleted(api: Api) -> None:
    api.create(CLAIM)
    api.create(USAGE)
    usage = ("protection.crossplane.io/v1beta1", "Usage", "guarded", "team-b")
    wait_for("the Usage", lambda: condition(api.get(*usage), "Ready").get("status") == "True")
    with pytest.raises(ApiError, match="in-use by 1 usage") as refused:
        api.delete(CLAIM)
    assert "a test needs it" in str(refused.value)
    api.delete(USAGE)
    wait_for("the Usage to be gone", lambda: api.find(*usage) is None)
    api.delete(CLAIM)
    claim = (CLAIM["apiVersion"], "Model", "guarded", "team-b")
    wait_for("the claim to be gone", lambda: api.find(*claim) is None)
