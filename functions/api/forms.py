"""Forms of strings that people mistype: refused in a sentence, not by a regular expression."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from .schema import Rule, rules

__all__ = ["Form", "HostName", "Image", "Namespace", "NamespacePattern", "SecretName"]


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

# The grammar of https://pkg.go.dev/github.com/distribution/reference, with digests of SHA-256 alone.
_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
# A host without a dot and a port is a part of the name, in lower case like the others.
_REGISTRY = rf"(({_LABEL}([.]{_LABEL})+|\[[0-9a-fA-F:]+\])(:[0-9]+)?|{_LABEL}:[0-9]+)"
_PART = "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*"
_TAG, _DIGEST = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "sha256:[0-9a-f]{64}"
_IMAGE = Form(
    f"({_REGISTRY}/)?{_PART}(/{_PART})*(:{_TAG})?(@{_DIGEST})?",
    "this is no reference to an image: write [REGISTRY[:PORT]/]NAME:TAG or NAME@sha256:DIGEST, with NAME in "
    "lower case, without blanks and without https://",
)
Image = Annotated[
    str,
    AfterValidator(_IMAGE.check),
    Field(min_length=1, max_length=400, json_schema_extra=rules(_IMAGE.rule)),
]
"""Reference to a container image. One without a tag and a digest means the tag `latest`."""

_SECRET = Form(
    "[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
    "this is no name of a Secret: it has lower-case letters, digits, '-' and '.', and begins and ends with a "
    "letter or a digit",
)
SecretName = Annotated[
    str,
    AfterValidator(_SECRET.check),
    Field(min_length=1, max_length=253, json_schema_extra=rules(_SECRET.rule)),
]
"""Name of a Secret. One that is a path, such as `../../b/secrets/c`, would be of another namespace."""

_HOST = Form(
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+",
    "this is no DNS name: write it in lower case with its domain, as in models.example.org, without "
    "https://, a port, a path or '*'",
)
HostName = Annotated[
    str,
    AfterValidator(_HOST.check),
    Field(min_length=3, max_length=253, json_schema_extra=rules(_HOST.rule)),
]
"""DNS name of a host, with its domain."""

_NAMESPACE = Form(
    "[a-z0-9]([a-z0-9-]*[a-z0-9])?",
    "this is no name of a namespace, and '*' stands for nothing here: name each namespace",
)
Namespace = Annotated[
    str,
    AfterValidator(_NAMESPACE.check),
    Field(min_length=1, max_length=63, json_schema_extra=rules(_NAMESPACE.rule)),
]
"""Name of one namespace."""
