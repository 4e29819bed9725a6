"""A played GPU Operator, and a played node for the pods of the components' charts."""

from __future__ import annotations

import threading
from contextlib import suppress

from functions.cluster_stack.registry import COMPONENTS
from tests.e2e.pace import Pace
from tools.control_plane.api import Api, ApiError
from tools.control_plane.nodes import cpu_node
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError
from tools.manifests import Manifest
from tools.provider_status import TIME

_POLICIES = ("nvidia.com/v1", "ClusterPolicy")
_RELEASES = ("helm.m.crossplane.io/v1beta1", "Release")
_SYSTEM_NODE = cpu_node("components-1", zone="eu-central-1a")
_NAMESPACES = tuple(c.namespace.name for c in COMPONENTS if c.namespace.pod_security is not None)
_SHARED_NAMESPACE = "kube-system"
_INSTALLED = (
    ("v1", "ConfigMap"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
)


class GPUOperator:
    """While entered, every ClusterPolicy becomes ready, and a node without GPUs takes pods."""

    def __init__(self, api: Api) -> None:
        """Play the operator of the cluster with this API."""
        self._api = api
        self._pace = Pace()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.errors: list[ApiError] = []

    def __enter__(self) -> GPUOperator:
        self._api.apply(_SYSTEM_NODE)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pace.stop()
        self._thread.join()
        self._api.delete(_SYSTEM_NODE)

    def _run(self) -> None:
        did = True
        while self._pace.next(did=did):
            did = False
            # The API server may be down for a while, and refuse things when it comes up.
            with suppress(ToolError):
                for policy in self._api.items(*_POLICIES):
                    if "status" not in policy:
                        self._reconcile(policy)
                        did = True

    def _reconcile(self, policy: Manifest) -> None:
        conditions = [_condition("Ready", "True", "Reconciled"), _condition("Error", "False", "Ready")]
        try:
            self._api.patch(policy, {"status": {"state": "ready", "conditions": conditions}}, "status")
        except ApiError as error:
            # It may be gone by now.
            if error.code != 404:
                self.errors.append(error)


def bury(api: Api) -> None:
    """Remove what charts installed, which goes with a real cluster: nobody uninstalls the charts.

    Releases that a failed test has left are paused: Helm would install them again, and refuse the next
    cluster what carries another release's name.
    """
    for release in api.items(*_RELEASES):
        with suppress(ApiError):  # it may be gone by now
            api.patch(release, {"metadata": {"annotations": {"crossplane.io/paused": "true"}}})
    for policy in api.items(*_POLICIES):
        api.delete(policy)
    # Helm labels what it installs; its own records are Secrets with another label.
    installed = [
        each
        for kind in _INSTALLED
        for each in api.items(*kind, _SHARED_NAMESPACE, "app.kubernetes.io/managed-by=Helm")
    ]
    for each in (*installed, *api.items("v1", "Secret", _SHARED_NAMESPACE, "owner=helm")):
        api.delete(each)
    for name in _NAMESPACES:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if api.find("v1", "Namespace", name):
            api.delete(namespace)
        wait_for(f"{name} to be gone", lambda name=name: api.find("v1", "Namespace", name) is None)  # type: ignore[misc]


def _condition(type_: str, status: str, reason: str) -> Manifest:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": TIME,
    }
