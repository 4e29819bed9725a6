"""What rules of RBAC grant."""

from __future__ import annotations

from collections.abc import Iterable

from tools.manifests import Manifest

__all__ = ["allows"]


def allows(rules: Iterable[Manifest], group: str, resource: str, verbs: Iterable[str]) -> bool:
    """Tell whether rules of a role allow every verb on a resource, whatever its name."""
    granted: set[str] = set()
    for rule in rules:
        groups, resources = rule.get("apiGroups") or (), rule.get("resources") or ()
        if {"*", group} & set(groups) and {"*", resource} & set(resources) and not rule.get("resourceNames"):
            granted |= set(rule.get("verbs") or ())
    return "*" in granted or set(verbs) <= granted
