"""Questions of the tests to a control plane: claims and composed resources, reconciles, core's metrics."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from urllib.request import urlopen

from functions.base.respond import TTL
from tests.e2e.conftest import Plane
from tools.control_plane.api import Api, condition, identity
from tools.control_plane.plane import ports_of
from tools.control_plane.waiting import patience, wait_for
from tools.manifests import RESOURCE_NAME, Manifest

FREEHOLD = "freehold.dev/v1alpha1"
REQUESTED = "crossplane.io/reconcile-requested-at"
"""An annotation: when it changes, core reconciles."""
_STILL_SECONDS = 5
_TTL_SECONDS = TTL.total_seconds() + 30


def refreshed(api: Api, manifest: Manifest) -> Manifest:
    """Return an object as it is now."""
    return api.get(*identity(manifest))


def wait_ready(api: Api, claim: Manifest, seconds: float) -> Manifest:
    """Return a claim once it is Ready; raise AssertionError with its conditions when it does not become so."""
    try:
        wait_for("Ready", lambda: condition(refreshed(api, claim), "Ready").get("status") == "True", seconds)
    except Exception as error:
        raise AssertionError("\n".join(told(refreshed(api, claim)))) from error
    return refreshed(api, claim)


def told(claim: Manifest) -> list[str]:
    """Return a claim's conditions as lines: type, status, reason and message."""
    conditions = claim.get("status", {}).get("conditions", ())
    return [f"{c['type']}={c['status']} {c['reason']}: {c.get('message', '')}" for c in conditions]


def composite(api: Api, claim: Manifest) -> Manifest:
    """Return a claim's XR."""
    reference = refreshed(api, claim)["spec"]["resourceRef"]
    return api.get(reference["apiVersion"], reference["kind"], reference["name"])


def composed(api: Api, claim: Manifest) -> list[Manifest]:
    """Return the composed resources of a claim that exist.

    The XR refers to resources before they are made, and the claim to its XR: without, there are none.
    """
    found = [
        api.find(r["apiVersion"], r["kind"], r["name"], r.get("namespace", ""))
        for r in _references(api, claim)
    ]
    return [resource for resource in found if resource is not None]


def left(api: Api, claim: Manifest) -> list[str]:
    """Return a line for a claim, its XR and each composed resource that exists: what keeps each from going."""
    found = api.find(*identity(claim))
    if found is None:
        return ["the claim is gone"]
    reference = found["spec"].get("resourceRef")
    xr = api.find(reference["apiVersion"], reference["kind"], reference["name"]) if reference else None
    return [_holding(each) for each in (found, *((xr,) if xr else ()), *composed(api, claim))]


def _holding(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    asked = metadata.get("deletionTimestamp")
    conditions = [line for line in told(manifest) if "=True" not in line.partition(" ")[0]]
    said = [
        f"asked to go at {asked}" if asked else "not asked to go",
        f"finalizers {', '.join(metadata['finalizers'])}" if metadata.get("finalizers") else "",
        "in use" if "crossplane.io/in-use" in metadata.get("labels", {}) else "",
        *conditions,
    ]
    return f"{manifest['kind']} {metadata['name']}: {'; '.join(filter(None, said))}"


def uids(api: Api, claim: Manifest) -> dict[str, str]:
    """Return the uids of a claim's composed resources, by their names in the composition."""
    return {r["metadata"]["annotations"][RESOURCE_NAME]: r["metadata"]["uid"] for r in composed(api, claim)}


def _references(api: Api, claim: Manifest) -> list[Manifest]:
    reference = refreshed(api, claim)["spec"].get("resourceRef")
    xr = api.find(reference["apiVersion"], reference["kind"], reference["name"]) if reference else None
    found: list[Manifest] = xr["spec"].get("resourceRefs", []) if xr else []
    return found


def chart_values(api: Api, release: str, namespace: str) -> Manifest:
    """Return the values of a release, from the ConfigMap that every stand-in chart installs."""
    values: Manifest = json.loads(
        api.get("v1", "ConfigMap", f"{release}-values", namespace)["data"]["values"]
    )
    return values


def reconcile(plane: Plane, claim: Manifest, seconds: float = 30) -> None:
    """Have a claim's XR reconciled, and return once functions have been called and no more calls come."""
    before = calls(plane)
    xr = request(plane.api, claim)
    # An XR of scope LegacyCluster has no status.lastHandledReconcileAt.
    wait_for(f"{xr['metadata']['name']} to be reconciled", lambda: calls(plane) > before, seconds)
    wait_for("the calls of functions to end", lambda: _quiet(plane), seconds)


def request(api: Api, claim: Manifest) -> Manifest:
    """Ask core to reconcile a claim's XR now; return the XR as it was."""
    xr = composite(api, claim)
    api.patch(xr, {"metadata": {"annotations": {REQUESTED: str(time.time_ns())}}})
    return xr


def versions(api: Api, claim: Manifest) -> dict[str, tuple[str, object, str]]:
    """Return uid, generation and resourceVersion of a claim, its XR and its composed resources."""
    found = [refreshed(api, claim), composite(api, claim), *composed(api, claim)]
    return {
        f"{m['kind']} {m['metadata']['name']}": (
            m["metadata"]["uid"],
            m["metadata"].get("generation"),
            m["metadata"]["resourceVersion"],
        )
        for m in found
    }


def settled(api: Api, claim: Manifest) -> dict[str, tuple[str, object, str]]:
    """Return `versions` once none of them has changed for some seconds.

    A claim is Ready before what it is ready without, such as the agent, has been looked at to the end.
    """
    seen: list[dict[str, tuple[str, object, str]]] = [{}]

    def same() -> bool:
        seen.append(versions(api, claim))
        time.sleep(_STILL_SECONDS * patience())
        return seen[-1] == versions(api, claim)

    wait_for("the composed resources to change no more", same, seconds=90)
    return seen[-1]


def outlive_ttl(plane: Plane) -> None:
    """Return once functions were called again because the TTL of their answers ended."""
    before = calls(plane)
    wait_for("the TTL of the functions' answers to end", lambda: calls(plane) > before, seconds=_TTL_SECONDS)
    wait_for("the calls of functions to end", lambda: _quiet(plane))


def calls(plane: Plane) -> float:
    """Return how often functions have answered core."""
    return sum(metrics(plane, "function_run_function_response_total").values())


def _quiet(plane: Plane) -> bool:
    before = calls(plane)
    time.sleep(1)
    return calls(plane) == before


def metrics(plane: Plane, name: str) -> dict[str, float]:
    """Return core's metrics of a name, by their labels."""
    with urlopen(f"http://127.0.0.1:{ports_of(plane.layout).metrics}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return dict(_parsed(text, name))


def _parsed(text: str, name: str) -> Iterator[tuple[str, float]]:
    for labels, value in re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE):
        yield labels, float(value)
