"""The part of package/install.yaml that is the control plane's agent: what it follows, and its rights."""

from __future__ import annotations

from typing import Any

from functions.api import contract
from functions.catalog import image
from functions.cluster_stack.agent import agent_pod

__all__ = ["GUARD", "NAMESPACE", "delivery"]

GUARD = "freehold-agent"
"""Name of the admission policy of what the agent writes, as its refusals show it."""

NAMESPACE = "crossplane-system"
"""Where deliveries, ProviderConfigs and the agent are; functions' inputs may name another."""
_NAME = contract.DELIVERY_AGENT
_FOLLOWED = [contract.DELIVERY_PLURAL, contract.UPGRADE_PLURAL]
_MADE = {"XModel": ["key", "former"], "XInferenceCluster": ["ca.crt", "ca.key", "tls.crt", "tls.key"]}
"""Keys of the Secrets that the agent makes in that namespace, by what owns them."""
_RBAC = "rbac.authorization.k8s.io"
_LABELS = {"app.kubernetes.io/name": _NAME, "app.kubernetes.io/managed-by": "freehold"}


def delivery(crd: dict[str, Any], upgrades: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return manifests, each with what it is for.

    Args:
        crd: of SecretDelivery.
        upgrades: the CRD of CRDUpgrade.
    """
    group = contract.REPORT_GROUP
    core = _object("ClusterRole", f"{_NAME}-composes", here=False)
    core["metadata"]["labels"]["rbac.crossplane.io/aggregate-to-crossplane"] = "true"
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    core["rules"] = [_rule(group, _FOLLOWED, *verbs)]
    return [
        (
            "How a Hub token or a pull secret gets into a GPU cluster. function-vllm composes deliveries,\n"
            "which name a Secret and never hold one; the agent below carries the Secret. From here on all\n"
            "stands in the namespace where everything is composed: put yours for crossplane-system.",
            crd,
        ),
        (
            "How the CRDs of a chart, which Helm never upgrades, are upgraded in a GPU cluster:\n"
            "function-cluster-stack names the chart, and the agent applies the CRDs that the chart has.",
            upgrades,
        ),
        (
            "Crossplane composes deliveries and upgrades. Nobody else may: whoever creates one in that\n"
            "namespace has Secrets read.",
            core,
        ),
        (
            "The agent of the control plane.",
            {**_object("ServiceAccount", _NAME), "automountServiceAccountToken": False},
        ),
        (
            "What the agent does in that namespace: it follows deliveries and upgrades, says how they do,\n"
            "makes keys of Models and certificates of gateways, and reads how a cluster is reached.",
            {
                **_object("Role", _NAME),
                "rules": [
                    _rule(group, _FOLLOWED, "list", "watch"),
                    _rule(group, [f"{plural}/status" for plural in _FOLLOWED], "patch"),
                    _rule("kubernetes.m.crossplane.io", ["providerconfigs"], "get"),
                    _rule("", ["secrets"], "create", "patch"),
                ],
            },
        ),
        ("", _binding("RoleBinding", _NAME, "Role", _NAME)),
        (
            "What the agent reads elsewhere: a Secret whose name it knows. It may not list Secrets. For\n"
            "less, bind this role by RoleBindings in the namespaces that claim Models, in those of\n"
            "kubeconfigs and in that of the agent, in place of the ClusterRoleBinding.",
            {
                **_object("ClusterRole", f"{_NAME}-reads", here=False),
                "rules": [_rule("", ["secrets"], "get")],
            },
        ),
        ("", _binding("ClusterRoleBinding", f"{_NAME}-reads", "ClusterRole", f"{_NAME}-reads")),
        (
            "What the agent writes beside claims: how a Model is called, with its key. The policy below\n"
            "narrows it to such Secrets. For less, bind this role by RoleBindings in the namespaces that\n"
            "claim Models, in place of the ClusterRoleBinding; where no cluster has a gateway, to nobody.",
            {
                **_object("ClusterRole", f"{_NAME}-hands-out", here=False),
                "rules": [_rule("", ["secrets"], "create", "patch")],
            },
        ),
        ("", _binding("ClusterRoleBinding", f"{_NAME}-hands-out", "ClusterRole", f"{_NAME}-hands-out")),
        *_guard(),
        (
            "What the agent needs where Models run in the cluster that Crossplane runs in. Bound to nobody:\n"
            "where controlPlaneNamespaces names somebody, bind it to the agent by a ClusterRoleBinding.",
            {
                **_object("ClusterRole", f"{_NAME}-writes", here=False),
                "rules": [
                    _rule("", ["configmaps"], "get"),
                    _rule("", ["secrets"], "create", "patch"),
                    _rule("apiextensions.k8s.io", ["customresourcedefinitions"], "get", "create", "patch"),
                ],
            },
        ),
        (
            "Nothing calls the agent.",
            {
                **_object("NetworkPolicy", _NAME),
                "spec": {
                    "podSelector": {"matchLabels": {"app.kubernetes.io/name": _NAME}},
                    "policyTypes": ["Ingress"],
                },
            },
        ),
        (
            "Put your own build of the image here (`freehold images`); none is published yet.",
            {**_object("Deployment", _NAME), "spec": _deployment()},
        ),
    ]


def _guard() -> list[tuple[str, dict[str, Any]]]:
    """Narrow the agent's right to write Secrets, which RBAC grants by namespace alone."""
    new, old = _is_the_agents("object"), _is_the_agents("oldObject")
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": GUARD, "labels": dict(_LABELS)},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["secrets"],
                    }
                ]
            },
            "matchConditions": [
                {
                    "name": "agent",
                    "expression": f"request.userInfo.username == 'system:serviceaccount:{NAMESPACE}:{_NAME}'",
                }
            ],
            "validations": [
                {
                    "expression": "object.type in ['Opaque', 'kubernetes.io/dockerconfigjson', "
                    "'kubernetes.io/tls']",
                    "message": "the agent writes keys, tokens, certificates and pull secrets alone",
                    "reason": "Forbidden",
                },
                {
                    "expression": f"{new} && (oldObject == null || {old})",
                    "message": "the agent writes only what a Model, or a ConfigMap of the same name, owns, "
                    "and certificates of gateways in its own namespace",
                    "reason": "Forbidden",
                },
                {
                    "expression": f"oldObject == null || request.namespace != '{NAMESPACE}' || "
                    + " || ".join(_is_made(owner, keys) for owner, keys in _MADE.items()),
                    "message": "the agent changes here only keys and certificates that it has made",
                    "reason": "Forbidden",
                },
            ],
        },
    }
    binding = {
        "apiVersion": policy["apiVersion"],
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": GUARD, "labels": dict(_LABELS)},
        "spec": {"policyName": GUARD, "validationActions": ["Deny"]},
    }
    return [
        (
            "Which Secrets the agent may write at all. Whoever may create any Secret of a namespace could\n"
            "have one filled with the token of any of its service accounts.",
            policy,
        ),
        ("", binding),
    ]


