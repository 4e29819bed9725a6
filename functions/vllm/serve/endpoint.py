"""What the app team gets: the endpoint, as status and as a Secret in the claim's namespace.

Without a gateway Crossplane composes the Secret. With one the Secret holds a key, which Crossplane must not
read, so the agent writes it. A live Model's Secret is handed over, under its name and without a moment in
which it is missing:
1. the route answers: a delivery says that Crossplane composes the Secret still;
2. the agent has the composite own the Secret without controlling it, so that Crossplane cannot delete it;
3. the Secret is composed no more, which leaves it as it is;
4. once Crossplane no longer reads it, the delivery asks for the key.
The agent goes on to write it, whatever becomes of the gateway.
"""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple

from functions.api import Endpoint, Undeliverable, contract
from functions.base import Claim, Request, Resource, View, exists, unique_name

from ..plan import Plan
from .clients import rotation
from .delivery import brought, delivery
from .objects import LABEL
from .route import ROUTE, answers, key_source, shared_model, shared_url, url
from .service import base_url

__all__ = [
    "CONNECTION",
    "HANDED_OUT",
    "SHARED",
    "Connection",
    "called_inside",
    "connection",
    "details",
    "endpoint",
    "is_called_outside",
    "is_told",
]

CONNECTION = "vllm/connection"
"""Composed resource: the Secret by which apps call the Model."""
HANDED_OUT = "vllm/connection-delivery"
"""Composed resource: the delivery of that Secret with the Model's key."""
SHARED = (CONNECTION, HANDED_OUT)
"""Composed resources that are the same for every placement."""
_LABEL = "the endpoint's Secret"
_OUTSIDE = "https://"
"""How the address at a gateway begins, whatever the gateway's host was or is."""


class Connection(NamedTuple):
    """What the Secret beside the claim is composed of."""

    resources: list[Resource]
    gone: list[str]
    notes: list[str]
    handed_over: bool = False
    """Whether the agent takes over a Secret, which is there all the time."""


def endpoint(request: Request, plan: Plan) -> Endpoint:
    """Return how to call the Model: at the gateway, once that has taken the Model's route."""
    secret = secret_name(plan.claim) if plan.claim.namespace else None
    if not is_called_outside(request, plan):
        return Endpoint(base_url=base_url(plan), model=plan.spec.model, secret_name=secret)
    return Endpoint(
        base_url=url(plan),
        model=plan.spec.model,
        secret_name=secret,
        shared_base_url=shared_url(plan),
        shared_model=shared_model(plan),
    )


def is_told(request: Request, plan: Plan) -> bool:
    """Tell whether the endpoint may be named: that of a new Model, once the gateway has taken its route."""
    before = request.status(Endpoint, "endpoint") is not None or any(n in request.observed for n in SHARED)
    return plan.gateway is None or before or answers(request)


def is_called_outside(request: Request, plan: Plan) -> bool:
    """Tell whether the Model is called at the gateway, or will be.

    Once it is, a route in trouble does not bring apps back.
    """
    if plan.gateway is None:
        return False
    standing = request.status(Endpoint, "endpoint")
    if standing is None:
        # A new Model, or one whose status is lost: only those that were called inside before have the Secret.
        return answers(request) or CONNECTION not in request.observed
    return answers(request) or standing.base_url.startswith(_OUTSIDE)


def called_inside(request: Request, plan: Plan) -> bool:
    """Tell whether apps may call the Service: it is asked for, or they have been told nothing else yet."""
    if plan.gateway is None or plan.spec.access.in_cluster or CONNECTION in request.observed:
        return True
    standing = request.status(Endpoint, "endpoint")
    return standing is not None and standing.base_url == base_url(plan)


def secret_name(claim: Claim) -> str:
    """Name the Secret; the digest keeps it from being one that the team made itself."""
    return unique_name(claim.name, "endpoint")


