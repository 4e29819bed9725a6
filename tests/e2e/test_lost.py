"""A cluster that died first, and its ProviderConfig along: nothing of its Model is left hanging."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, refreshed
from tests.e2e.workload import (
    OWNER,
    ask_to_go,
    delete,
    existing,
    force_away,
    model,
    wait_gone,
    wait_placed,
    wait_told,
)
from tools.control_plane.api import Api
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 1, "max": 1}}


@pytest.fixture
def lost(control_plane: Plane, api: Api) -> Iterator[Manifest]:
    """A Model on a cluster that is taken away by force, ProviderConfigs and all."""
    with joined(api, [gpu_node("doomed-1", "g6.xlarge", zone="a")]):
        cluster = existing(control_plane, "doomed", [POOL])
        here = {"namespace": OWNER, "name": "doomed"}
        claim = model("team-a", "last", model="Qwen/Qwen2.5-0.5B-Instruct", cluster=here)
        api.apply(claim)
        wait_placed(api, claim)
        wait_for("its Objects", lambda: len(_objects(api, claim)) >= 5)
        place = refreshed(api, claim)["status"]["placement"]["namespace"]
        orphans = force_away(api, cluster)
        provider_config = next(m for m in orphans if _is_provider_config(m))
        delete(api, *(m for m in orphans if m is not provider_config))
        ask_to_go(api, provider_config)
        api.patch(provider_config, {"metadata": {"finalizers": None}})
        yield claim
        delete(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})


def _is_provider_config(manifest: Manifest) -> bool:
    """Say whether it is the ProviderConfig by which the Model's Objects reach the cluster."""
    kind, version = manifest["kind"], manifest["apiVersion"]
    return bool(kind == "ProviderConfig" and version.startswith("kubernetes."))


def _objects(api: Api, claim: Manifest) -> list[Manifest]:
    return [found for found in composed(api, claim) if found["kind"] == "Object"]


def test_a_model_whose_cluster_died_first_can_go(api: Api, lost: Manifest) -> None:
    wait_told(api, lost, "ClusterMissing")
    wait_for(
        "the Objects to be left behind",
        lambda: all(
            "Delete" not in o["spec"].get("managementPolicies", ["Delete"]) for o in _objects(api, lost)
        ),
        seconds=90,
    )
    objects = _objects(api, lost)
    delete(api, lost)
    wait_gone(api, objects)