def _is_the_agents(secret: str) -> str:
    """Return CEL that holds for a Secret that a Model owns, or in a GPU cluster the ConfigMap of its name.

    What a cluster's claim owns, a gateway's authority, is made in the platform namespace and nowhere else.
    """
    return (
        f"{secret}.metadata.?ownerReferences.orValue([]).exists(o, "
        "o.kind == 'XModel' && o.apiVersion.startsWith('freehold.dev/') "
        f"|| o.kind == 'XInferenceCluster' && o.apiVersion.startsWith('freehold.dev/') "
        f"&& request.namespace == '{NAMESPACE}' "
        f"|| o.kind == 'ConfigMap' && o.name == {secret}.metadata.name)"
    )


def _is_made(owner: str, keys: list[str]) -> str:
    """Return CEL that holds for a composite's Secret that has some keys alone and stays that composite's."""
    held = " && ".join(
        f"(!has({secret}.data) || {secret}.data.all(k, k in {keys}))" for secret in ("object", "oldObject")
    )
    owners = "object.metadata.?ownerReferences.orValue([])"
    return (
        f"({owners}.exists(o, o.kind == '{owner}') && {held} && "
        f"{owners} == oldObject.metadata.?ownerReferences.orValue([]))"
    )


_API = {
    "Deployment": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "ServiceAccount": "v1",
}


def _object(kind: str, name: str, *, here: bool = True) -> dict[str, Any]:
    place = {"namespace": NAMESPACE} if here else {}
    return {
        "apiVersion": _API.get(kind, f"{_RBAC}/v1"),
        "kind": kind,
        "metadata": {"name": name, **place, "labels": dict(_LABELS)},
    }


def _rule(group: str, resources: list[str], *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


def _binding(kind: str, name: str, role_kind: str, role: str) -> dict[str, Any]:
    return {
        **_object(kind, name, here=kind == "RoleBinding"),
        "roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": NAMESPACE}],
    }


def _deployment() -> dict[str, Any]:
    pod = agent_pod(_NAME, image("agent"), ["deliver", f"--namespace={NAMESPACE}"], [])
    # Where the agent shows a cluster a certificate, that is in a file for a moment.
    [container] = pod["containers"]
    container["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]
    pod["volumes"] = [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}]
    return {
        "replicas": 1,
        "revisionHistoryLimit": 3,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {"app.kubernetes.io/name": _NAME}},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
