"""Search all clusters for a node pool that holds a Model, or say why there is none."""

from __future__ import annotations

from fnmatch import fnmatchcase

from functions.api import ClusterChoice, ModelSpec, VLLMInput
from functions.base import Condition, Request, Whose

from ..size.need import Need
from .choose import Choices, choose
from .clusters import Cluster, all_clusters, without_own
from .why_not import no_pool, not_placed

__all__ = ["search", "trusted", "usable_clusters"]


def search(request: Request, spec: ModelSpec, given: VLLMInput, need: Need) -> Choices | Condition:
    """Try every pool of every cluster that a Model may use.

    Returns:
        The choices, of which there is a best one; or the condition Placed that says why there is none.

    Raises:
        Unanswered: when the clusters are not known yet.
    """
    usable = usable_clusters(request, spec, given)
    if isinstance(usable, Condition):
        return usable
    choices = choose(spec, need, usable)
    return choices if choices.best else no_pool(spec, need, usable, choices.refusals)


def usable_clusters(request: Request, spec: ModelSpec, given: VLLMInput) -> list[Cluster] | Condition:
    """Return the clusters that a Model may be placed on now; or the condition Placed that says why none.

    Raises:
        Unanswered: when the clusters are not known yet.
    """
    namespace = request.claim.namespace
    found = [c for c in all_clusters(request, spec) if trusted(c, spec, given, namespace)]
    owners = {c.claim.namespace for c in found}
    if spec.cluster is not None and spec.cluster.name is not None and len(owners) > 1:
        return not_placed(
            Whose.MODEL,
            "ClusterAmbiguous",
            f"namespaces {' and '.join(sorted(owners))} each have an InferenceCluster {spec.cluster.name}: "
            "set spec.cluster.namespace to one of them",
        )
    admitted = [c for c in found if c.admits(namespace)]
    usable = without_own(request, [c for c in admitted if not c.waiting_for])
    return usable or _no_cluster(spec.cluster, namespace, found, admitted)


def trusted(cluster: Cluster, spec: ModelSpec, given: VLLMInput, namespace: str) -> bool:
    """Tell whether a Model may be placed on a cluster, whose owner can read everything in it.

    The Model's own namespace is trusted, namespaces that the platform lists, and one that the spec names.
    """
    owner = cluster.claim.namespace
    if spec.cluster is not None and spec.cluster.namespace == owner:
        return True
    return owner == namespace or any(fnmatchcase(owner, p) for p in given.cluster_namespaces)


def _no_cluster(
    wanted: ClusterChoice | None, namespace: str, found: list[Cluster], admitted: list[Cluster]
) -> Condition:
    """Say why no cluster takes a Model, naming only clusters that admit it or that it names."""
    if admitted:
        reasons = "; ".join(f"{c.claim.name}: {c.waiting_for}" for c in admitted)
        return not_placed(
            Whose.INFRASTRUCTURE, "ClusterNotReady", f"waits until a cluster is ready. {reasons}"
        )
    if found:
        named = f"InferenceCluster {wanted.name} does not admit" if wanted and wanted.name else ""
        return not_placed(
            Whose.PLATFORM,
            "NamespaceNotAllowed",
            f"{named or 'no InferenceCluster admits'} Models of namespace {namespace}: ask the cluster's "
            f"owner to add {namespace} to its spec.allowedNamespaces",
        )
    if wanted is not None:
        return not_placed(
            Whose.MODEL,
            "ClusterNotFound",
            f"there is no InferenceCluster {_in_words(wanted)} in the Model's namespace or in one whose "
            "clusters the platform shares: correct spec.cluster, set spec.cluster.namespace to the cluster's "
            "namespace, or leave spec.cluster out",
        )
    return not_placed(
        Whose.PLATFORM,
        "NoCluster",
        "there is no InferenceCluster in the Model's namespace or in one whose clusters the platform shares: "
        "ask the platform team to create one, or name one and its namespace in spec.cluster",
    )


def _in_words(wanted: ClusterChoice) -> str:
    if wanted.name:
        return f"{wanted.namespace}/{wanted.name}" if wanted.namespace else wanted.name
    return "with labels " + ", ".join(f"{k}={v}" for k, v in sorted((wanted.match_labels or {}).items()))
