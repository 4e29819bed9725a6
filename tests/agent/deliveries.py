"""A control plane and a GPU cluster for the tests of deliveries, as their API servers answer."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from agent.delivery import Asked, asked_of
from tests import tls
from tests.agent.api_server import Answer
from tests.agent.api_server import Asked as Request

NAMESPACE, HOME = "crossplane-system", "team-a-chat-0123456789abcdef"
VALUE = "hf_this-is-the-token"
COMPOSITE = {
    "apiVersion": "freehold.dev/v1alpha1",
    "kind": "XModel",
    "name": "chat-x1",
    "uid": "uid-of-chat-x1",
    "controller": True,
    "blockOwnerDeletion": True,
}
"""What core writes on whatever it composes for a Model."""


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def delivery(name: str = "chat-hub-token-delivery", **more: Any) -> dict[str, Any]:
    source = {"namespace": "team-a", "name": "hub", "key": "token", **more.pop("source", {})}
    target = {
        "namespace": HOME,
        "name": "hub-token",
        "key": "token",
        "labels": {"a": "b"},
        **more.pop("target", {}),
    }
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "generation": more.pop("generation", 1),
        "labels": more.pop("labels", {"crossplane.io/claim-namespace": "team-a"}),
        "ownerReferences": more.pop("owners", [COMPOSITE]),
    }
    cluster = more.pop("cluster", "eu")
    spec = {
        "source": source,
        "target": target,
        **({"made": True} if more.pop("made", False) else {}),
        **({"providerConfigRef": {"kind": "ProviderConfig", "name": cluster}} if cluster else {}),
    }
    return {"metadata": metadata, "spec": spec, **more}


def asked(**more: Any) -> Asked:
    return asked_of(delivery(**more))


def kubeconfig(server: str, **user: Any) -> dict[str, Any]:
    authority = base64.b64encode((tls.folder() / "ca.crt").read_bytes()).decode()
    cluster = {"server": server, "certificate-authority-data": authority}
    return {
        "clusters": [{"name": "gpu", "cluster": cluster}],
        "users": [{"name": "us", "user": user or {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "gpu", "user": "us"}}],
        "current-context": "x",
    }


@dataclass
class GpuCluster:
    """What the API server of a GPU cluster is asked, and what it has."""

    owners: dict[str, str] = field(default_factory=lambda: {"hub-token": "chat-hub-token-delivery"})
    """By name, the delivery that each ConfigMap is made for."""
    refuses: Answer | None = None
    applied: list[Any] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        name = request.path.rpartition("/")[2]
        if request.method == "PATCH":
            if self.refuses:
                return self.refuses
            self.applied.append(request)
            return Answer(201, {})
        if "/configmaps/" in request.path and name in self.owners:
            annotations = {"agent.freehold.dev/delivery": self.owners[name]}
            return Answer(200, {"metadata": {"uid": f"owner-{name}", "annotations": annotations}})
        return Answer(404, {"message": "not found"})


@dataclass
class ControlPlane:
    """What the API server of the control plane has, and what is written there."""

    kubeconfigs: dict[str, Any] = field(default_factory=dict)
    """By the name of the cluster's ProviderConfig; a text is given out as it is."""
    secret_of_kubeconfig: str = ""
    """Its name, as the ProviderConfig has it; empty: one beside the claim."""
    secrets: dict[str, tuple[int, dict[str, str]]] = field(
        default_factory=lambda: {"team-a/hub": (1, {"token": base64_of(VALUE)})}
    )
    """Version and content, by namespace and name."""
    forbidden: str = ""
    owners: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Of Secrets, by namespace and name."""
    annotations: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of Secrets, by namespace and name."""
    unchanged: Answer | None = None
    """The answer to a Secret of the deliveries' namespace that is to be changed; None: it is changed."""
    unmade: Answer | None = None
    """The answer to a Secret that is to be created; None: it is created."""
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the name of the delivery."""
    writes: int = 0

    def answer(self, request: Request) -> Answer:
        parts = request.path.split("/")
        name = parts[-1]
        if request.method == "POST":
            return self.unmade or self._create(
                f"{parts[-2]}/{request.body['metadata']['name']}", request.body
            )
        if request.method == "PATCH" and name != "status":
            return self._write(f"{parts[-3]}/{name}", request.body)
        if request.method == "PATCH" and name == "status":
            self.writes += 1
            self.statuses[parts[-2]] = request.body["status"]
            return Answer(200, {})
        if "/secrets/" in request.path:
            place = f"{parts[-3]}/{name}"
            if place == self.forbidden:
                return Answer(403, {"message": f'secrets "{name}" is forbidden'})
            if name.startswith("kubeconfig-"):
                config = self.kubeconfigs[name.removeprefix("kubeconfig-")]
                text = config if isinstance(config, str) else json.dumps(config)
                return self._secret(name, 1, {"kubeconfig": base64_of(text)})
            if place in self.secrets:
                return self._secret(name, *self.secrets[place], place)
        if "/providerconfigs/" in request.path and name in self.kubeconfigs:
            kept = self.secret_of_kubeconfig or f"kubeconfig-{name}"
            ref = {"namespace": "platform", "name": kept, "key": "kubeconfig"}
            return Answer(200, {"spec": {"credentials": {"source": "Secret", "secretRef": ref}}})
        if name == "itself" and "/providerconfigs/" in request.path:
            return Answer(200, {"spec": {"credentials": {"source": "InjectedIdentity"}}})
        return Answer(404, {"message": "not found"})

    def _create(self, place: str, body: dict[str, Any]) -> Answer:
        if place in self.secrets:
            return Answer(409, {"message": "already exists"})
        self.owners[place] = body["metadata"]["ownerReferences"]
        self.annotations[place] = body["metadata"].get("annotations", {})
        self.secrets[place] = (1, body["data"])
        return Answer(201, {})

    def _write(self, place: str, body: dict[str, Any]) -> Answer:
        version, data = self.secrets.get(place, (0, {}))
        if body["metadata"].get("resourceVersion", str(version)) != str(version):
            return Answer(409, {"message": "the object has been modified"})
        if self.unchanged and place.startswith(f"{NAMESPACE}/"):
            return self.unchanged
        metadata = body["metadata"]
        self.owners[place] = metadata.get("ownerReferences", self.owners.get(place, []))
        said = {**self.annotations.get(place, {}), **metadata.get("annotations", {})}
        self.annotations[place] = {key: value for key, value in said.items() if value is not None}
        merged = {**data, **body.get("data", {})}
        self.secrets[place] = (
            version + 1,
            {key: value for key, value in merged.items() if value is not None},
        )
        return Answer(200, {})

    def _secret(self, name: str, version: int, data: dict[str, str], place: str = "") -> Answer:
        metadata = {
            "name": name,
            "uid": f"uid-of-{name}",
            "resourceVersion": str(version),
            "ownerReferences": self.owners.get(place, []),
            "annotations": self.annotations.get(place, {}),
        }
        return Answer(200, {"metadata": metadata, "data": data})
