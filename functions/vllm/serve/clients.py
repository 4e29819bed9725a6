"""Who has a key for a Model at its cluster's gateway: the Model itself, and the clients that its spec names.

A client's id is a key of a Secret, the value of a header and a label of metrics. It begins with
NAMESPACE.NAME of the claim, and `_` ends that: a namespace has no dot, and no namespace, claim or client has
`_` in its name. So no id can be read as another Model's or client's, and an id alone tells whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.api import CLIENTS
from functions.base import Request, Resource

from ..plan import Plan

__all__ = ["client_keys", "ids", "ids_of", "left_out", "own_id", "own_ids", "rotation"]

_FORMER = "_former"
"""Stands for a client in the id of whoever has the Model's own key of before; no client has such a name."""


def own_id(plan: Plan) -> str:
    """Return the client id of whoever has the Model's own key."""
    return f"{plan.claim.namespace}.{plan.claim.name}"


def ids(plan: Plan) -> list[str]:
    """Return the client ids that the Model's route lets in."""
    both = [ids_of(plan, client.name) for client in plan.spec.access.clients]
    return [*own_ids(plan), *(own for own, _ in both), *(shared for _, shared in both)]


def own_ids(plan: Plan) -> tuple[str, str]:
    """Return the client ids of whoever has the Model's own key, and the one of before."""
    return own_id(plan), _id(plan, _FORMER)


def ids_of(plan: Plan, client: str) -> tuple[str, str]:
    """Return the ids of a client of the spec.

    The second one is at the address that all Models share, where several Models of the namespace have the
    client's key.
    """
    return _id(plan, client), f"{plan.claim.namespace}_{client}"


def rotation(plan: Plan) -> dict[str, Any]:
    """Return how the Model's own key changes, as a SecretDelivery asks for it."""
    asked = plan.spec.access.key
    return {
        "number": asked.rotation,
        "overlapMinutes": asked.overlap_minutes,
        "key": _id(plan, _FORMER),
    }


def client_keys(plan: Plan) -> list[dict[str, Any]]:
    """Return whose keys are delivered beside the Model's own, as a SecretDelivery asks for them."""
    return [
        {
            "name": client.name,
            "key": _id(plan, client.name),
            "secretRef": {"name": client.secret_ref.name, "key": client.secret_ref.key},
        }
        for client in plan.spec.access.clients
    ]


def left_out(request: Request, plan: Plan, key: Sequence[Resource]) -> list[str]:
    """Say which clients have no access, and why.

    Args:
        request: the Model's.
        plan: of the Model.
        key: what brings the keys.
    """
    if not plan.spec.access.clients:
        return []
    if plan.gateway is None:
        return [
            "the clients of spec.access.clients have no access: the Model's cluster has no gateway. Ask its "
            "owner for one"
        ]
    delivery = next((r for r in key if r.manifest and "clients" in r.manifest["spec"]), None)
    live = request.resource(delivery.name) if delivery else None
    # A delivery that does not ask for the clients yet says nothing of them.
    if live is None or (live.number("status", "observedGeneration") or 0) < (
        live.number("metadata", "generation") or 0
    ):
        return []
    said = live.condition(CLIENTS)
    if said is None and live.condition("Ready") is not None and not live.has("spec", "clients"):
        return [
            "the clients of spec.access.clients have no access: apply package/install.yaml of this version "
            "to the control plane, whose agent and kind SecretDelivery know of no clients"
        ]
    if said is None or said.text("status") != "False":
        return []
    return [f"spec.access.clients: {said.text('message')}"]


def _id(plan: Plan, client: str) -> str:
    return f"{own_id(plan)}_{client}"
