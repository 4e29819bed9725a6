"""The pod that reads a model's files on the Hub, and what it needs: namespace, network policy, token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from functions.api import Access, ModelSpec, VLLMInput, contract
from functions.base import Request, Resource, digest, remote, unique_name
from functions.catalog import image

from ..serve.delivery import TOKEN_LABEL, brought, delivered, delivery, owner
from ..serve.network_policy import DNS_PORTS
from ..serve.objects import LABEL
from ..serve.pod import NO_GPU, unprivileged

__all__ = ["POD", "PREFIX", "TOKEN", "is_reading", "reading"]

PREFIX = "vllm/files-"
"""Beginning of the names of composed resources that read a model's files."""
POD = f"{PREFIX}pod-"
TOKEN = f"{PREFIX}hub-token-delivery"

_TOKEN = "hub-token"
_LABELS = {contract.COMPONENT: "files", "app.kubernetes.io/managed-by": "freehold"}
_ENDED = "has(object.status) && has(object.status.phase) && object.status.phase == 'Succeeded'"


def is_reading(resource: str) -> bool:
    """Tell whether a composed resource reads a model's files."""
    return resource.startswith(PREFIX)


class _Where(NamedTuple):
    """Where the pod runs, and the names of what is composed for it."""

    composite: str
    access: Access
    namespace: str


def reading(request: Request, spec: ModelSpec, given: VLLMInput, access: Access) -> list[Resource]:
    """Compose the pod and what it needs.

    Args:
        request: the Model's.
        spec: the Model's.
        given: the function's input.
        access: how the cluster is reached that the pod runs in.
    """
    claim = request.claim
    where = _Where(request.name, access, unique_name(claim.namespace, claim.name, "files", digits=16))
    needs = [_namespace(where), _policy(where, given), *_credentials(where, request, spec)]
    return [*needs, _pod(where, spec, given, tuple(resource.name for resource in needs))]


def _object(
    where: _Where,
    what: str,
    manifest: Mapping[str, Any],
    label: str,
    *,
    after: tuple[str, ...] = (),
    ready: str = "",
) -> Resource:
    """Compose the Object for a manifest in the cluster."""
    # Without the label of a Model: the agent sums up the pods of Models.
    metadata = {**manifest["metadata"], "labels": {**_LABELS, **manifest["metadata"].get("labels", {})}}
    body = remote.kubernetes_object(
        unique_name(where.composite, "files", what),
        where.access.namespace,
        where.access.kubernetes_provider_config,
        {**manifest, "metadata": metadata},
        readiness=remote.cel(ready) if ready else remote.ON_CREATE,
        watch=True,
        labels={LABEL: where.namespace},
    )
    return Resource(f"{PREFIX}{what}", body, after, label=label)


def _namespace(where: _Where) -> Resource:
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": where.namespace,
            "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
        },
    }
    label = "the namespace in which the model's files are read"
    return _object(where, "namespace", manifest, label, ready=remote.NAMESPACE_ACTIVE)


def _policy(where: _Where, given: VLLMInput) -> Resource:
    """Compose the policy of the namespace: nothing in, and out to name servers and the Hub's port alone."""
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "files", "namespace": where.namespace},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [{"ports": [*DNS_PORTS, {"protocol": "TCP", "port": given.weights.port}]}],
        },
    }
    label = "the network policy of the pod that reads the model's files"
    return _object(where, "network-policy", manifest, label, after=(f"{PREFIX}namespace",))


def _credentials(where: _Where, request: Request, spec: ModelSpec) -> list[Resource]:
    """Compose the delivery of the Hub token from the claim's own namespace."""
    ref = spec.source.hugging_face.token_secret_ref
    if ref is None:
        return []
    source = remote.SecretKey(request.claim.namespace, ref.name, ref.key)
    name = unique_name(where.composite, "files", TOKEN.removeprefix(PREFIX))
    label = TOKEN_LABEL
    config_map = owner(_TOKEN, where.namespace, name)
    own = _object(
        where,
        f"{_TOKEN}-owner",
        config_map,
        f"the ConfigMap that owns {label}",
        after=(f"{PREFIX}namespace",),
    )
    manifest = delivery(
        name,
        (where.access.namespace, where.access.kubernetes_provider_config),
        source,
        {"namespace": where.namespace, "name": _TOKEN, "key": "token", "type": "Opaque", "labels": _LABELS},
    )
    return delivered(request, [own, brought(TOKEN, manifest, own.name, label)], needed=True).resources


@cache
def _program() -> str:
    return resources.files("functions.checkpoint").joinpath("report.py").read_text(encoding="utf-8")


def _pod(where: _Where, spec: ModelSpec, given: VLLMInput, after: tuple[str, ...]) -> Resource:
    """Compose the Pod; its name has a digest of its spec, since that cannot change.

    Not a Job, whose status has no message. A container that fails is started again, later and later, at
    the latest after five minutes, with the token as it is then.
    """
    pod = _pod_spec(spec, given)
    name = f"pod-{digest(json.dumps(pod, sort_keys=True))}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": where.namespace},
        "spec": pod,
    }
    label = "the pod that reads the model's files"
    return _object(where, name, manifest, label, after=after, ready=_ENDED)


def _pod_spec(spec: ModelSpec, given: VLLMInput) -> dict[str, Any]:
    env: list[dict[str, Any]] = [
        *({"name": name, "value": value} for name, value in given.weights.variables.items()),
        NO_GPU,
    ]
    if spec.source.hugging_face.token_secret_ref:
        secret = {"secretKeyRef": {"name": _TOKEN, "key": "token"}}
        env.append({"name": "HF_TOKEN", "valueFrom": secret})
    user = contract.WEIGHTS_USER
    container = {
        "name": "read",
        # The download's: the cluster pulls it sooner or later anyway, and needs no other from a mirror.
        "image": given.weights.image or given.image or image("vllm"),
        "command": ["python3", "-c", _program(), spec.model, spec.revision],
        "env": env,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {**unprivileged(), "readOnlyRootFilesystem": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "OnFailure",
        # A cluster may have no other nodes; a pod without a GPU keeps none of them.
        "tolerations": [{"key": contract.GPU, "operator": "Exists", "effect": "NoSchedule"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
