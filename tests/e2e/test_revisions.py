"""Revisions of a function and of the compositions, good and bad, rolled out under a live Model and back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from functions.catalog import image
from tests.e2e.compositions import changed
from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, composite, reconcile, refreshed, uids, wait_ready
from tests.e2e.workload import OWNER, ask_to_go, clear, existing, model, wait_told
from tools import paths
from tools.control_plane import functions
from tools.control_plane.api import Api, condition
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import free_ports
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NAME = "revised"
POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 2, "max": 2}}
NODES = [gpu_node("revised-1", "g6.xlarge", zone="a"), gpu_node("revised-2", "g6.xlarge", zone="b")]
FUNCTION = "function-vllm"
PACKAGES = "pkg.crossplane.io/v1"
NEXT = "docker.io/vllm/vllm-openai:v0.99.0"
BROKEN = (
    "functions/base/server.py",
    "return await asyncio.to_thread(respond, self._function, request)",
    "raise ValueError('half a release')",
)
"""Where a release is broken, and how: core waits two minutes for one that does not listen at all."""
MIRRORED = "mirror.example.com/vllm/vllm-openai:v0.27.1"


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Manifest]:
    with joined(control_plane.api, NODES):
        claim = existing(control_plane, NAME, [POOL], allowed=["team-*"])
        yield claim
        clear(control_plane.api, claim)


@pytest.fixture(scope="module")
def chat(api: Api, team: Api, cluster: Manifest) -> Iterator[Manifest]:
    """A Model of two replicas, Ready. Each test leaves it as it was."""
    del cluster
    here = {"cluster": {"namespace": OWNER, "name": NAME}}
    claim = team.apply(model("team-a", "revised", replicas={"min": 2}, **here))
    yield wait_ready(team, claim, seconds=90)
    ask_to_go(api, claim)


def test_a_newer_function_restarts_nothing_until_its_image_is_named(
    control_plane: Plane, api: Api, team: Api, chat: Manifest, tmp_path: Path
) -> None:
    """Then pod by pod, there and back: one of the two always serves, and the endpoint stays."""
    before, serving, endpoint = uids(api, chat), pods(api, chat), chat["status"]["endpoint"]
    code = release(tmp_path, "functions/catalog/versions.toml", image("vllm"), NEXT)
    with second_revision(control_plane, code):
        reconcile(control_plane, chat)
        wait_told(api, chat, f"The platform's engine image is now {NEXT}")
        assert pods(api, chat) == serving
        team.patch(chat, {"spec": {"engine": {"image": NEXT}}})
        rolled_out(api, chat, NEXT)
        assert wait_ready(team, chat, seconds=30)["status"]["endpoint"] == endpoint
        assert uids(api, chat) == before
    team.patch(chat, {"spec": {"engine": {"image": image("vllm")}}})
    rolled_out(api, chat, image("vllm"))
    serving = pods(api, chat)
    # Left out again, the image stays.
    team.patch(chat, {"spec": {"engine": {"image": None}}})
    reconcile(control_plane, chat)
    assert wait_ready(team, chat, seconds=30)["status"]["endpoint"] == endpoint
    assert uids(api, chat) == before
    assert pods(api, chat) == serving


def test_a_newer_composition_restarts_nothing_either(
    control_plane: Plane, api: Api, team: Api, chat: Manifest
) -> None:
    before, serving, revision = uids(api, chat), pods(api, chat), used(api, chat)
    with changed(control_plane, "model", "vllm", {"image": MIRRORED}):
        wait_told(api, chat, f"The platform's engine image is now {MIRRORED}")
        assert used(api, chat) != revision
        assert uids(api, chat) == before
    wait_for("nothing newer to be told", lambda: "latest" not in refreshed(api, chat)["status"]["engine"])
    assert used(api, chat)["spec"] == revision["spec"] | {"revision": used(api, chat)["spec"]["revision"]}
    reconcile(control_plane, chat)
    wait_ready(team, chat, seconds=60)
    assert uids(api, chat) == before
    assert pods(api, chat) == serving


def test_a_broken_function_takes_nothing_along(
    control_plane: Plane, api: Api, team: Api, chat: Manifest, tmp_path: Path
) -> None:
    """What runs goes on, the composite says why nothing else does, and the way back heals it."""
    before, serving = uids(api, chat), pods(api, chat)
    with second_revision(control_plane, release(tmp_path, *BROKEN)):
        ask(api, chat)
        wait_for("the reason", lambda: "half a release" in not_synced(api, chat))
        assert uids(api, chat) == before
        assert pods(api, chat) == serving
        # The claim's own words are core's: that nobody knows now. Its Ready stays.
        assert condition(refreshed(team, chat), "Serving")["reason"] == "FatalError"
        assert condition(refreshed(team, chat), "Ready")["status"] == "True"
    ask(api, chat)
    wait_for("the composite to be synced", lambda: not not_synced(api, chat))
    wait_ready(team, chat, seconds=30)
    assert uids(api, chat) == before
    assert pods(api, chat) == serving


def test_a_chart_that_is_not_there_takes_nothing_along(
    control_plane: Plane, api: Api, team: Api, chat: Manifest, cluster: Manifest
) -> None:
    """The charts that stand stay installed, and so does the Model."""
    before, serving = uids(api, cluster), pods(api, chat)
    missing = {"nodeFeatureDiscovery": {"version": "9.9.9"}}
    with changed(control_plane, "inferencecluster", "cluster-stack", missing):
        wait_told(api, cluster, "9.9.9")
        assert uids(api, cluster) == before
        assert pods(api, chat) == serving
        assert condition(refreshed(team, chat), "Serving")["status"] == "True"
    wait_for("the release to be synced", lambda: synced(api, cluster))
    assert uids(api, cluster) == before
    assert pods(api, chat) == serving


def release(folder: Path, path: str, old: str, new: str) -> Path:
    """Return a folder with the functions' code, changed in one place."""
    shutil.copytree(
        paths.ROOT / "functions", folder / "functions", ignore=shutil.ignore_patterns("__pycache__")
    )
    file = folder / path
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return folder


