"""A cluster to place Models on: the control plane's own, reached by a kubeconfig like any other."""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tests.e2e.conftest import Plane
from tests.e2e.observing import FREEHOLD, composed, composite, left, refreshed, request, told
from tools.control_plane.api import Api, ApiError, condition, identity
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError
from tools.manifests import Manifest

OWNER = "platform"
"""The platform team's namespace, in which clusters are claimed."""
_ASK_SECONDS = 3
_GONE_SECONDS = 240
"""For a claim to go: several things in order, and the garbage collector asks again for each after growing delays."""
_REACHED_SECONDS = 120
"""For a cluster that another claim may have left a moment before: core looks once a minute."""
_IN_USE = "crossplane.io/in-use"
"""Crossplane's label of what a Usage guards; while an object has it, its deletion is refused."""
_USAGES = "protection.crossplane.io/v1beta1"
_LEAVING = (
    (_USAGES, "Usage"),
    ("kubernetes.m.crossplane.io/v1alpha1", "Object"),
    ("helm.m.crossplane.io/v1beta1", "Release"),
)
"""Kinds whose controllers look again after a while, and not when what they wait for has gone."""
_COLLECTORS = "foregroundDeletion"
"""The garbage collector's finalizer, until what the object owns is gone."""
_TOUCHED = "e2e.freehold.dev/touched"
L4 = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 2, "max": 4}}


def existing(
    plane: Plane, name: str, pools: Sequence[Mapping[str, Any]] = (L4,), allowed: Sequence[str] = ("*",)
) -> Manifest:
    """Claim an existing cluster; return the claim once the cluster's API has answered."""
    claim = claimed(plane, name, pools, allowed)
    wait_for(f"{name} to be reached", lambda: _holds(plane.api, claim, "ControlPlaneReady"), _REACHED_SECONDS)
    return claim


def claimed(
    plane: Plane, name: str, pools: Sequence[Mapping[str, Any]] = (L4,), allowed: Sequence[str] = ("*",)
) -> Manifest:
    """Claim an existing cluster, which one claim at a time may have."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{name}-kubeconfig", "namespace": OWNER},
        "data": {"kubeconfig": base64.b64encode(plane.layout.portable_kubeconfig().encode()).decode()},
    }
    claim: Manifest = {
        "apiVersion": FREEHOLD,
        "kind": "InferenceCluster",
        "metadata": {"name": name, "namespace": OWNER},
        "spec": {
            "existing": {
                "kubeconfigSecretRef": {"name": f"{name}-kubeconfig"},
                "storageClassName": "shared",
                "sharedStorage": True,
            },
            "nodePools": [dict(pool) for pool in pools],
            "allowedNamespaces": list(allowed),
        },
    }
    plane.api.apply(secret)
    plane.api.apply(claim)
    return claim


def model(namespace: str, name: str, **spec: Any) -> Manifest:
    """Return the claim of a Model."""
    return {
        "apiVersion": FREEHOLD,
        "kind": "Model",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": "Qwen/Qwen3-8B", **spec},
    }


def wait_placed(api: Api, claim: Manifest) -> Manifest:
    """Return a Model once it is placed."""
    try:
        wait_for("the Model to be placed", lambda: _holds(api, claim, "Placed"))
    except Exception as error:
        raise AssertionError("\n".join(told(refreshed(api, claim)))) from error
    return refreshed(api, claim)


def wait_told(api: Api, claim: Manifest, words: str, seconds: float = 60) -> None:
    """Return once a claim's conditions have these words; raise AssertionError with the conditions otherwise."""
    try:
        wait_for(words, lambda: words in "\n".join(told(refreshed(api, claim))), seconds)
    except Exception as error:
        raise AssertionError(f"not told {words!r}:\n" + "\n".join(told(refreshed(api, claim)))) from error


def place(api: Api, claim: Manifest) -> str:
    """Return the namespace in which a Model's workload runs."""
    return str(refreshed(api, claim)["status"]["placement"]["namespace"])


def serving(api: Api, claim: Manifest) -> list[Manifest]:
    """Return a Model's serving pods."""
    return api.items("v1", "Pod", place(api, claim), "freehold.dev/component=serving")


def nodes_of(api: Api, claim: Manifest) -> list[str]:
    """Return the nodes of a Model's serving pods; an empty name for a pod that has none yet."""
    return sorted(pod["spec"].get("nodeName", "") for pod in serving(api, claim))


def delete(api: Api, *claims: Manifest, seconds: float = _GONE_SECONDS, unaided: bool = False) -> None:
    """Delete claims, and return once they are gone; a cluster's deletion is refused while it has Models.

    Args:
        api: as whoever deletes them.
        claims: to delete.
        seconds: for each to go.
        unaided: whether controllers look again when they do by themselves.
    """
    for claim in claims:
        ask_to_go(api, claim)
    touch = _Touch(api)
    for claim in claims:

        def gone(claim: Manifest = claim) -> bool:
            if not unaided:
                touch.again()
            return _gone(api, claim)

        _wait_gone(api, claim, gone, seconds)


