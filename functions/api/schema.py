"""The base of every model here, and the words for rules that admission checks too."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["Rule", "Schema", "rules"]


class Rule(NamedTuple):
    """A rule in CEL for admission, with the message that a user reads."""

    cel: str
    message: str
    words: str = ""
    """CEL that makes the message of what was given; empty where `message` says it all."""


def rules(*given: Rule) -> dict[str, Any]:
    """Return the JSON schema extra that makes the API server enforce these rules."""
    return {
        "x-kubernetes-validations": [
            {
                "rule": rule.cel,
                "message": rule.message,
                **({"messageExpression": rule.words} if rule.words else {}),
            }
            for rule in given
        ]
    }


class Schema(BaseModel):
    """A part of an API object: camelCase on the wire, immutable here.

    Unknown fields are ignored: the API server prunes them, and a newer API's
    object must not stop an older function.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, defer_build=True
    )

    def canonical(self, **which: Any) -> str:
        """Return what differs from the defaults as JSON with sorted keys, to take a digest of.

        A field that a newer version adds, or moves, changes nothing.

        Args:
            which: fields to include or to exclude, as pydantic takes them.
        """
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True, **which), sort_keys=True)

    def plain(self) -> dict[str, Any]:
        """Return the object as it stands in YAML, without what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