def connection(request: Request, plan: Plan) -> Connection:
    """Compose the Secret; nothing for a composite without a claim, which has no namespace for it.

    Args:
        request: the Model's.
        plan: of the Model.
    """
    if not plan.claim.namespace:
        return Connection([], [], [])
    found = endpoint(request, plan)
    composed = request.resource(CONNECTION)
    stays_inside = composed is not None and not is_called_outside(request, plan)
    if HANDED_OUT not in request.observed and (plan.gateway is None or stays_inside):
        return Connection([_composed(plan, found)], [], [])
    handed_out = _handed_out(plan, found, composed=composed is not None)
    if composed is None:
        if _is_handed_over(request):
            return Connection([handed_out], [], [], handed_over=True)
        return Connection([handed_out], [], _moves_in(request, plan, found))
    if _is_controlled(composed):
        resources = [handed_out, _composed(plan, found)]
        return Connection(resources, [], [_moves_out(found)], handed_over=True)
    return Connection([handed_out], [CONNECTION], [], handed_over=True)


def details(plan: Plan, told: Endpoint | None) -> dict[str, str] | None:
    """Return what the claim's own connection Secret says, where one is asked for: all but the key.

    Core writes it from what functions answer, and reads it to them.

    Args:
        plan: of the Model.
        told: the endpoint that the status names; None: none yet, and the Secret stays as it is.
    """
    return _texts(plan, told) if told else None


def _is_handed_over(request: Request) -> bool:
    live = request.resource(HANDED_OUT)
    said = live.condition("Synced") if live else None
    return said is not None and said.text("reason") == Undeliverable.STILL_COMPOSED


def _is_controlled(secret: View) -> bool:
    return any(owner.has("controller") for owner in secret.each("metadata", "ownerReferences"))


def _moves_out(found: Endpoint) -> str:
    return (
        f"the cluster has got a gateway: the endpoint is {found.base_url} from now on, and Secret "
        f"{found.secret_name} has the key for it. Restart what read the Secret before: the address inside "
        "the cluster takes no more requests, unless spec.access.inCluster is true"
    )


def _moves_in(request: Request, plan: Plan, found: Endpoint) -> list[str]:
    """Say that the endpoint is inside the cluster again, in the run that brings it there."""
    standing = request.status(Endpoint, "endpoint")
    if plan.gateway or standing is None or not standing.base_url.startswith(_OUTSIDE):
        return []
    return [
        f"the cluster has no gateway any more: the endpoint is {found.base_url} from now on, for pods of "
        f"that cluster alone. Restart what read Secret {found.secret_name} before, or ask the cluster's "
        "owner why"
    ]


def _texts(plan: Plan, found: Endpoint) -> dict[str, str]:
    ca = {contract.CONNECTION_CA: plan.gateway.ca} if plan.gateway and plan.gateway.ca else {}
    return {contract.CONNECTION_URL: found.base_url, contract.CONNECTION_MODEL: found.model, **ca}


def _composed(plan: Plan, found: Endpoint) -> Resource:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": found.secret_name,
            "namespace": plan.claim.namespace,
            "labels": {LABEL: plan.name},
        },
        "type": "Opaque",
        "data": {key: b64encode(value.encode()).decode() for key, value in _texts(plan, found).items()},
    }
    return Resource(CONNECTION, manifest, ready=exists, label=_LABEL)


def _handed_out(plan: Plan, found: Endpoint, *, composed: bool = False) -> Resource:
    target = {
        "namespace": plan.claim.namespace,
        "name": found.secret_name,
        "key": "OPENAI_API_KEY",
        "texts": _texts(plan, found),
        "labels": {LABEL: plan.name},
        **({"composed": True} if composed else {}),
    }
    name = unique_name(plan.composite, "connection-delivery")
    control_plane = (plan.placement.provider_config_namespace, "")
    manifest = delivery(name, control_plane, key_source(plan), target)
    manifest["metadata"]["labels"] = {contract.MODEL: plan.name}
    manifest["spec"] |= {"made": True, "rotation": rotation(plan)}
    return brought(HANDED_OUT, manifest, ROUTE, _LABEL)
