"""A cloud that is not there: it writes what providers write, and nothing else."""

from __future__ import annotations

import base64
import threading
from collections.abc import Collection
from contextlib import suppress

from tools import provider_status
from tools.control_plane.api import Api, ApiError, condition
from tools.errors import ToolError
from tools.manifests import Manifest

_EXTERNAL_NAME = "crossplane.io/external-name"
_CRDS = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
_SECONDS = 0.5
"""Between two rounds; each lists every kind, which the API server pays for."""


class Cloud:
    """While entered, every managed resource becomes ready, or fails if its name says so.

    Of the resources it writes the status and the external name alone, and
    their connection Secrets, as providers do.
    """

    def __init__(self, api: Api, suffixes: Collection[str], kubeconfig: str) -> None:
        """Serve the kinds whose API groups end so; connection Secrets hold the kubeconfig."""
        self._kubeconfig = kubeconfig
        self._api = api
        self._kinds = [kind for kind in _kinds(api) if kind[0].split("/")[0].endswith(tuple(suffixes))]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failing: dict[str, str] = {}
        """What to say instead, by the resource's name."""
        self.slow: set[str] = set()
        """Kinds that take their time: nothing is said of them."""
        self.errors: list[ApiError] = []

    def __enter__(self) -> Cloud:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self.end_clusters()

    def end_clusters(self) -> None:
        """Do what the end of a cluster does to what is inside: a played one lives in the control plane's."""
        for storage_class in self._api.items("storage.k8s.io/v1", "StorageClass"):
            if storage_class["metadata"]["name"].startswith("freehold-weights"):
                self._api.delete(storage_class)

    def _run(self) -> None:
        while not self._stopped.wait(_SECONDS):
            # The API server may be down for a while, and refuse things when it comes up.
            with suppress(ToolError):
                for api_version, kind in self._kinds:
                    for resource in self._api.items(api_version, kind):
                        self._reconcile(resource)

    def _reconcile(self, resource: Manifest) -> None:
        try:
            if "forProvider" in resource.get("spec", {}) and resource["kind"] not in self.slow:
                self._provide(resource)
        except ApiError as error:
            # It may be gone by now, or have changed: the next round sees.
            if error.code not in {404, 409}:
                self.errors.append(error)

    def _provide(self, resource: Manifest) -> None:
        failure = self.failing.get(resource["metadata"]["name"])
        wanted = _conditions(failure)
        if all(condition(resource, type_).get("status") == status for type_, status in wanted.items()):
            return
        if secret := resource["spec"].get("writeConnectionSecretToRef"):
            self._api.apply(self._secret(resource, secret["name"]), manager="provider")
        if _EXTERNAL_NAME not in resource["metadata"].get("annotations", {}):
            name = provider_status.external_name(resource)
            self._api.patch(resource, {"metadata": {"annotations": {_EXTERNAL_NAME: name}}})
        status: Manifest = {"conditions": [_condition(*item, failure) for item in wanted.items()]}
        if failure is None:
            status["atProvider"] = provider_status.at_provider(resource)
        self._api.patch(resource, {"status": status}, "status")

    def _secret(self, resource: Manifest, name: str) -> Manifest:
        metadata = resource["metadata"]
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "connection.crossplane.io/v1alpha1",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "data": {"kubeconfig": base64.b64encode(self._kubeconfig.encode()).decode()},
        }


def _kinds(api: Api) -> list[tuple[str, str]]:
    found = []
    for crd in api.items(*_CRDS):
        version = next(version["name"] for version in crd["spec"]["versions"] if version["storage"])
        found.append((f"{crd['spec']['group']}/{version}", crd["spec"]["names"]["kind"]))
    return found


def _conditions(failure: str | None) -> dict[str, str]:
    works = "True" if failure is None else "False"
    return {"Ready": works, "Synced": works}


def _condition(type_: str, status: str, failure: str | None) -> Manifest:
    reason = {"Ready": ("Available", "Creating"), "Synced": ("ReconcileSuccess", "ReconcileError")}
    return {
        "type": type_,
        "status": status,
        "reason": reason[type_][failure is not None],
        "message": failure or "",
        "lastTransitionTime": provider_status.TIME,
    }
