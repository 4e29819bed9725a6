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
    }
    spec = {
        "source": source,
        "target": target,
        "providerConfigRef": {"kind": "ProviderConfig", "name": more.pop("cluster", "eu")},
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
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the name of the delivery."""
    writes: int = 0

    def answer(self, request: Request) -> Answer:
        parts = request.path.split("/")
        name = parts[-1]
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
                return self._secret(name, *self.secrets[place])
        if "/providerconfigs/" in request.path and name in self.kubeconfigs:
            kept = self.secret_of_kubeconfig or f"kubeconfig-{name}"
            ref = {"namespace": "platform", "name": kept, "key": "kubeconfig"}
            return Answer(200, {"spec": {"credentials": {"source": "Secret", "secretRef": ref}}})
        if name == "itself" and "/providerconfigs/" in request.path:
            return Answer(200, {"spec": {"credentials": {"source": "InjectedIdentity"}}})
        return Answer(404, {"message": "not found"})

    def _secret(self, name: str, version: int, data: dict[str, str]) -> Answer:
        metadata = {"name": name, "uid": f"uid-of-{name}", "resourceVersion": str(version)}
        return Answer(200, {"metadata": metadata, "data": data})
