"""How much of a Model may be used at its cluster's gateway, and by whom.

The gateway counts where its cluster's spec has it count; else no limit holds, and the claim's events say so.
"""

from __future__ import annotations

from typing import Any

from functions.api import Limits, above, contract, limit_rules

from ..plan import Plan
from . import tokens
from .clients import ids_of, own_ids

__all__ = ["counted", "doubtful"]

_OF_TOKENS = (contract.GATEWAY_ISSUER, contract.GATEWAY_SUBJECT)
"""Headers that say whose token it was, once it has been verified."""


def counted(plan: Plan) -> dict[str, Any]:
    """Return what a route's BackendTrafficPolicy says of limits; nothing where the gateway does not count.

    Merged with the gateway's policy, which has the ceilings of namespaces.
    """
    if plan.gateway is None or plan.gateway.limits is None:
        return {}
    asked = plan.spec.access.limits
    each = asked.per_client or Limits()
    rules = limit_rules.of(asked)
    rules += limit_rules.of(each, _any_of(*own_ids(plan)))
    for client in plan.spec.access.clients:
        rules += limit_rules.of(client.limits or each, _any_of(*ids_of(plan, client.name)))
    if tokens.taken(plan):
        # No request with a key has these, so there is no such rule for it.
        rules += limit_rules.of(each, *map(limit_rules.each, _OF_TOKENS))
    limit = {"rateLimit": {"type": "Global", "global": {"rules": rules}}} if rules else {}
    return {"mergeType": "StrategicMerge", **limit}


def _any_of(*ids: str) -> dict[str, str]:
    """Return what selects some clients; of their ids only the dot means something else than itself in RE2."""
    return limit_rules.matching(contract.GATEWAY_CLIENT, "|".join(id_.replace(".", "[.]") for id_ in ids))


def doubtful(plan: Plan) -> list[str]:
    """Say which limits of the spec do not hold, and why."""
    access = plan.spec.access
    places = {
        "access.limits": access.limits,
        "access.limits.perClient": access.limits.per_client,
        **{f"limits of client {each.name}": each.limits for each in access.clients},
    }
    given = {place: limits for place, limits in places.items() if limits is not None and limits.given}
    if not given:
        return []
    if plan.gateway is None or plan.gateway.limits is None:
        return [
            f"no limit of spec.access holds ({', '.join(given)}): the gateway of the Model's cluster counts "
            "nothing. Ask the cluster's owner for spec.gateway.limits"
        ]
    return [
        f"spec.access: {each.field} of {place} is {each.asked}, and the cluster's owner lets namespace "
        f"{ceiling.name} have {each.most}, all its Models together, which holds. Lower it, or ask for more"
        for ceiling in plan.gateway.limits
        for place, limits in given.items()
        for each in above(limits, ceiling)
    ]
