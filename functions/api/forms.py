"""Forms of strings that people mistype: refused in a sentence, not by a regular expression."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from .schema import Rule, rules

__all__ = ["Form", "NamespacePattern"]


class Form(NamedTuple):
    """What a string has to look like, for admission and for pydantic."""

    pattern: str
    """Of the whole string; in what RE2 and Python have in common, without quotes."""
    message: str

    @property
    def rule(self) -> Rule:
        """The rule in CEL."""
        return Rule(f"self.matches(r'^({self.pattern})$')", self.message)

    def check(self, given: str) -> str:
        """Return the string as given.

        Raises:
            ValueError: in the rule's words.
        """
        if not re.fullmatch(self.pattern, given):
            raise ValueError(self.message)
        return given


_NAMESPACES = Form(
    "[a-z0-9*-]+",
    "name namespaces; '*' alone stands for any characters, as in team-*",
)
NamespacePattern = Annotated[
    str,
    AfterValidator(_NAMESPACES.check),
    Field(max_length=63, json_schema_extra=rules(_NAMESPACES.rule)),
]
"""Item of a list of namespaces. The form leaves fnmatch no wildcard but '*': neither '?' nor '[ab]'."""
