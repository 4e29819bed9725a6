"""Requests as Crossplane makes them, for one InferenceCluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.base import Function, Request
from functions.base.assemble import assemble
from tools import paths
from tools.manifests import load

COMPOSITE = "eu-prod-x7k2p"
AT_PROVIDER = {
    "arn": "arn:aws:kms:eu-central-1:111122223333:key/own",
    "id": "id-0123456789abcdef0",
    "latestVersion": 1,
    "version": "1.35",
    "vpcConfig": {"clusterSecurityGroupId": "sg-0123456789abcdef0"},
}
"""What is observed of everything composed here: more than any one kind tells."""
L4 = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 0, "max": 8}}


def _shipped() -> dict[str, Any]:
    [composition] = load(paths.COMPOSITIONS / "inferencecluster.yaml")
    [step] = [s for s in composition["spec"]["pipeline"] if s["step"] == "node-pools"]
    return dict(step["input"])


SHIPPED = _shipped()
"""The input of function-node-pools as the composition ships it."""


def cluster(
    spec: Mapping[str, Any],
    *,
    observed: Mapping[str, Mapping[str, Any]] | None = None,
    status: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    claim: Mapping[str, str] | None = None,
    composite: str = COMPOSITE,
    answers: Mapping[str, tuple[Mapping[str, Any], ...]] | None = None,
) -> Request:
    """Make a request for claim platform/eu-prod.

    `before` is what earlier steps put into the status, `given` what a platform team changes in the
    shipped input, `answers` what Crossplane answers to what is required: nothing yet, unless said otherwise.
    """
    ref = {"namespace": "platform", "name": "eu-prod"} if claim is None else claim
    owner = {"claimRef": ref} if ref else {}
    return Request(
        composite={
            "apiVersion": "freehold.dev/v1alpha1",
            "kind": "XInferenceCluster",
            "metadata": {"name": composite},
            "spec": {**owner, **spec},
            "status": status or {},
        },
        observed=observed or {},
        composed_before={},
        status_before=before or {},
        answers=answers or {},
        input={**SHIPPED, **(given or {})},
    )


def aws(*pools: Mapping[str, Any], **place: Any) -> dict[str, Any]:
    """Return the spec of a cluster in Frankfurt, unless `place` says another region."""
    return {"aws": {"region": "eu-central-1", **place}, "nodePools": list(pools or (L4,))}


def existing(*pools: Mapping[str, Any], **place: Any) -> dict[str, Any]:
    """Return the spec of a cluster that is there already."""
    return {
        "existing": {"kubeconfigSecretRef": {"name": "kubeconfig-eu"}, **place},
        "nodePools": list(pools or (L4,)),
    }


def live(manifest: Mapping[str, Any], /, **at_provider: Any) -> dict[str, Any]:
    """Return a composed object as it is observed once its provider calls it ready."""
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "True"}]
    return {**manifest, "status": {"conditions": conditions, "atProvider": at_provider}}


def settled(function: Function, spec: Mapping[str, Any], **more: Any) -> tuple[Request, list[set[str]]]:
    """Compose until nothing changes any more.

    Returns:
        The last request, with everything observed and the status recorded, and the
        names that each run added.
    """
    observed: dict[str, dict[str, Any]] = {}
    waves: list[set[str]] = []
    while True:
        request = cluster(spec, observed=observed, **more)
        outcome = function.compose(request)
        desired = assemble(request, function, outcome)
        added = set(desired.manifests) - set(observed)
        seen = {name: reported(manifest) for name, manifest in desired.manifests.items()}
        if seen == observed:
            return cluster(spec, observed=observed, status=dict(outcome.status), **more), waves
        waves += [added] if added else []
        observed = seen


def reported(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a composed object as it is observed once its provider has made it as it was asked to."""
    asked = manifest.get("spec", {}).get("forProvider", {})
    echoed = {key: asked[key] for key in ("description", "manifest") if key in asked}
    return live(manifest, **AT_PROVIDER, **echoed)


def lives(function: Function, spec: Mapping[str, Any], **more: Any) -> dict[str, dict[str, Any]]:
    """Return the manifests of a cluster that lives, by their names after the function's."""
    request, _ = settled(function, spec, **more)
    return {
        resource.name.partition("/")[2]: dict(resource.manifest)
        for resource in function.compose(request).resources
        if resource.manifest
    }


def fields(manifest: Any) -> dict[str, Any]:
    """Return the fields of a managed resource."""
    found: dict[str, Any] = manifest["spec"]["forProvider"]
    return found
