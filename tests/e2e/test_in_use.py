"""A cluster under its Models: neither its claim nor its composite can be deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.observing import composite, refreshed
from tests.e2e.workload import OWNER, delete, existing, model, wait_placed
from tools.control_plane.api import Api, ApiError, condition, identity
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

USAGES = "protection.crossplane.io/v1beta1"


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Manifest]:
    claim = existing(control_plane, "in-use")
    yield claim
    delete(control_plane.api, claim)


@pytest.fixture(scope="module")
def models(api: Api, cluster: Manifest) -> list[Manifest]:
    chosen = {"cluster": {"namespace": OWNER, "name": cluster["metadata"]["name"]}}
    claims = [model("team-a", "first", **chosen), model("team-b", "second", **chosen)]
    for claim in claims:
        api.apply(claim)
        wait_placed(api, claim)
    return claims


def wait_guarded(api: Api, words: str) -> None:
    def guarded() -> bool:
        usages = [*api.items(USAGES, "Usage", OWNER), *api.items(USAGES, "ClusterUsage")]
        found = [u for u in usages if u["spec"].get("reason") == words]
        return len(found) == 2 and all(condition(u, "Ready").get("status") == "True" for u in found)

    wait_for(f"both guards to say {words!r}", guarded)


def refused(api: Api, manifest: Manifest) -> str:
    with pytest.raises(ApiError) as error:
        api.delete(manifest)
    assert error.value.code == 409
    assert "deletionTimestamp" not in refreshed(api, manifest)["metadata"]
    return str(error.value)


def test_claim_and_composite_are_kept(api: Api, cluster: Manifest, models: list[Manifest]) -> None:
    words = "Models team-a/first, team-b/second run on it: delete those first"
    wait_guarded(api, words)
    assert words in refused(api, cluster)
    assert words in refused(api, composite(api, cluster))
    del models


def test_without_models_they_go(api: Api, cluster: Manifest, models: list[Manifest]) -> None:
    delete(api, *models)
    xr = composite(api, cluster)
    wait_for("the guards to go", lambda: "crossplane.io/in-use" not in _labels(api, cluster))
    delete(api, cluster)
    wait_for("the composite to be gone", lambda: api.find(*identity(xr)) is None)


def _labels(api: Api, manifest: Manifest) -> Manifest:
    labels: Manifest = refreshed(api, manifest)["metadata"].get("labels", {})
    return labels
