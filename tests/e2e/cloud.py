"""A played cloud: it writes what the cloud's providers write, and nothing else."""

from __future__ import annotations

import base64
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from tests.e2e.pace import Pace
from tools import provider_status
from tools.control_plane.api import Api, ApiError, condition
from tools.errors import ToolError
from tools.manifests import Manifest

_EXTERNAL_NAME = "crossplane.io/external-name"
_COMPOSITES = ("freehold.dev/v1alpha1", "XInferenceCluster")


class Cloud:
    """While entered, every managed resource becomes ready, unless a test says otherwise.

    Of the resources it writes the status and the external name alone, and their connection
    Secrets, as providers do.
    """

    def __init__(self, api: Api, suffixes: Collection[str], kubeconfig: str) -> None:
        """Serve the kinds whose API groups end so; connection Secrets hold the kubeconfig."""
        self._kubeconfig = kubeconfig
        self._api = api
        self._suffixes = tuple(suffixes)
        self._pace = Pace()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failing: dict[str, str] = {}
        """Why a resource is neither made nor works, by its name."""
        self.slow: set[str] = set()
        """Kinds that are never answered: the provider says nothing of them."""
        self.refusing: dict[str, str] = {}
        """Why the cloud refuses any change of a resource that works, by its name."""
        self.updating: set[str] = set()
        """Kinds whose changes go on and do not end: what is observed stays as it was."""
        self.errors: list[ApiError] = []

    def __enter__(self) -> Cloud:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pace.stop()
        self._thread.join()
        self.end_clusters()

    def end_clusters(self) -> None:
        """Do what the end of a cluster does to what is inside: a played one lives in the control plane's."""
        for storage_class in self._api.items("storage.k8s.io/v1", "StorageClass"):
            if storage_class["metadata"]["name"].startswith("freehold-weights"):
                self._api.delete(storage_class)

    def _run(self) -> None:
        provided = True
        while self._pace.next(did=provided):
            provided = False
            # The API server may be down for a while, and refuse things when it comes up.
            with suppress(ToolError):
                for api_version, kind in self._kinds():
                    for resource in self._api.items(api_version, kind):
                        provided |= self._reconcile(resource)

    def _kinds(self) -> list[tuple[str, str]]:
        """Return the kinds that are composed now: a composite refers to a resource before it makes it."""
        found = {
            (reference["apiVersion"], reference["kind"])
            for composite in self._api.items(*_COMPOSITES)
            for reference in composite["spec"].get("resourceRefs", ())
        }
        return sorted(kind for kind in found if kind[0].split("/")[0].endswith(self._suffixes))

    def _reconcile(self, resource: Manifest) -> bool:
        """Do what a provider does with a resource; say whether there was something to do."""
        try:
            if "forProvider" in resource.get("spec", {}) and resource["kind"] not in self.slow:
                return self._provide(resource)
        except ApiError as error:
            # It may be gone by now, or have changed: the next round sees.
            if error.code not in {404, 409}:
                self.errors.append(error)
            return True
        return False

    def _provide(self, resource: Manifest) -> bool:
        said = self._said(resource)
        known = resource.get("status", {})
        same = all(_without_time(condition(resource, c["type"])) == _without_time(c) for c in said.conditions)
        if same and not said.differs_from(known.get("atProvider", {})):
            return False
        if secret := resource["spec"].get("writeConnectionSecretToRef"):
            self._api.apply(self._secret(resource, secret["name"]), manager="provider")
        if _EXTERNAL_NAME not in resource["metadata"].get("annotations", {}):
            name = provider_status.external_name(resource)
            self._api.patch(resource, {"metadata": {"annotations": {_EXTERNAL_NAME: name}}})
        status: Manifest = {"conditions": said.conditions, "atProvider": said.at_provider}
        self._api.patch(resource, {"status": status}, "status")
        return True

    def _said(self, resource: Manifest) -> _Said:
        """Return what the provider says of a resource."""
        name, generation = resource["metadata"]["name"], resource["metadata"].get("generation")
        if words := self.failing.get(name):
            return _Said.of(generation, ready=False, error=words)
        wanted = _Said.of(generation, at_provider=provider_status.at_provider(resource))
        before = resource.get("status", {}).get("atProvider", {})
        if not before or not wanted.differs_from(before):
            return wanted
        if words := self.refusing.get(name):
            return _Said.of(generation, error=f"async update failed: {words}", operation="AsyncUpdateFailure")
        if resource["kind"] in self.updating:
            status = {"status": "UPDATING"} if "status" in before else {}
            return _Said.of(generation, at_provider=status, operation="Ongoing")
        return wanted

    def _secret(self, resource: Manifest, name: str) -> Manifest:
        metadata = resource["metadata"]
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "connection.crossplane.io/v1alpha1",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "data": {"kubeconfig": base64.b64encode(self._kubeconfig.encode()).decode()},
        }


@dataclass(frozen=True)
class _Said:
    """What a provider says of a resource."""

    conditions: list[Manifest]
    at_provider: Manifest
    """Fields of status.atProvider; others stay as they are."""

    @classmethod
    def of(
        cls,
        generation: int,
        *,
        ready: bool = True,
        error: str = "",
        operation: str = "",
        at_provider: Manifest | None = None,
    ) -> _Said:
        """Say it in the conditions of crossplane-runtime, and of upjet for what takes long.

        Args:
            generation: of the resource when the provider looked at it.
            ready: whether the thing works.
            error: why the last reconcile failed; empty when it did not.
            operation: reason of upjet's conditions about an operation that goes on or has failed.
            at_provider: what the cloud says of the thing.
        """
        conditions = [
            _condition("Ready", ready, "Available" if ready else "Creating", error if not ready else ""),
            _condition("Synced", not error, "ReconcileError" if error else "ReconcileSuccess", error),
        ]
        if operation == "Ongoing":
            conditions.append(_condition("AsyncOperation", False, operation))
        elif operation:
            conditions.append(_condition("LastAsyncOperation", False, operation, error))
        return cls([{**each, "observedGeneration": generation} for each in conditions], at_provider or {})

    def differs_from(self, observed: Manifest) -> bool:
        """Tell whether the cloud says something else than is observed."""
        return any(observed.get(key) != value for key, value in self.at_provider.items())


def _condition(type_: str, holds: bool, reason: str, message: str = "") -> Manifest:
    return {
        "type": type_,
        "status": str(holds),
        "reason": reason,
        "message": message,
        "lastTransitionTime": provider_status.TIME,
    }


def _without_time(found: Manifest) -> Manifest:
    # The API server leaves an empty message out.
    return {key: value for key, value in found.items() if key != "lastTransitionTime" and value != ""}
