"""Who claims: users of one namespace each, with the roles of package/install.yaml."""

from __future__ import annotations

from tools.control_plane.api import Api
from tools.manifests import Manifest

_RBAC = "rbac.authorization.k8s.io"


def member(api: Api, namespace: str, role: str = "freehold-app-team") -> Api:
    """Return the API as somebody sees it who may edit one namespace and claim there."""
    user = f"somebody-of-{namespace}"
    for granted in ("edit", role):
        api.apply(_binding(user, namespace, granted))
    return api.acting_as(user)


def _binding(user: str, namespace: str, role: str) -> Manifest:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{user}-{role}", "namespace": namespace},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
    }
