"""Which replica of a Model a request goes to at the cluster's gateway, and how many wait there."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from .forms import Form
from .schema import Rule, Schema, rules

__all__ = ["Routing", "Session"]

_HEADER = Form(
    "[a-z0-9]([a-z0-9-]*[a-z0-9])?",
    "this is no name of a header that tells conversations apart: write it in lower case, with letters, "
    "digits and '-', as in x-session-id",
)
_COOKIE = Form(
    "[A-Za-z0-9_-]+",
    "this is no name of a cookie: it has letters, digits, '-' and '_'",
)
_HeaderName = Annotated[
    str,
    AfterValidator(_HEADER.check),
    Field(min_length=1, max_length=63, json_schema_extra=rules(_HEADER.rule)),
]
_CookieName = Annotated[
    str,
    AfterValidator(_COOKIE.check),
    Field(min_length=1, max_length=63, json_schema_extra=rules(_COOKIE.rule)),
]
_TAKEN = ("authorization", "content-length", "content-type", "cookie", "host", "txn-token")
_OWN = "x-freehold-"
_EITHER = Rule(
    "has(self.header) != has(self.cookie)",
    "routing.session takes either a header or a cookie by which conversations are told apart",
)
_OF_A_CONVERSATION = Rule(
    f"!has(self.header) || !(self.header in {list(_TAKEN)!r} || self.header.startsWith('{_OWN}'))",
    "routing.session.header: this header is the same for all conversations, or the gateway's own. Name one "
    "that your app sets for each conversation, such as x-session-id, or session.cookie",
)


class Session(Schema):
    """What tells one conversation from another."""

    model_config = ConfigDict(json_schema_extra=rules(_EITHER, _OF_A_CONVERSATION))

    header: _HeaderName | None = Field(
        None,
        description="Header whose value is the same in all requests of a conversation, such as x-session-id.",
    )
    cookie: _CookieName | None = Field(
        None, description="Cookie whose value is. The gateway makes none: your app does."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.header is None) == (self.cookie is None):
            raise ValueError(_EITHER.message)
        if self.header and (self.header in _TAKEN or self.header.startswith(_OWN)):
            raise ValueError(_OF_A_CONVERSATION.message)
        return self


class Routing(Schema):
    """Which replica a request goes to, and how many wait."""

    session: Session | None = Field(
        None,
        description="Has all requests of a conversation go to one replica, whose prefix cache has what was "
        "said before. A request that names none goes to any. Default: each goes to the replica with the "
        "fewest under way.",
    )
    queue_per_replica: int | None = Field(
        None,
        description="Requests for each replica that wait beside those that the engine computes at once; "
        "what is above gets 429 with Retry-After. Default: as many as it computes, so that one waits about "
        "as long as an answer takes.",
        ge=0,
        le=100_000,
    )
