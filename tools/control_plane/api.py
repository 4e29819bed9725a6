"""A Kubernetes API server as one user sees it, by the `kubernetes` client; manifests are dictionaries."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_kube_config
from kubernetes.dynamic import DynamicClient, Resource
from kubernetes.dynamic.exceptions import DynamicApiError
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from tools.errors import ToolError
from tools.manifests import Manifest

SERVER_SIDE_APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
FIELD_MANAGER = "freehold-harness"
_TIMEOUT_SECONDS = 60
_RETRIES = Retry(
    total=None,
    # A restarted server has closed all idle connections.
    connect=1,
    read=1,
    # The API server answers 429 about the objects of a CRD that is a moment old.
    status=10,
    status_forcelist=[http.client.TOO_MANY_REQUESTS],
    # A certificate does not get better.
    other=0,
    allowed_methods=None,
    raise_on_status=False,
)


class ApiError(ToolError):
    """The API server's refusal of a request."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the HTTP status, and the words that kubectl would show."""
        super().__init__(message)
        self.code = code


class UnreachableError(ToolError):
    """No answer from the API server."""


class _Discovery:
    """The resources that the API server has for kinds; one request for each group and version.

    The discoverers of `kubernetes` ask for all groups at the start, when the API server may not run
    yet, and keep the answers in a file, which outlives the control plane.
    """

    def __init__(self, client: DynamicClient, _: object) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Resource] = {}

    def get(self, api_version: str, kind: str) -> Resource:
        """Return the resource of a kind."""
        if (api_version, kind) not in self._known:
            group, _, version = api_version.rpartition("/")
            prefix = "apis" if group else "api"
            answer = self._client.request("GET", f"/{prefix}/{api_version}", serialize=False)
            for entry in json.loads(answer.data)["resources"]:
                # Others are subresources, such as pods/status.
                if "/" not in entry["name"]:
                    found = {**entry, "group": group}
                    self._known[api_version, entry["kind"]] = Resource(
                        prefix=prefix, api_version=version, **found
                    )
        try:
            return self._known[api_version, kind]
        except KeyError:
            raise ToolError(f"the API server knows no {kind} in {api_version}") from None


@dataclass(frozen=True)
class Api:
    """One API server, as one user. Threads may share it."""

    client: DynamicClient = field(repr=False)
    user: str = ""
    """The user that requests act as; empty for the kubeconfig's own."""

    @classmethod
    def of(cls, kubeconfig: Path | None, context: str = "") -> Api:
        """Return the API that a kubeconfig reaches, without a request: by default the one that kubectl takes.

        Args:
            kubeconfig: the file.
            context: its context; empty for the current one.
        """
        configuration = Configuration()
        file = str(kubeconfig) if kubeconfig else None
        load_kube_config(file, context=context or None, client_configuration=configuration)
        # Its token does not expire. The hook would read the environment at each request, which other threads
        # may be changing.
        configuration.refresh_api_key_hook = None
        configuration.retries = _RETRIES
        return cls(DynamicClient(ApiClient(configuration), discoverer=_Discovery))

    def acting_as(self, user: str) -> Api:
        """Return the same API as another user sees it; the API server adds the group of all users."""
        return replace(self, user=user)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Manifest:
        """Return one object."""
        return self.call("GET", self.path(api_version, kind, name, namespace))

    def find(self, api_version: str, kind: str, name: str, namespace: str = "") -> Manifest | None:
        """Return one object, or None when it does not exist."""
        try:
            return self.get(api_version, kind, name, namespace)
        except ApiError as error:
            if error.code == http.client.NOT_FOUND:
                return None
            raise

    def items(self, api_version: str, kind: str, namespace: str = "", selector: str = "") -> list[Manifest]:
        """Return all objects of a kind, of one namespace or all, each with its version and kind."""
        query = {"labelSelector": selector} if selector else {}
        answer = self.call("GET", self.path(api_version, kind, namespace=namespace), query=query)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in answer["items"]]

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object; a field that its schema does not have is refused, as kubectl does."""
        api_version, kind, _, namespace = identity(manifest)
        path = self.path(api_version, kind, namespace=namespace)
        return self.call("POST", path, manifest, query={"fieldValidation": "Strict", **_dry(dry_run)})

    def apply(self, manifest: Manifest, *, dry_run: bool = False, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply an object on the server's side; fields of other managers are taken over."""
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict", **_dry(dry_run)}
        return self.call("PATCH", self.path(*identity(manifest)), manifest, SERVER_SIDE_APPLY, query)

    def patch(self, manifest: Manifest, change: Manifest, subresource: str = "") -> Manifest:
        """Merge a change into an object, or into one of its subresources."""
        path = self.path(*identity(manifest)) + (f"/{subresource}" if subresource else "")
        return self.call("PATCH", path, change, MERGE_PATCH)

    def delete(self, manifest: Manifest) -> None:
        """Ask for an object's deletion."""
        self.call("DELETE", self.path(*identity(manifest)))

    def path(self, api_version: str, kind: str, name: str = "", namespace: str = "") -> str:
        """Return the path of a kind, or of one object of it."""
        with _refusals(f"kinds of {api_version}"):
            found: str = self.client.resources.get(api_version, kind).path(name, namespace)
        return found

    def call(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Return the API server's answer.

        Raises:
            ApiError: when the API server refuses.
            UnreachableError: when it does not answer.
        """
        text = self._answer(method, path, body, content_type, query)
        found: Manifest = json.loads(text) if text[:1] == b"{" else {"message": text.decode()}
        return found

    def log(self, pod: Manifest, container: str = "") -> str:
        """Return what a container of a pod has printed, its only one by default, as the kubelet has it."""
        query = {"container": container} if container else None
        return self._answer("GET", self.path(*identity(pod)) + "/log", query=query).decode(errors="replace")

    def _answer(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        with _refusals(f"{method} {path}"):
            answer = self.client.request(
                method,
                path,
                body=body,
                content_type=content_type,
                query_params=list((query or {}).items()),
                header_params={"Impersonate-User": self.user} if self.user else {},
                serialize=False,
                _request_timeout=_TIMEOUT_SECONDS,
            )
            text: bytes = answer.data
        return text


@contextmanager
def _refusals(request: str) -> Iterator[None]:
    """Raise the errors of this module in place of the client's."""
    try:
        yield
    except DynamicApiError as error:
        raise ApiError(error.status, f"{request}: {error.summary()}") from error
    except HTTPError as error:
        raise UnreachableError(f"{request}: {error}") from error


def identity(manifest: Manifest) -> tuple[str, str, str, str]:
    """Return an object's version, kind, name and namespace."""
    metadata = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], metadata.get("name", ""), metadata.get("namespace", "")


def condition(manifest: Manifest, type_: str) -> Manifest:
    """Return an object's condition of a type; an empty one when it has none."""
    conditions: Sequence[Manifest] = manifest.get("status", {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == type_), {})


def _dry(run: bool) -> dict[str, Any]:
    return {"dryRun": "All"} if run else {}
