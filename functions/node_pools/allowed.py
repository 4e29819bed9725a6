"""Which claims may use what is the platform's: kubeconfigs, cloud credentials, the control plane's cluster.

The composition's input lists the namespaces. A claim in any other namespace is not
composed, and its condition says who can list the namespace. A list that is
shortened later takes nothing away: what exists goes on as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from functions.api import Cloud, ClusterSpec, NodePoolsInput, ProviderConfigRef
from functions.base import Condition, Status, Whose

__all__ = ["refusal"]

_WHERE = "of function-node-pools' input, in Composition inferencecluster"


def refusal(namespace: str, spec: ClusterSpec, given: NodePoolsInput) -> Condition | None:
    """Return why a claim may not have the cluster that it asks for, or None.

    Args:
        namespace: the claim's; empty for a composite without a claim, which only
            administrators can create, so it may use anything.
        spec: what is asked for.
        given: the lists.
    """
    if not namespace:
        return None
    if spec.existing is not None and spec.existing.control_plane is not None:
        return _control_plane(namespace, given)
    if spec.existing is not None:
        return _kubeconfig(namespace, given)
    for cloud in Cloud:
        place = getattr(spec, cloud.value)
        if place is not None:
            return _credentials(namespace, cloud, place.provider_config_ref, given)
    return None


def _control_plane(namespace: str, given: NodePoolsInput) -> Condition | None:
    """The providers act there under their own service accounts."""
    if _listed(namespace, given.control_plane_namespaces):
        return None
    return _refused(
        "ControlPlaneNotAllowed",
        f"namespace {namespace} may not use the cluster that Crossplane runs in "
        f"(spec.existing.controlPlane): controlPlaneNamespaces {_WHERE}, does not list it. "
        f"{_ask(namespace)}",
    )


def _kubeconfig(namespace: str, given: NodePoolsInput) -> Condition | None:
    """A kubeconfig may name files and commands of the providers' pods, so borrow their identity."""
    if _listed(namespace, given.kubeconfig_namespaces):
        return None
    return _refused(
        "KubeconfigNotAllowed",
        f"namespace {namespace} may not bring a kubeconfig (spec.existing.kubeconfigSecretRef): "
        f"kubeconfigNamespaces {_WHERE}, does not list it. {_ask(namespace)}",
    )


def _credentials(
    namespace: str, cloud: Cloud, wanted: ProviderConfigRef, given: NodePoolsInput
) -> Condition | None:
    """A ProviderConfig is an account of a cloud, with whoever pays for it."""
    rules = [rule for rule in given.provider_configs if rule.cloud is cloud]
    open_to = [rule for rule in rules if _listed(namespace, rule.namespaces)]
    if any((rule.kind, rule.name) == (wanted.kind, wanted.name) for rule in open_to):
        return None
    others = " or ".join(f"{rule.kind} {rule.name}" for rule in open_to)
    instead = f". A new claim there may name {others}" if others else ""
    return _refused(
        "ProviderConfigNotAllowed",
        f"namespace {namespace} may not use {wanted.kind} {wanted.name} "
        f"(spec.{cloud.value}.providerConfigRef): providerConfigs {_WHERE}, does not list it for that. "
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