def clear(api: Api, *claims: Manifest, seconds: float = _GONE_SECONDS) -> None:
    """Delete claims at the end of a module, as `delete` does, and sooner.

    A cluster looks once a minute whether Models are left, which would be most of the wait.
    """
    for claim in claims:
        ask_to_go(api, claim)
    touch = _Touch(api)
    for claim in claims:
        asked = time.monotonic()

        def gone(claim: Manifest = claim) -> bool:
            nonlocal asked
            touch.again()
            if _gone(api, claim):
                return True
            if time.monotonic() - asked > _ASK_SECONDS and not api.items(FREEHOLD, "XModel"):
                asked = time.monotonic()
                _look(api, claim)
            return False

        _wait_gone(api, claim, gone, seconds)


class _Touch:
    """Has controllers look at once at what is on its way out: several waits in a row would take minutes.

    Core looks at a Usage every 30 seconds, and providers look later and later.
    """

    def __init__(self, api: Api) -> None:
        self._api = api.acting_as("")
        self._at = time.monotonic()

    def again(self) -> None:
        """Touch what has to be looked at, unless that was a moment ago."""
        if time.monotonic() - self._at < _ASK_SECONDS:
            return
        self._at = time.monotonic()
        for each in (found for kind in _LEAVING for found in self._api.items(*kind)):
            if _waits_for_its_controller(each) and not self._is_used(each):
                with suppress(ApiError):  # it may be gone by now
                    self._api.patch(each, {"metadata": {"annotations": {_TOUCHED: str(time.time_ns())}}})

    def _is_used(self, manifest: Manifest) -> bool:
        """Tell whether it is a Usage that stays for now: what it waits for is there."""
        by = manifest["spec"].get("by")
        if manifest["kind"] != "Usage" or not by:
            return False
        where = manifest["metadata"]["namespace"]
        return self._api.find(by["apiVersion"], by["kind"], by["resourceRef"]["name"], where) is not None


def _waits_for_its_controller(manifest: Manifest) -> bool:
    """Tell whether an object is on its way out, and not for the garbage collector alone to take."""
    metadata = manifest["metadata"]
    others = [name for name in metadata.get("finalizers", ()) if name != _COLLECTORS]
    return "deletionTimestamp" in metadata and others != []


def _wait_gone(api: Api, claim: Manifest, gone: Callable[[], bool], seconds: float) -> None:
    """Return once a claim is gone; raise AssertionError with what is left of it otherwise."""
    try:
        wait_for(f"{claim['metadata']['name']} to be gone", gone, seconds)
    except ToolError as error:
        raise AssertionError("\n".join([str(error), *left(api, claim)])) from error


def wait_gone(api: Api, resources: Sequence[Manifest], seconds: float = 30) -> None:
    """Return once none of these resources exists.

    A claim may go a moment before the last resource that its composite owned: the garbage collector holds an
    owner back only for dependents that it had heard of when the owner was deleted.
    """
    present = list(resources)

    def gone() -> bool:
        present[:] = [found for found in present if api.find(*identity(found))]
        return not present

    try:
        wait_for("everything composed to be gone", gone, seconds)
    except Exception as error:
        raise AssertionError(
            "left: " + ", ".join(f"{r['kind']} {r['metadata']['name']}" for r in present)
        ) from error


def ask_to_go(api: Api, claim: Manifest) -> None:
    """Ask for a claim's deletion; a claim that is gone, or that a Usage guards, is left alone."""
    try:
        api.delete(claim)
    except ApiError as error:
        if error.code not in {http.client.NOT_FOUND, http.client.CONFLICT}:
            raise


def _gone(api: Api, claim: Manifest) -> bool:
    found = api.find(*identity(claim))
    if found is None:
        return True
    # Each refusal costs the API server a call of core's webhook.
    if "deletionTimestamp" not in found["metadata"] and _IN_USE not in found["metadata"].get("labels", {}):
        ask_to_go(api, claim)
    return False


def _look(api: Api, claim: Manifest) -> None:
    """Have the XR of a guarded cluster reconciled, unless either is gone by now."""
    found = api.find(*identity(claim)) if claim["kind"] == "InferenceCluster" else None
    if found is not None and _IN_USE in found["metadata"].get("labels", {}):
        with suppress(ApiError):
            request(api, claim)


def _holds(api: Api, claim: Manifest, type_: str) -> bool:
    return bool(condition(refreshed(api, claim), type_).get("status") == "True")


def force_away(api: Api, cluster: Manifest) -> list[Manifest]:
    """Remove guards and finalizers of a cluster and delete it, as no administrator should.

    Returns:
        The composed resources that are left behind, ProviderConfigs last.
    """
    xr = composite(api, cluster)
    for manifest in (cluster, xr):
        # Otherwise core would delete the composed resources, too.
        api.patch(manifest, {"metadata": {"annotations": {"crossplane.io/paused": "true"}}})
    # A reconcile that is under way may still compose something.
    wait_for("the composite to be paused", lambda: _is_paused(refreshed(api, xr)))
    orphans = sorted(composed(api, cluster), key=lambda r: bool(r["kind"] == "ProviderConfig"))
    for manifest in (cluster, xr):
        for usage in api.items(_USAGES, "Usage", OWNER):
            ask_to_go(api, usage)
        api.patch(manifest, {"metadata": {"labels": {_IN_USE: None}}})
        api.call("DELETE", api.path(*identity(manifest)), {"propagationPolicy": "Orphan"})
        if api.find(*identity(manifest)):
            api.patch(manifest, {"metadata": {"finalizers": None}})
    wait_for("the composite to be gone", lambda: api.find(*identity(xr)) is None)
    return orphans


def _is_paused(xr: Manifest) -> bool:
    return bool(condition(xr, "Synced").get("reason") == "ReconcilePaused")
