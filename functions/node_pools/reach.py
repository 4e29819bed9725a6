"""The ProviderConfigs that reach a cluster, and the Object that shows that the cluster's API answers.

The ProviderConfigs are namespaced: anyone who may create an Object could use a cluster-wide one
from any namespace.
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
    "ClusterAccess",
    "is_reachable",
    "platform_namespace",
    "resources",
]

KUBERNETES = "node-pools/provider-config-kubernetes"
HELM = "node-pools/provider-config-helm"
REACHABLE = contract.REACHABLE


def platform_namespace(request: Request, given: NodePoolsInput) -> str:
    """Return the namespace of composed resources: for a live cluster the one where they are.

    Crossplane never moves a live object to another namespace. With another input the status would
    name ProviderConfigs that do not exist.
    """
    recorded = request.status(Access, "access")
    for name in (KUBERNETES, "node-pools/vpc", "node-pools/role-cluster"):
        live = request.resource(name)
        if live is not None and (namespace := live.text("metadata", "namespace")):
            return namespace
    return recorded.namespace if recorded else given.platform_namespace


@dataclass(frozen=True)
class ClusterAccess:
    """By which kubeconfig a cluster is reached, and which ProviderConfigs hold the kubeconfig."""

    composite: str
    """The composite's name."""
    namespace: str
    """The platform namespace: of provider-kubernetes' ProviderConfig and the Objects."""
    kubeconfig: remote.SecretKey | None
    """None: the providers' own identity, in the cluster where they run."""
    created: bool = False
    """Whether the claim creates the cluster, so that the cluster is deleted with the claim."""

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
        in pkg/clients/helm/helm.go, v1.4.0). In any other namespace, the name could be that of the
        Secret of somebody else's cluster.
        """
        return self.kubeconfig.namespace if self.kubeconfig else self.namespace

    @property
    def status(self) -> Access:
        """What the status tells the other functions."""
        elsewhere = self.helm_namespace != self.namespace
        return Access(
            namespace=self.namespace,
            kubernetes_provider_config=self.kubernetes,
            helm_provider_config=self.helm,
            helm_namespace=self.helm_namespace if elsewhere else None,
        )


def resources(
    access: ClusterAccess, after: tuple[str, ...] = (), answers_after: tuple[str, ...] = ()
) -> list[Resource]:
    """Compose the ProviderConfigs, and the Object that shows that the cluster's API answers.

    Args:
        access: of the cluster.
        after: what the ProviderConfigs wait for.
        answers_after: what the Object waits for, beside the ProviderConfigs.
    """
    labels = {contract.CREATED_BY_CLAIM: "true"} if access.created else None
    kubernetes = remote.provider_config(
        remote.KUBERNETES_API, access.kubernetes, access.namespace, access.kubeconfig, labels
    )
    helm = remote.provider_config(
        remote.HELM_API, access.helm, access.helm_namespace, access.kubeconfig, labels
    )
    return [
        Resource(KUBERNETES, kubernetes, after, exists, label="provider-kubernetes' ProviderConfig"),
        Resource(HELM, helm, after, exists, label="provider-helm's ProviderConfig"),
        Resource(
            REACHABLE,
            _reachable(access),
            (KUBERNETES, HELM, *answers_after),
            label=contract.REACHABLE_LABEL,
        ),
    ]


def is_reachable(request: Request) -> bool:
    """Tell whether the cluster's API has answered."""
    seen = request.resource(REACHABLE)
    return seen is not None and condition_true()(seen)


def _reachable(access: ClusterAccess) -> dict[str, Any]:
    """Observe kube-system, a namespace of every cluster, and change nothing."""
    return remote.kubernetes_object(
        unique_name(access.composite, "reachable"),
        access.namespace,
        access.kubernetes,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}},
        readiness=remote.cel(remote.NAMESPACE_ACTIVE),
        policies=remote.OBSERVE_ONLY,
    )