@contextmanager
def second_revision(plane: Plane, code: Path) -> Iterator[None]:
    """Serve a function's code beside the one that is there, and have core use it for a while."""
    name, [port] = f"{FUNCTION}-2", free_ports(1)
    certificates = plane.layout.certificates / "functions"
    try:
        plane.processes.start(
            name, functions.command(FUNCTION, port, certificates), {"PYTHONPATH": str(code)}
        )
        plane.processes.wait(name, lambda: listens(port))
        functions.register(plane.api, FUNCTION, port, 2)
        yield
    finally:
        functions.activate(plane.api, FUNCTION, 1)
        plane.processes.stop(name)
        for revision in plane.api.items(PACKAGES, "FunctionRevision"):
            if revision["metadata"]["name"] == name:
                plane.api.delete(revision)


def ask(api: Api, claim: Manifest) -> None:
    """Have a claim's XR reconciled soon, whether its functions answer or not."""
    requested = {"crossplane.io/reconcile-requested-at": str(time.time_ns())}
    api.patch(composite(api, claim), {"metadata": {"annotations": requested}})


def not_synced(api: Api, claim: Manifest) -> str:
    """Return why a claim's XR is not synced; empty where it is."""
    said = condition(composite(api, claim), "Synced")
    return "" if said["status"] == "True" else str(said["message"])


def synced(api: Api, claim: Manifest) -> bool:
    releases = [r for r in composed(api, claim) if r["kind"] == "Release"]
    return all(condition(release, "Synced").get("status") == "True" for release in releases)


def used(api: Api, claim: Manifest) -> Manifest:
    """Return the composition's revision that a claim's XR follows."""
    name = composite(api, claim)["spec"]["compositionRevisionRef"]["name"]
    return api.get("apiextensions.crossplane.io/v1", "CompositionRevision", name)


def deployment(api: Api, claim: Manifest) -> Manifest:
    namespace = refreshed(api, claim)["status"]["placement"]["namespace"]
    return api.get("apps/v1", "Deployment", "vllm", namespace)


def image_of(workload: Manifest) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def pods(api: Api, claim: Manifest) -> set[str]:
    namespace = deployment(api, claim)["metadata"]["namespace"]
    found = api.items("v1", "Pod", namespace, "freehold.dev/component=serving")
    return {pod["metadata"]["uid"] for pod in found}


def runs(workload: Manifest, image: str) -> bool:
    """Say whether both pods run an image, and no other pod does."""
    status = workload["status"]
    return bool(
        image_of(workload) == image
        and status["observedGeneration"] == workload["metadata"]["generation"]
        and status["replicas"] == status.get("updatedReplicas") == status.get("availableReplicas") == 2
    )


def rolled_out(api: Api, claim: Manifest, image: str) -> None:
    """Return once all pods run an image; one pod was there for users at any time."""
    fewest = 2

    def done() -> bool:
        nonlocal fewest
        found = deployment(api, claim)
        fewest = min(fewest, found["status"].get("availableReplicas", 0))
        return runs(found, image)

    wait_for(f"pods of {image}", done)
    assert fewest == 1
