"""Who claims: users of one namespace each, with the roles of package/install.yaml."""

from __future__ import annotations

from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

_RBAC = "rbac.authorization.k8s.io"


def member(api: Api, namespace: str, role: str = "freehold-app-team") -> Api:
    """Return the API as somebody sees it who may edit one namespace and claim there."""
    user = f"somebody-of-{namespace}"
    for granted in ("edit", role):
        api.apply(_binding(user, namespace, granted))
    somebody = api.acting_as(user)
    # The API server reads the bindings by a watch, a moment after they are made.
    wait_for(f"the rights of {user}", lambda: {"", "freehold.dev"} <= _groups(somebody, namespace))
    return somebody


def _groups(somebody: Api, namespace: str) -> set[str]:
    """Return the API groups in which a user may create something in a namespace."""
    version, kind = "authorization.k8s.io/v1", "SelfSubjectRulesReview"
    asked = {"apiVersion": version, "kind": kind, "spec": {"namespace": namespace}}
    rules = somebody.call("POST", somebody.path(version, kind), asked)["status"]["resourceRules"]
    return {group for rule in rules if "create" in rule["verbs"] for group in rule.get("apiGroups", ())}


def _binding(user: str, namespace: str, role: str) -> Manifest:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{user}-{role}", "namespace": namespace},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
    }
