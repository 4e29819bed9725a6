"""What package/install.yaml holds, and whether the cluster has it as it stands there."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from functions.base import Whose
from tools import paths
from tools.check.equal import differences
from tools.check.finding import Finding, State
from tools.check.reading import Reader
from tools.control_plane.api import condition
from tools.manifests import Manifest, label, load

__all__ = ["installed"]

_MOST = 3
"""Paths that differ, of those that are named."""


def installed(cluster: Reader) -> Iterator[Finding]:
    """Compare each object of install.yaml with the live one."""
    mend = f"kubectl apply --server-side --force-conflicts -f {paths.INSTALL}"
    for manifest in load(paths.INSTALL):
        live = cluster.find(manifest)
        if live is None:
            yield Finding(label(manifest), State.MISSING, "is not there", Whose.PLATFORM, mend)
            continue
        found = list(differences(_shipped(manifest), _shipped(live)))
        if found:
            more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
            says = f"is not what install.yaml says at {', '.join(found[:_MOST])}{more}"
            yield Finding(label(manifest), State.MISSING, says, Whose.PLATFORM, mend)
        else:
            yield Finding(label(manifest), State.OK, "is what install.yaml says", Whose.PLATFORM)
        if manifest["kind"] == "Deployment":
            yield _runs(live)


def _runs(live: Manifest) -> Finding:
    """Say whether the agent of the control plane runs, which Models with a token need."""
    said = condition(live, "Available")
    if said.get("status") == "True":
        return Finding(f"{label(live)}'s pods", State.OK, "run", Whose.PLATFORM)
    namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
    look = f"kubectl --namespace {namespace} describe pods --selector app.kubernetes.io/name={name}"
    why = said.get("message") or "no word why"
    return Finding(f"{label(live)}'s pods", State.MISSING, f"do not run: {why}", Whose.PLATFORM, look)


def _shipped(manifest: Manifest) -> Manifest:
    """Return what is compared: not the status, nor what install.yaml asks platform teams to change."""
    kept = copy.deepcopy(manifest)
    kept.pop("status", None)
    if kept["kind"] == "ImageConfig":
        kept["spec"].pop("matchImages", None)
    if kept["kind"] == "Deployment":
        for container in kept["spec"]["template"]["spec"]["containers"]:
            container.pop("image", None)
    return kept
