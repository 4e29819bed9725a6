"""The way into a cluster: ProviderConfigs and the proof that its API answers.

The ProviderConfigs are namespaced: a cluster-wide one could be used from any
namespace by anyone who may create an Object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.api import Access, NodePoolsInput, offer
from functions.base import Request, Resource, condition_true, exists, unique_name

__all__ = [
    "HELM",
    "KUBERNETES",
    "REACHABLE",
    "Kubeconfig",
    "Way",
    "is_reachable",
    "platform_namespace",
    "resources",
]

KUBERNETES = "node-pools/provider-config-kubernetes"
HELM = "node-pools/provider-config-helm"
REACHABLE = "node-pools/reachable"

_KUBERNETES_API = "kubernetes.m.crossplane.io/v1alpha1"


def platform_namespace(request: Request, given: NodePoolsInput) -> str:
    """Return where everything is composed: for a live cluster where that is already.

    Crossplane leaves a live object in its namespace whatever is desired, so another input
    would only make the status name ProviderConfigs that do not exist.
    """
    recorded = request.status(Access, "access")
    for name in (KUBERNETES, "node-pools/vpc", "node-pools/role-cluster"):
        live = request.resource(name)
        if live is not None and (namespace := live.text("metadata", "namespace")):
            return namespace
    return recorded.namespace if recorded else given.platform_namespace


@dataclass(frozen=True)
class Kubeconfig:
    """Where the kubeconfig of a cluster is."""

    namespace: str
    secret: str
    key: str = "kubeconfig"


@dataclass(frozen=True)
class Way:
    """How a cluster is reached."""

    composite: str
    """The composite's name."""
    namespace: str
    """The platform namespace: of everything that reaches into the cluster, but Helm."""
    kubeconfig: Kubeconfig | None
    """None: the providers' own identity, in the cluster that they run in."""
    created: bool = False
    """Whether the claim makes the cluster, so that it goes with the claim."""

    @property
    def kubernetes(self) -> str:
        """Name of provider-kubernetes' ProviderConfig."""
        return unique_name(self.composite, "kubernetes")

    @property
    def helm(self) -> str:
        """Name of provider-helm's ProviderConfig."""
        return unique_name(self.composite, "helm")

    @property
    def helm_namespace(self) -> str:
        """Namespace of provider-helm's ProviderConfig and the Releases.

        provider-helm looks for the Secret of a namespaced ProviderConfig in the
        Release's namespace, whatever secretRef.namespace says (enrichLocalSecretRefs
        in pkg/clients/helm/helm.go, v1.4.0). Anywhere but next to the Secret, a
        tenant could name the Secret of somebody else's cluster.
        """
        return self.kubeconfig.namespace if self.kubeconfig else self.namespace

    @property
    def status(self) -> Access:
        """What the other functions need to know."""
        elsewhere = self.helm_namespace != self.namespace
        return Access(
            namespace=self.namespace,
            kubernetes_provider_config=self.kubernetes,
            helm_provider_config=self.helm,
            helm_namespace=self.helm_namespace if elsewhere else None,
        )


def resources(way: Way, after: tuple[str, ...] = (), answers_after: tuple[str, ...] = ()) -> list[Resource]:
    """Compose the way in.

    Args:
        way: how the cluster is reached.
        after: what the ProviderConfigs wait for.
        answers_after: what the proof waits for on top of them.
    """
    kubernetes = _provider_config(way, _KUBERNETES_API, way.kubernetes, way.namespace)
    helm = _provider_config(way, "helm.m.crossplane.io/v1beta1", way.helm, way.helm_namespace)
    return [
        Resource(KUBERNETES, kubernetes, after, exists),
        Resource(HELM, helm, after, exists),
        Resource(REACHABLE, _reachable(way), (KUBERNETES, HELM, *answers_after)),
    ]


def is_reachable(request: Request) -> bool:
    """Tell whether the cluster's API has answered."""
    seen = request.resource(REACHABLE)
    return seen is not None and condition_true()(seen)


def _provider_config(way: Way, api_version: str, name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": "ProviderConfig",
        "metadata": {
            "name": name,
            "namespace": namespace,
            **({"labels": {offer.CREATED: "true"}} if way.created else {}),
        },
        "spec": {"credentials": _credentials(way.kubeconfig)},
    }


def _credentials(kubeconfig: Kubeconfig | None) -> dict[str, Any]:
    if kubeconfig is None:
        return {"source": "InjectedIdentity"}
    ref = {"namespace": kubeconfig.namespace, "name": kubeconfig.secret, "key": kubeconfig.key}
    return {"source": "Secret", "secretRef": ref}


def _reachable(way: Way) -> dict[str, Any]:
    """Observe a namespace that every cluster has; nothing is changed or deleted by it."""
    return {
        "apiVersion": _KUBERNETES_API,
        "kind": "Object",
        "metadata": {"name": unique_name(way.composite, "reachable"), "namespace": way.namespace},
        "spec": {
            "managementPolicies": ["Observe"],
            "forProvider": {
                "manifest": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}
            },
            "readiness": {"policy": "DeriveFromCelQuery", "celQuery": "object.status.phase == 'Active'"},
            "providerConfigRef": {"kind": "ProviderConfig", "name": way.kubernetes},
        },
    }
