"""package/install.yaml: what a platform team applies beside the packages, which cannot hold it.

A Crossplane package holds XRDs, Compositions and Operations, and nothing else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from functions.api import API_VERSION, contract
from functions.catalog import providers
from tools.install_agent import delivery
from tools.install_functions import functions

__all__ = ["GUARD", "NAMESPACE_GUARD", "PLATFORM", "RUNTIME", "Part", "parts"]

PLATFORM = "platform"
"""The namespace that the shipped compositions trust: of the platform team, and of nobody else."""
RUNTIME = "freehold-provider-kubernetes"
GUARD = "freehold-claims"
"""Name of the admission policy of claims, as its refusals show it."""
NAMESPACE_GUARD = "freehold-namespaces"
"""Name of the admission policy of namespaces, as its refusals show it."""

_GROUP = API_VERSION.partition("/")[0]
_ALL = ["get", "list", "watch", "create", "update", "patch", "delete"]
_CLAIM_FINALIZER = "finalizer.apiextensions.crossplane.io"
"""Core 2.4.0, internal/controller/apiextensions/claim/reconciler.go."""
_IN_USE = "crossplane.io/in-use"
"""Core 2.4.0, internal/controller/protection/usage/reconciler.go."""

_ASK = "If it must be otherwise, ask those who administer Crossplane here."


class Part(NamedTuple):
    """A manifest, and what it is for."""

    comment: str
    manifest: dict[str, Any]


def parts(claims: list[str], deliveries: dict[str, Any], upgrades: dict[str, Any]) -> list[Part]:
    """Return everything that package/install.yaml holds.

    Args:
        claims: the plurals of the claims' kinds; a composite's has an x in front.
        deliveries: the CRD of SecretDelivery.
        upgrades: the CRD of CRDUpgrade.
    """
    return [
        Part(
            "The platform team's namespace. By the shipped compositions, claims there may bring kubeconfigs\n"
            "and name cloud credentials, so nobody else may write to it. Where it exists, see who may.",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLATFORM}},
        ),
        *_roles(),
        *_provider_kubernetes(),
        *(Part(comment, manifest) for comment, manifest in functions()),
        *_guard(claims),
        *_namespace_guard(),
        *(Part(comment, manifest) for comment, manifest in delivery(deliveries, upgrades)),
    ]


def _roles() -> list[Part]:
    return [
        Part(
            "Who may claim Models. Bind the role in a team's namespace by a RoleBinding. Neither this role\n"
            "nor the next grants anything in the namespace where everything composed stands.",
            _role("freehold-app-team", ["models"]),
        ),
        Part(
            "Who may claim clusters, too.",
            _role("freehold-platform-team", ["models", "inferenceclusters"]),
        ),
    ]


def _role(name: str, resources: list[str]) -> dict[str, Any]:
    # No subresources: a claim's status and finalizers are core's to write.
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [{"apiGroups": [_GROUP], "resources": resources, "verbs": _ALL}],
    }


def _provider_kubernetes() -> list[Part]:
    package = providers()["kubernetes.m.crossplane.io"].package
    container = {"name": "package-runtime", "args": ["--enable-watches", "--sanitize-secrets"]}
    template = {"spec": {"selector": {}, "template": {"spec": {"containers": [container]}}}}
    return [
        Part(
            "How provider-kubernetes runs. --enable-watches: a Model is Ready when its pods are, and not at\n"
            "the next look ten minutes later. --sanitize-secrets: a cluster's Secret is not copied into the\n"
            "status of an Object.",
            {
                "apiVersion": "pkg.crossplane.io/v1beta1",
                "kind": "DeploymentRuntimeConfig",
                "metadata": {"name": RUNTIME},
                "spec": {"deploymentTemplate": template},
            },
        ),
        Part(
            "Gives provider-kubernetes that runtime, installed by hand or as a dependency. Where the\n"
            "package comes from a mirror, put the mirror's prefix here.",
            {
                "apiVersion": "pkg.crossplane.io/v1beta1",
                "kind": "ImageConfig",
                "metadata": {"name": RUNTIME},
                "spec": {
                    "matchImages": [{"type": "Prefix", "prefix": package}],
                    "runtime": {"configRef": {"name": RUNTIME}},
                },
            },
        ),
    ]


def _guard(claims: list[str]) -> list[Part]:
    """Keep the fields by which Crossplane binds a claim to its composite in Crossplane's hands.

    Whoever may update composites can set the same fields there, so that right lifts the
    rules. Core has the right under whatever service account it runs. A tenant cannot
    have it: composites are cluster-scoped, and a RoleBinding grants nothing on those.
    """
    return [
        Part(
            "What a claim may not say. Crossplane believes a claim that names its composite, or a revision\n"
            "of its composition. Core and whoever else may update composites may set these fields.",
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": GUARD},
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": {
                        "resourceRules": [
                            {
                                "apiGroups": [_GROUP],
                                "apiVersions": ["*"],
                                "operations": ["CREATE", "UPDATE"],
                                "resources": claims,
                            }
                        ]
                    },
                    "variables": [
                        {
                            "name": "mayUpdateComposites",
                            "expression": f"authorizer.group('{_GROUP}')"
                            ".resource('x' + request.resource.resource).check('update').allowed()",
                        }
                    ],
                    "validations": [*_fields(), *_marks()],
                },
            },
        ),
        _binding(GUARD),
    ]


def _binding(policy: str, **spec: Any) -> Part:
    return Part(
        "",
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": policy},
            "spec": {"policyName": policy, "validationActions": ["Deny"], **spec},
        },
    )


def _namespace_guard() -> list[Part]:
    """Refuse the deletion of a namespace that a cluster needs, until the cluster's composite is gone.

    The API server evaluates the policy once for each composite. A composite exists for as long as
    anything that is composed for it, since claims delete their composites in the foreground.
    """
    claim = "params.spec.claimRef"
    return [
        Part(
            "Which namespaces cannot be deleted: of InferenceClusters, and of what is composed for them.\n"
            "A namespace that is being deleted takes no new object, and a provider needs to create one\n"
            "before it uninstalls or deletes anything. Where the XRDs are not installed, nothing is refused.",
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": NAMESPACE_GUARD},
                "spec": {
                    # Fail would refuse every deletion of a namespace where the XRDs are not installed.
                    "failurePolicy": "Ignore",
                    "paramKind": {"apiVersion": API_VERSION, "kind": contract.CLUSTER_KIND},
                    "matchConstraints": {
                        "resourceRules": [
                            {
                                "apiGroups": [""],
                                "apiVersions": ["*"],
                                "operations": ["DELETE"],
                                "resources": ["namespaces"],
                            }
                        ]
                    },
                    "variables": [
                        {
                            "name": "cluster",
                            "expression": f"has({claim}) "
                            f"? 'InferenceCluster ' + {claim}.namespace + '/' + {claim}.name "
                            f": '{contract.CLUSTER_KIND} ' + params.metadata.name",
                        },
                        {
                            "name": "next",
                            "expression": "has(params.metadata.deletionTimestamp) "
                            "? 'it is being deleted, and the namespace can be deleted once it is gone' "
                            ": 'delete it first'",
                        },
                    ],
                    "validations": [
                        _needed_by("params.?spec.?claimRef.?namespace", "stands in this namespace"),
                        _needed_by("params.?status.?access.?namespace", _COMPOSED_HERE),
                        _needed_by("params.?status.?access.?helmNamespace", _COMPOSED_HERE),
                    ],
                },
            },
        ),
        _binding(NAMESPACE_GUARD, paramRef={"selector": {}, "parameterNotFoundAction": "Allow"}),
    ]


_COMPOSED_HERE = "needs this namespace, where its composed resources stand"


def _needed_by(namespace: str, why: str) -> dict[str, Any]:
    return {
        "expression": f"{namespace}.orValue('') != request.name",
        "messageExpression": f"variables.cluster + ' {why}: ' + variables.next",
        "reason": "Forbidden",
    }


_OLD = "old ones lack later rules"
_FIELDS = {
    "compositionRef": "a claim cannot choose its composition: the XRD enforces one",
    "compositionSelector": "a claim cannot choose its composition: the XRD enforces one",
    "compositionRevisionRef": f"a claim cannot choose a revision of its composition: {_OLD}",
    "compositionRevisionSelector": f"a claim cannot choose a revision of its composition: {_OLD}",
    "resourceRef": "a claim cannot choose its composite: Crossplane makes one for each claim",
}
"""Fields that core writes into a claim, and why nobody else may."""


def _fields() -> list[dict[str, Any]]:
    rules = [
        _rule(
            f"!has(object.spec.{name}) || {_unchanged(name)}",
            f"spec.{name}: {why}. Leave the field as it is, or out of a new claim. {_ASK}",
        )
        for name, why in _FIELDS.items()
    ]
    return [
        *rules,
        _rule(
            "oldObject == null || !has(oldObject.spec.resourceRef) || has(object.spec.resourceRef)",
            "spec.resourceRef: without this field, the claim loses its composite, which goes on and costs "
            "money. Change the claim by kubectl apply, edit or patch, which keep the field; replace drops "
            f"it. {_ASK}",
        ),
        _rule(
            "!has(object.spec.compositionUpdatePolicy)"
            " || object.spec.compositionUpdatePolicy == 'Automatic'"
            f" || {_unchanged('compositionUpdatePolicy')}",
            f"spec.compositionUpdatePolicy: a claim cannot stay on a revision of its composition: {_OLD}. "
            f"Leave the field out. {_ASK}",
        ),
        _rule(
            "!has(object.spec.compositeDeletePolicy)"
            " || object.spec.compositeDeletePolicy == 'Foreground'"
            f" || {_unchanged('compositeDeletePolicy')}",
            "spec.compositeDeletePolicy: deleted in the background, the claim goes before what is composed "
            f"for it, and nobody is told what fails to go. Leave the field out. {_ASK}",
        ),
    ]


def _marks() -> list[dict[str, Any]]:
    """Keep what Crossplane marks a claim with: the finalizer, and the label of what is in use."""
    had = f"oldObject == null || !('{_CLAIM_FINALIZER}' in oldObject.metadata.?finalizers.orValue([]))"
    has = f"'{_CLAIM_FINALIZER}' in object.metadata.?finalizers.orValue([])"
    label = f"metadata.?labels[?'{_IN_USE}'].orValue('')"
    return [
        _rule(
            f"{had} || {has}",
            f"metadata.finalizers: without {_CLAIM_FINALIZER}, the claim goes before its composite, which "
            "goes on and costs money. Keep the finalizer and delete the claim; its conditions say what it "
            f"waits for. {_ASK}",
        ),
        _rule(
            f"oldObject == null || oldObject.{label} != 'true' || object.{label} == 'true'",
            f"metadata.labels: the label {_IN_USE} keeps a claim that is in use from being deleted. Delete "
            f"what uses the claim first; a refused deletion names that. {_ASK}",
        ),
    ]


def _unchanged(name: str) -> str:
    return f"(oldObject != null && has(oldObject.spec.{name}) && object.spec.{name} == oldObject.spec.{name})"


def _rule(expression: str, message: str) -> dict[str, Any]:
    return {
        "expression": f"{expression} || variables.mayUpdateComposites",
        "message": message,
        "reason": "Forbidden",
    }
