"""What the app team gets: the endpoint, as status and as a Secret in the claim's namespace."""

from __future__ import annotations

from base64 import b64encode

from functions.api import Endpoint
from functions.base import Claim, Resource, exists, unique_name

from ..plan import Plan
from .objects import LABEL
from .service import base_url

__all__ = ["CONNECTION", "connection", "endpoint"]

CONNECTION = "vllm/connection"
"""Composed resource: the Secret by which apps call the Model, the same one for every placement."""


def endpoint(plan: Plan) -> Endpoint:
    """Return how to call the Model."""
    secret = secret_name(plan.claim) if plan.claim.namespace else None
    return Endpoint(base_url=base_url(plan), model=plan.spec.model, secret_name=secret)


def secret_name(claim: Claim) -> str:
    """Name the Secret; the digest keeps it from being one that the team made itself."""
    return unique_name(claim.name, "endpoint")


def connection(plan: Plan) -> list[Resource]:
    """Compose the Secret; none for a composite without a claim, which has no namespace for it."""
    if not plan.claim.namespace:
        return []
    found = endpoint(plan)
    values = {"OPENAI_BASE_URL": found.base_url, "OPENAI_MODEL": found.model}
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": found.secret_name,
            "namespace": plan.claim.namespace,
            "labels": {LABEL: plan.name},
        },
        "type": "Opaque",
        "data": {key: b64encode(value.encode()).decode() for key, value in values.items()},
    }
    return [Resource(CONNECTION, manifest, ready=exists, label="the endpoint's Secret")]
