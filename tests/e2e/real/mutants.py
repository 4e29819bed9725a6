"""Faults of what we render: `python -m tests.e2e.real.mutants vllm ...` serves function-vllm with them.

A Model has the faults that its name says; of all others the function is what it should be. So one function has
all faults at once, each where nothing else is wrong that the same check would see.
"""

from __future__ import annotations

import copy
import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from functions.base import Function, Outcome, Request, Resource
from functions.main import FUNCTIONS, main
from tests.e2e.conftest import Plane
from tools import paths
from tools.control_plane import functions
from tools.control_plane.certificates import Authority
from tools.control_plane.layout import free_ports
from tools.manifests import Manifest

_NAME = "mutants"
_PAUSED = "crossplane.io/paused"
_PACKAGE = "pkg.crossplane.io/package"
_FUNCTION = "function-vllm"
EXPOSED = "exposed"
"""The Model whose engine starts, and listens, though its probes do not find it."""
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_DEPLOYMENT, _POLICY = "vllm/deployment", "vllm/network-policy-serving"


@dataclass(frozen=True)
class Fault:
    """A mistake in what is rendered for a Model."""

    model: str
    """The name of the Model that has it."""
    resource: str
    """The composed resource with the mistake."""
    change: Callable[[Manifest], None]
    """Puts the mistake into the object in the cluster."""


def _let_everybody_in(policy: Manifest) -> None:
    for rule in policy["spec"]["ingress"]:
        del rule["from"]


def _let_the_pod_out(policy: Manifest) -> None:
    policy["spec"] |= {"policyTypes": ["Ingress", "Egress"], "egress": [{}]}


def _ask_at_another_path(deployment: Manifest) -> None:
    [engine] = _pod(deployment)["containers"]
    for probe in _PROBES:
        engine[probe]["httpGet"]["path"] = "/healthz"


def _ask_at_another_port(deployment: Manifest) -> None:
    [engine] = _pod(deployment)["containers"]
    for probe in _PROBES:
        engine[probe]["httpGet"] |= {"port": engine["ports"][0]["containerPort"] + 1}


def _forget_the_weights(deployment: Manifest) -> None:
    _without(_pod(deployment), "models")


def _forget_the_cache(deployment: Manifest) -> None:
    _without(_pod(deployment), "cache")


def _without(pod: Manifest, name: str) -> None:
    """Leave a volume out everywhere, as a pod is valid without it."""
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != name]
    for container in (*pod["initContainers"], *pod["containers"]):
        mounts = container.get("volumeMounts", ())
        container["volumeMounts"] = [mount for mount in mounts if mount["name"] != name]


def _pass_what_the_engine_refuses(deployment: Manifest) -> None:
    [engine] = _pod(deployment)["containers"]
    engine["args"].append("--max-model-length=2048")


def _pod(deployment: Manifest) -> Manifest:
    pod: Manifest = deployment["spec"]["template"]["spec"]
    return pod


FAULTS = {
    "a network policy that lets everybody in": Fault(EXPOSED, _POLICY, _let_everybody_in),
    "a network policy that lets the pod out": Fault(EXPOSED, _POLICY, _let_the_pod_out),
    "probes at a path that the engine does not have": Fault(EXPOSED, _DEPLOYMENT, _ask_at_another_path),
    "probes at a port where nothing listens": Fault("unprobed", _DEPLOYMENT, _ask_at_another_port),
    "no volume of the caches": Fault("uncached", _DEPLOYMENT, _forget_the_cache),
    "no volume of the weights": Fault("unmounted", _DEPLOYMENT, _forget_the_weights),
    "an argument that the engine refuses": Fault("refused", _DEPLOYMENT, _pass_what_the_engine_refuses),
}
"""By what a reader calls them."""


def wrong(request: Request, outcome: Outcome) -> Outcome:
    """Return what the function decides, with the faults of the request's Model."""
    return replace(outcome, resources=[_with_faults(request.claim.name, r) for r in outcome.resources])


def _with_faults(model: str, resource: Resource) -> Resource:
    faults = [f for f in FAULTS.values() if (f.model, f.resource) == (model, resource.name)]
    if not faults or resource.manifest is None:
        return resource
    body: dict[str, Any] = copy.deepcopy(dict(resource.manifest))
    for fault in faults:
        fault.change(body["spec"]["forProvider"]["manifest"])
    return replace(resource, manifest=body)


@contextmanager
def serve(plane: Plane) -> Iterator[None]:
    """Have core ask a function with the faults for a while, beside the right one, which goes on.

    Nobody takes the address back meanwhile: where a package manager minds the revision, it is paused.
    """
    api, [port] = plane.api, free_ports(1)
    [revision] = [r for r in api.items("pkg.crossplane.io/v1", "FunctionRevision") if _is_ours(r)]
    paused = revision["metadata"].get("annotations", {}).get(_PAUSED)
    certificates = Authority.of(plane.layout.certificates).serve(_NAME)
    try:
        python = (sys.executable, "-m", __name__)
        command = functions.command(_FUNCTION, port, certificates, python)
        plane.processes.start(_NAME, command, {"PYTHONPATH": str(paths.ROOT)})
        plane.processes.wait(_NAME, lambda: plane.processes.listens(port))
        api.patch(revision, {"metadata": {"annotations": {_PAUSED: "true"}}})
        api.patch(revision, {"status": {"endpoint": f"127.0.0.1:{port}"}}, "status")
        yield
    finally:
        api.patch(revision, {"status": {"endpoint": revision["status"]["endpoint"]}}, "status")
        api.patch(revision, {"metadata": {"annotations": {_PAUSED: paused}}})
        plane.processes.stop(_NAME)
        shutil.rmtree(certificates)


def _is_ours(revision: Manifest) -> bool:
    """Say whether a revision is function-vllm's; packages of a registry have its name in theirs."""
    package: str = revision["metadata"]["labels"][_PACKAGE]
    return package.endswith(_FUNCTION) and revision["spec"]["desiredState"] == "Active"


if __name__ == "__main__":
    module: Any = importlib.import_module(FUNCTIONS["vllm"])
    right: Function = module.FUNCTION
    module.FUNCTION = replace(right, compose=lambda request: wrong(request, right.compose(request)))
    main()
