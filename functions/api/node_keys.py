"""Keys and values of node labels and taints: what every cloud takes, and which are not the user's.

Kubernetes' own syntax, and EKS' limit of 63 characters, key and domain together:
https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateLabelsPayload.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .forms import Form
from .schema import Rule

__all__ = ["KEY", "KEYS", "LENGTH", "OPTIONAL_VALUE", "VALUE", "check_keys", "of_created", "reserved"]

LENGTH = 63
"""Most characters of a key, and of a value."""

_WORD = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"

KEY = Form(
    f"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?{_WORD}",
    "a key of a label or taint has letters, digits, '-', '_' and '.', after a domain and '/' if there is "
    "one, such as team or example.com/team",
)
VALUE = Form(
    _WORD,
    "the value of a label or taint has letters, digits, '-', '_' and '.', and begins and ends with a letter "
    "or digit",
)
OPTIONAL_VALUE = VALUE._replace(pattern=f"({_WORD})?")
_SHORT = f"a key of a label or taint has at most {LENGTH} characters, its domain included"
KEYS = (
    Rule(f"self.all(k, k.matches(r'^({KEY.pattern})$'))", KEY.message),
    Rule(f"self.all(k, k.size() <= {LENGTH})", _SHORT),
)
"""Of a map by keys."""

_OWNERS = ("freehold.dev", "nvidia.com", "kubernetes.io", "k8s.io", "eks.amazonaws.com", "k8s.amazonaws.com")
_OWNED = f"([^/]*[.])?({'|'.join(owner.replace('.', '[.]') for owner in _OWNERS)})/.*"


def _free(key: str) -> str:
    """Return CEL that tells whether the owner of a key is somebody else."""
    return f"!{key}.matches(r'^{_OWNED}$')"


def of_created(places: Sequence[str]) -> Rule:
    """Return the rule of a cluster's spec that node pools in some places take no keys of others.

    In a cluster that exists already labels and taints say what its nodes have.
    """
    elsewhere = " && ".join(f"!has(self.{place})" for place in places)
    return Rule(
        f"{f'({elsewhere})' if len(places) > 1 else elsewhere} || self.nodePools.all(p, "
        f"(!has(p.labels) || p.labels.all(k, {_free('k')}))"
        f" && (!has(p.taints) || p.taints.all(t, {_free('t.key')})))",
        f"labels and taints of a node pool that is created take no keys of {', '.join(_OWNERS)} or their "
        "subdomains, which are not yours to set: use a domain of your own, such as example.com/team",
    )


def check_keys(given: dict[str, str]) -> dict[str, str]:
    """Return a map as given.

    Raises:
        ValueError: for a key that is none, in the rules' words.
    """
    for key in given:
        KEY.check(key)
        if len(key) > LENGTH:
            raise ValueError(_SHORT)
    return given


def reserved(keys: Iterable[str]) -> list[str]:
    """Return those of some keys that are not the user's to set."""
    return [key for key in keys if re.fullmatch(_OWNED, key)]
