"""What the agent in a Model's cluster is answered through the gateway, with the Model's key, as apps are.

Without an agent, or before it has asked, what is known of pods and route is told, as before.
"""

from __future__ import annotations

from typing import NamedTuple

from functions.api import GatewayTrouble, PodReport
from functions.base import Condition, Request, Status, Whose

from ..serve import live_workload
from .pods import reported

__all__ = ["ANSWERED", "answered", "unanswered"]

ANSWERED = "Answered"
"""Reason of the condition Serving of a Model that has answered through the gateway."""
_CONDITIONS = ("status", "atProvider", "manifest", "status", "conditions")
"""Where an Object has the conditions of a workload in the cluster."""


def answered(request: Request) -> str | None:
    """Say that the Model has answered through the gateway, as the end of a sentence; None: nobody says so."""
    found = reported(request)
    if found is None or found.gateway is None or not found.gateway.answered:
        return None
    if _is_of_pods_before(request, found):
        return None
    note = f". {found.gateway.message}" if found.gateway.message else ""
    return f": a request through the gateway with its key is answered{note}"


def unanswered(request: Request, type_: str) -> Condition | None:
    """Return the condition of a Model whose pods are ready and that does not answer through the gateway.

    Args:
        request: the Model's.
        type_: of the condition.
    """
    found = reported(request)
    if found is None or found.gateway is None or found.gateway.answered:
        return None
    told = found.gateway
    reason = told.reason or GatewayTrouble.UNEXPECTED_ANSWER
    advice = _ADVICE[reason]
    times = [f"since {told.since}"] if told.since else []
    times += [f"seen {found.observed_at}"] if found.observed_at else []
    when = f" ({', '.join(times)})" if times else ""
    text = (
        "pods of the Model are ready, and a request through the gateway with its key is not answered"
        f"{when}: {(told.message or 'no word why').rstrip('. ')}. {advice.next_step}"
    )
    return Condition(type_, Status.FALSE, reason.value, text, advice.whose)


def _is_of_pods_before(request: Request, found: PodReport) -> bool:
    """Tell whether a report is older than the pods that serve.

    An agent that runs reports of ready pods within seconds, so it is of one that is gone. Both times are the
    GPU cluster's.
    """
    workload = request.resource(live_workload(request.observed))
    said = workload.each(*_CONDITIONS) if workload else ()
    since = [c.text("lastTransitionTime") or "" for c in said if c.text("type") == "Available"]
    return bool(found.observed_at) and max(since, default="") > (found.observed_at or "")


class _Advice(NamedTuple):
    next_step: str
    whose: Whose = Whose.PLATFORM


_ADVICE = {
    GatewayTrouble.HOST_UNRESOLVED: _Advice(
        "Ask the cluster's owner to have spec.gateway.host of the InferenceCluster lead to one of its "
        "status.gatewayAddresses in the cluster's own DNS: pods there alone can connect"
    ),
    GatewayTrouble.GATEWAY_UNREACHABLE: _Advice(
        "Ask the cluster's owner to look at the pods in namespace freehold-gateway"
    ),
    GatewayTrouble.CERTIFICATE_REFUSED: _Advice(
        "Ask the cluster's owner to look at the gateway's certificate, and at spec.gateway.tls of the "
        "InferenceCluster"
    ),
    GatewayTrouble.KEY_REFUSED: _Advice(
        "Ask the cluster's owner to look at the status of the route and its SecurityPolicy in the Model's "
        "namespace of the cluster"
    ),
    GatewayTrouble.ROUTE_MISSING: _Advice(
        "Ask the cluster's owner to look at the status of the HTTPRoute in the Model's namespace of the "
        "cluster, and for another route with its paths"
    ),
    GatewayTrouble.PODS_UNREACHED: _Advice(
        "Ask the cluster's owner whether the gateway's pods may connect to the Model's: network policies, "
        "and the EndpointSlices of its Service"
    ),
    GatewayTrouble.NO_ANSWER: _Advice(
        "It may have more requests than it can take: raise spec.replicas.min or lower spec.concurrency. If "
        "it is asked little, ask the cluster's owner to look at its pods",
        Whose.MODEL,
    ),
    GatewayTrouble.UNEXPECTED_ANSWER: _Advice(
        "Ask the cluster's owner to look at the pods in namespace freehold-gateway and at the status of the "
        "policies in the Model's namespace of the cluster"
    ),
}
"""What to do about each trouble, and who."""
