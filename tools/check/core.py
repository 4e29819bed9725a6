"""Kubernetes, and Crossplane's own pods."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import yaml

from functions.base import Whose
from tools import paths
from tools.check.finding import Finding, State
from tools.check.reading import Reader
from tools.control_plane.api import condition
from tools.images.kinds.packages import CONFIGURATION
from tools.install_agent import NAMESPACE
from tools.manifests import Manifest, load

__all__ = ["HELM", "VALUES", "crossplane", "image_version", "kubernetes"]

_DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "crossplane", "namespace": NAMESPACE},
}
VALUES = paths.PACKAGE / "crossplane-values.yaml"
HELM = (
    "helm upgrade --install crossplane crossplane --repo https://charts.crossplane.io/stable "
    f"--namespace {NAMESPACE} --create-namespace"
)
_KUBERNETES = (1, 30)
"""The first with ValidatingAdmissionPolicy v1, which install.yaml holds."""


def kubernetes(cluster: Reader) -> Iterator[Finding]:
    """Look at the version of the API server."""
    found = cluster.version()
    name = "Kubernetes"
    if found >= _KUBERNETES:
        yield Finding(name, State.OK, f"is {_dotted(found)}", Whose.INFRASTRUCTURE)
        return
    says = f"is {_dotted(found)}, needed is {_dotted(_KUBERNETES)}: admission policies of install.yaml"
    yield Finding(name, State.MISSING, says, Whose.INFRASTRUCTURE, "upgrade the cluster")


def crossplane(cluster: Reader) -> Iterator[Finding]:
    """Look at core's Deployment: its version, its arguments, and whether it runs."""
    name, needed = "Crossplane", _needed()
    live = cluster.find(_DEPLOYMENT)
    install = f"{HELM} --values {VALUES}"
    if live is None:
        says = f"has no Deployment crossplane in namespace {NAMESPACE}"
        if cluster.serves("pkg.crossplane.io/v1", "Provider"):
            says += (
                ": its kinds are there, so it may run elsewhere, where its version and arguments are not seen"
            )
        yield Finding(name, State.MISSING, says, Whose.INFRASTRUCTURE, install)
        return
    [container] = live["spec"]["template"]["spec"]["containers"][:1]
    yield _version(container["image"], needed, f"{install} --version {_dotted(needed)}")
    runs = condition(live, "Available").get("status") == "True"
    says = (
        "is available"
        if runs
        else f"is not available: {condition(live, 'Available').get('message', 'no word why')}"
    )
    look = f"kubectl --namespace {NAMESPACE} describe pods --selector app=crossplane"
    state = State.OK if runs else State.MISSING
    yield Finding(f"{name}'s Deployment", state, says, Whose.INFRASTRUCTURE, "" if runs else look)
    for argument in yaml.safe_load(VALUES.read_text(encoding="utf-8"))["args"]:
        yield _argument(argument, container.get("args") or (), f"{install} --reuse-values")


def _version(image: str, needed: tuple[int, ...], mend: str) -> Finding:
    found, name = image_version(image), "Crossplane's version"
    if found is None:
        says = f"is not told by its image {image}; needed is {_dotted(needed)}"
        return Finding(name, State.UNKNOWN, says, Whose.INFRASTRUCTURE)
    if found >= needed:
        return Finding(name, State.OK, f"is {_dotted(found)}", Whose.INFRASTRUCTURE)
    says = f"is {_dotted(found)}, needed is {_dotted(needed)}"
    return Finding(name, State.MISSING, says, Whose.INFRASTRUCTURE, mend)


def _argument(argument: str, given: Sequence[str], mend: str) -> Finding:
    """Compare an argument; a platform's own value is its own, unless a burst is smaller."""
    option, _, value = argument.partition("=")
    name = f"Crossplane's {option}"
    found = next((each.partition("=")[2] for each in given if each.partition("=")[0] == option), None)
    if found is None:
        return Finding(name, State.MISSING, f"is not set, shipped is {value}", Whose.INFRASTRUCTURE, mend)
    if option.endswith("-burst") and found.isdigit() and int(found) < int(value):
        says = f"is {found}, needed is {value}: the breaker opens while a cluster is made"
        return Finding(name, State.MISSING, says, Whose.INFRASTRUCTURE, mend)
    return Finding(name, State.OK, f"is {found}", Whose.INFRASTRUCTURE)


def _needed() -> tuple[int, ...]:
    """Return the oldest version of core that the packages take."""
    meta: Manifest = load(paths.PACKAGE / CONFIGURATION / "crossplane.yaml")[0]
    found = image_version(f":{meta['spec']['crossplane']['version'].lstrip('>=')}")
    assert found is not None, "the package's own"
    return found


def image_version(image: str) -> tuple[int, ...] | None:
    """Return the version in an image's tag, such as (2, 4, 0); None for a digest or another tag."""
    tag = re.search(r":v?(\d+)\.(\d+)\.(\d+)[^/]*$", image.partition("@")[0])
    return tuple(map(int, tag.groups())) if tag else None


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
