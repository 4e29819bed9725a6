"""Which claims may use what is the platform's: kubeconfigs, cloud credentials, the control plane's cluster.

The composition's input lists the namespaces. A claim in any other namespace is not
composed, and its condition says who can list the namespace. A list that is
shortened later takes nothing away: what exists goes on as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from functions.api import NodePoolsInput, ProviderConfigRef
from functions.base import Condition, Status, Whose

__all__ = ["control_plane", "credentials", "kubeconfig"]

_WHERE = "of function-node-pools' input, in Composition inferencecluster"


def control_plane(namespace: str, given: NodePoolsInput) -> Condition | None:
    """Return why a namespace may not use the cluster that Crossplane runs in.

    The providers act there under their own service accounts.
    """
    if _listed(namespace, given.control_plane_namespaces):
        return None
    return _refused(
        "ControlPlaneNotAllowed",
        f"namespace {namespace} may not use the cluster that Crossplane runs in "
        f"(spec.existing.controlPlane): controlPlaneNamespaces {_WHERE}, does not list it. "
        f"{_ask(namespace)}",
    )


def kubeconfig(namespace: str, given: NodePoolsInput) -> Condition | None:
    """Return why a namespace may not bring a kubeconfig.

    A kubeconfig may name files and commands of the providers' pods, so borrow their identity.
    """
    if _listed(namespace, given.kubeconfig_namespaces):
        return None
    return _refused(
        "KubeconfigNotAllowed",
        f"namespace {namespace} may not bring a kubeconfig (spec.existing.kubeconfigSecretRef): "
        f"kubeconfigNamespaces {_WHERE}, does not list it. {_ask(namespace)}",
    )


def credentials(
    cloud: str, namespace: str, wanted: ProviderConfigRef, given: NodePoolsInput
) -> Condition | None:
    """Return why a namespace may not create with a configuration of a cloud's provider.

    The configuration stands for an account, and for whoever pays the account's bill.

    Args:
        cloud: the field of the spec that names the cloud.
        namespace: of the claim.
        wanted: the configuration.
        given: the lists.
    """
    rules = [rule for rule in given.provider_configs if rule.cloud == cloud]
    open_to = [rule for rule in rules if _listed(namespace, rule.namespaces)]
    if any((rule.kind, rule.name) == (wanted.kind, wanted.name) for rule in open_to):
        return None
    others = " or ".join(f"{rule.kind} {rule.name}" for rule in open_to)
    instead = f". A new claim there may name {others}" if others else ""
    return _refused(
        "ProviderConfigNotAllowed",
        f"namespace {namespace} may not use {wanted.kind} {wanted.name} "
        f"(spec.{cloud}.providerConfigRef): providerConfigs {_WHERE}, does not list it for that. "
        f"{_ask(namespace)}{instead}",
    )


def _ask(namespace: str) -> str:
    return (
        f"Ask the platform team to list {namespace} there, or to claim the cluster in their own namespace "
        f"and to admit {namespace} in its spec.allowedNamespaces"
    )


def _listed(namespace: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(namespace, pattern) for pattern in patterns)


def _refused(reason: str, message: str) -> Condition:
    return Condition(
        "Planned", Status.FALSE, reason, f"{message}. Nothing that exists is changed", Whose.PLATFORM
    )
