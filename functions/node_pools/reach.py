"""The way into a cluster: ProviderConfigs and the proof that its API answers.

The ProviderConfigs are namespaced: a cluster-wide one could be used from any
namespace by anyone who may create an Object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.api import Access, NodePoolsInput, contract
from functions.base import Request, Resource, condition_true, exists, remote, unique_name

__all__ = [
    "HELM",
    "KUBERNETES",
    "REACHABLE",
    "Way",
    "is_reachable",
    "platform_namespace",
    "resources",
]

KUBERNETES = "node-pools/provider-config-kubernetes"
HELM = "node-pools/provider-config-helm"
REACHABLE = contract.REACHABLE


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
class Way:
    """How a cluster is reached."""

    composite: str
    """The composite's name."""
    namespace: str
    """The platform namespace: of everything that reaches into the cluster, but Helm."""
    kubeconfig: remote.SecretKey | None
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
    labels = {contract.CREATED_BY_CLAIM: "true"} if way.created else None
    kubernetes = remote.provider_config(
        remote.KUBERNETES_API, way.kubernetes, way.namespace, way.kubeconfig, labels
    )
    helm = remote.provider_config(remote.HELM_API, way.helm, way.helm_namespace, way.kubeconfig, labels)
    return [
        Resource(KUBERNETES, kubernetes, after, exists, label="provider-kubernetes' ProviderConfig"),
        Resource(HELM, helm, after, exists, label="provider-helm's ProviderConfig"),
        Resource(
            REACHABLE,
            _reachable(way),
            (KUBERNETES, HELM, *answers_after),
            label=contract.REACHABLE_LABEL,
        ),
    ]


def is_reachable(request: Request) -> bool:
    """Tell whether the cluster's API has answered."""
    seen = request.resource(REACHABLE)
    return seen is not None and condition_true()(seen)


def _reachable(way: Way) -> dict[str, Any]:
    """Observe a namespace that every cluster has; nothing is changed or deleted by it."""
    return remote.kubernetes_object(
        unique_name(way.composite, "reachable"),
        way.namespace,
        way.kubernetes,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}},
        readiness=remote.cel(remote.NAMESPACE_ACTIVE),
        policies=remote.OBSERVE_ONLY,
    )
