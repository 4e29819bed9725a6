"""Weights from the Hugging Face Hub, or a mirror of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from functions.api import ModelSpec
from functions.base import Resource, digest, remote

from ..plan import Plan
from ..serve.objects import in_cluster
from ..serve.pod import WEIGHTS_FOLDER
from .source import Reader, Source

__all__ = ["HUGGING_FACE"]

_TOKEN = "hub-token"
# One format of each checkpoint: some repositories hold the same weights in several.
_INCLUDE = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.py")
_EXCLUDE = ("original/*", "metal/*", "consolidated*")


def _identity(spec: ModelSpec) -> str:
    return digest(spec.model, spec.revision)


def _egress(plan: Plan) -> list[dict[str, Any]]:
    """Return the Hub's port, on any host: a NetworkPolicy cannot name one."""
    hub = urlsplit(plan.hub)
    return [{"protocol": "TCP", "port": hub.port or (443 if hub.scheme == "https" else 80)}]


def _credentials(plan: Plan) -> list[Resource]:
    """Compose a copy of the Hub token, taken by reference from the claim's own namespace."""
    ref = plan.spec.source.hugging_face.token_secret_ref
    if ref is None:
        return []
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _TOKEN, "namespace": plan.placement.namespace},
        "type": "Opaque",
        # provider-kubernetes fills the token in, and saves the Object with it. As our own field, Crossplane
        # sets it back to this; the provider fills it in anew at each look, in memory alone.
        "data": {"token": ""},
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": ref.name,
        "namespace": plan.claim.namespace,
        "fieldPath": f"data[{ref.key}]",
    }
    references = [{"patchesFrom": secret, "toFieldPath": "data.token"}]
    label = "the copy of the Hub token"
    return [in_cluster(plan, _TOKEN, manifest, label=label, references=references)]


def _reader(plan: Plan) -> Reader:
    spec = plan.spec
    command = ["hf", "download", spec.model, "--revision", spec.revision, "--local-dir", WEIGHTS_FOLDER]
    for pattern in _INCLUDE:
        command += ["--include", pattern]
    for pattern in _EXCLUDE:
        command += ["--exclude", pattern]
    env: list[dict[str, Any]] = [
        {"name": "HF_ENDPOINT", "value": plan.hub},
        {"name": "HF_HUB_DISABLE_TELEMETRY", "value": "1"},
    ]
    if spec.source.hugging_face.token_secret_ref:
        secret = {"secretKeyRef": {"name": _TOKEN, "key": "token"}}
        env.append({"name": "HF_TOKEN", "valueFrom": secret})
    return Reader(command, env)


HUGGING_FACE = Source(
    field="hugging_face",
    identity=_identity,
    egress=_egress,
    credentials=_credentials,
    credential_names=(f"vllm/{_TOKEN}",),
    reader=_reader,
    complete=remote.JOB_SUCCEEDED,
    hint="check that the model and revision exist, that a GPU is free in the pool and, for a gated model, "
    "that spec.source.huggingFace.tokenSecretRef names a Secret with access",
)
