"""How much of a Model may be used, and by whom: requests and tokens, counted at the cluster's gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

from pydantic import ConfigDict, Field, model_validator

from .schema import Rule, Schema, rules

__all__ = ["FIELDS", "OF_CLIENTS", "Above", "Limits", "ModelLimits", "above", "contradiction"]

FIELDS = ("requestsPerMinute", "tokensPerMinute", "tokensPerMonth")
"""Fields of a limit, as users write them."""
_MOST = 4_000_000_000
"""What is counted in a minute or month fits 32 bits."""
_MONTH = Rule(
    "!has(self.tokensPerMinute) || !has(self.tokensPerMonth) || self.tokensPerMinute <= self.tokensPerMonth",
    "tokensPerMonth is below tokensPerMinute: the first minute would use up the month. Raise tokensPerMonth, "
    "or lower tokensPerMinute",
)


class Above(NamedTuple):
    """A limit that lets more through than another that holds for the same requests."""

    field: str
    asked: int
    most: int


class Limits(Schema):
    """Requests and tokens; none of a kind is no limit."""

    model_config = ConfigDict(json_schema_extra=rules(_MONTH))

    requests_per_minute: int | None = Field(
        None, description="Requests in a minute. Default: no limit.", ge=1, le=_MOST
    )
    tokens_per_minute: int | None = Field(
        None,
        description="Tokens in a minute, those of requests and of answers together. An answer is not cut: "
        "the next request is refused once they are used up. Default: no limit.",
        ge=1,
        le=_MOST,
    )
    tokens_per_month: int | None = Field(
        None,
        description="Tokens in 30 days, which all clusters begin at once, and not with the calendar's month. "
        "Default: no limit.",
        ge=1,
        le=_MOST,
    )

    @model_validator(mode="after")
    def _month(self) -> Self:
        if (
            self.tokens_per_minute
            and self.tokens_per_month
            and self.tokens_per_minute > self.tokens_per_month
        ):
            raise ValueError(_MONTH.message)
        return self

    @property
    def given(self) -> dict[str, int]:
        """Those that there are, by field."""
        found = self.plain()
        return {field: found[field] for field in FIELDS if found.get(field) is not None}


def above(asked: Limits | None, most: Limits | None) -> Iterator[Above]:
    """Give each limit that is above another one's."""
    known = most.given if most else {}
    for field, value in (asked.given if asked else {}).items():
        if field in known and value > known[field]:
            yield Above(field, value, known[field])


def contradiction(field: str, whose: str) -> str:
    """Say that a limit of one client never holds.

    Args:
        field: the limit.
        whose: the limit's place in the spec.
    """
    return (
        f"{whose}.{field} is above access.limits.{field}, which all clients share, so it never holds: lower "
        "it, or raise that"
    )


_PER_CLIENT = [
    Rule(
        f"!has(self.{field}) || !has(self.perClient) || !has(self.perClient.{field}) "
        f"|| self.perClient.{field} <= self.{field}",
        contradiction(field, "access.limits.perClient"),
    )
    for field in FIELDS
]
OF_CLIENTS = [
    Rule(
        f"!has(self.limits) || !has(self.limits.{field}) || !has(self.clients) || self.clients.all(c, "
        f"!has(c.limits) || !has(c.limits.{field}) || c.limits.{field} <= self.limits.{field})",
        contradiction(field, "limits of a client"),
    )
    for field in FIELDS
]
"""Of everything about a Model's callers: no client's own limit is above that of all."""


class ModelLimits(Limits):
    """Limits of all clients of a Model together, and of each."""

    model_config = ConfigDict(json_schema_extra=rules(_MONTH, *_PER_CLIENT))

    per_client: Limits | None = Field(
        None,
        description="Limits of each client by itself: of every one of clients that has none of its own, of "
        "every one that comes with a token, and of those with the Model's own key together. Default: no "
        "limit.",
    )

    @model_validator(mode="after")
    def _no_client_above_all(self) -> Self:
        for each in above(self.per_client, self):
            raise ValueError(contradiction(each.field, "access.limits.perClient"))
        return self
