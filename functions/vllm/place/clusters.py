"""The InferenceClusters that a Model may run on, read from resources that the function requires."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from pydantic import ValidationError

from functions.api import API_VERSION, ClusterStatus, ModelSpec, Offer, Placement, PoolStatus, contract
from functions.base import Claim, Request, Selector, Unanswered, View, label_value, remote, unique_name

__all__ = [
    "Cluster",
    "all_clusters",
    "is_gone_for_good",
    "offered_cluster",
    "provider_config_is_gone",
    "read",
    "without_own",
]


class Cluster(NamedTuple):
    """A cluster as a Model sees it."""

    name: str
    """The XInferenceCluster's name."""
    claim: Claim
    allowed_namespaces: tuple[str, ...] | None
    """Patterns of namespaces whose Models it admits; None: the claim's own namespace."""
    status: ClusterStatus
    waiting_for: str
    """Why no Model can be placed on it now; empty when one can."""

    def admits(self, namespace: str) -> bool:
        """Tell whether the cluster's owner admits Models of a namespace."""
        allowed = self.allowed_namespaces
        patterns = (self.claim.namespace,) if allowed is None else allowed
        return any(fnmatchcase(namespace, pattern) for pattern in patterns)

    @property
    def shares_storage(self) -> bool:
        """Whether it has volumes that several nodes can mount."""
        return self.status.shared_storage or self.status.shared_storage_class_name is not None


def all_clusters(request: Request, spec: ModelSpec) -> list[Cluster]:
    """Require every cluster that the spec selects; only a Model without a placement does.

    Raises:
        Unanswered: when Crossplane has not answered yet.
    """
    found = request.require("clusters", Selector(API_VERSION, contract.CLUSTER_KIND, labels=_labels(spec)))
    clusters = sorted((read(view) for view in found), key=lambda c: c.name)
    choice = spec.cluster
    if choice is None or choice.name is None:
        return clusters
    # Labels select by the claim's name, and anybody may set labels; only spec.claimRef is believed.
    return [
        c for c in clusters if c.claim.name == choice.name and choice.namespace in (None, c.claim.namespace)
    ]


def _labels(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    choice = spec.cluster
    if choice is None:
        return ()
    if choice.name is not None:
        return (("crossplane.io/claim-name", choice.name),)
    return tuple(sorted((choice.match_labels or {}).items()))


def read(view: View) -> Cluster:
    """Read an XInferenceCluster; one without a usable status is waited for."""
    claim = Claim(
        view.text("spec", "claimRef", "namespace") or "",
        view.text("spec", "claimRef", "name") or view.name,
    )
    # This field alone is parsed, so that a mistake in another cannot close the cluster to everybody.
    allowed = view.texts("spec", "allowedNamespaces") if view.has("spec", "allowedNamespaces") else None
    status = view.parsed(ClusterStatus, "status") or ClusterStatus()
    return Cluster(view.name, claim, allowed, status, _waiting_for(view, status))


def _waiting_for(view: View, status: ClusterStatus) -> str:
    """Say why no Model can be placed on a cluster now; empty when one can.

    Only the condition's reason is told: its message may hold what only the cluster's owner may read.
    """
    if status.access is None or not status.node_pools:
        return "it has not published its node pools yet"
    reached = view.condition(contract.CONTROL_PLANE_READY)
    if reached is None or reached.text("status") != "True":
        reason = reached.text("reason") if reached else None
        return f"its control plane is not ready yet ({reason or 'Unknown'})"
    return ""


def offered_cluster(request: Request, name: str, namespace: str) -> Cluster | None:
    """Require the offer of the cluster that a Model is placed on; None when there is none (any more).

    The offer and not the XInferenceCluster: every change of its status would wake all its Models.

    Args:
        request: the Model's.
        name: of the XInferenceCluster.
        namespace: of the resources composed for that cluster.

    Raises:
        Unanswered: when Crossplane has not answered yet.
    """
    wanted = Selector("v1", "ConfigMap", name=unique_name(name, contract.OFFER), namespace=namespace)
    found = request.require("cluster", wanted)
    return _read_offer(name, found[0]) if found else None


def _read_offer(name: str, view: View) -> Cluster | None:
    try:
        made = Offer.model_validate_json(view.text("data", contract.OFFER_KEY) or "")
    except ValidationError:
        return None
    status = ClusterStatus(
        access=made.access,
        node_pools=made.node_pools,
        storage_class_name=made.storage_class_name,
        shared_storage=made.shared_storage,
        shared_storage_class_name=made.shared_storage_class_name,
        gateway=made.gateway,
    )
    allowed = None if made.allowed_namespaces is None else tuple(made.allowed_namespaces)
    return Cluster(name, Claim(made.claim.namespace, made.claim.name), allowed, status, waiting_for="")


def is_gone_for_good(request: Request, placement: Placement) -> bool:
    """Tell whether a cluster without an offer can never be reached again, as far as that is known."""
    try:
        return provider_config_is_gone(
            request, placement.provider_config, placement.provider_config_namespace
        )
    except Unanswered:
        return False


def provider_config_is_gone(request: Request, name: str, namespace: str) -> bool:
    """Tell whether a cluster can never be reached again.

    So it is without its ProviderConfig. Where the claim created the cluster, the cluster goes once
    the ProviderConfig is being deleted; the Model's own Objects hold the ProviderConfig until then.

    Args:
        request: the Model's.
        name: of the ProviderConfig.
        namespace: of the ProviderConfig.

    Raises:
        Unanswered: when Crossplane has not answered yet.
    """
    selector = Selector(remote.KUBERNETES_API, "ProviderConfig", name, namespace=namespace)
    found = request.require("provider-config", selector)
    deleted = [c for c in found if c.text("metadata", "deletionTimestamp")]
    return not found or any(
        config.text("metadata", "labels", contract.CREATED_BY_CLAIM) for config in deleted
    )


def without_own(request: Request, clusters: Sequence[Cluster]) -> list[Cluster]:
    """Return the clusters as if this Model took no GPUs: its own never count against another placement."""
    own = _recorded_pods(request)
    return [_without(cluster, own) if own else cluster for cluster in clusters]


def _recorded_pods(request: Request) -> dict[tuple[str, str], Counter[int]]:
    """Return the Model's own pods by their devices, for each cluster label and node pool."""
    own: dict[tuple[str, str], Counter[int]] = {}
    labels = (contract.RECORD_CLUSTER, contract.NODE_POOL, contract.RECORD_GPUS, contract.RECORD_PODS)
    for name, live in request.observed.items():
        if name.rpartition("/")[2] != "placed":
            continue
        cluster, pool, *counts = (View(live).text("metadata", "labels", label) or "" for label in labels)
        devices, pods = (int(count) if count.isdecimal() else 0 for count in counts)
        if devices:
            pods = max(1, pods)
            own.setdefault((cluster, pool), Counter())[devices // pods] += pods
    return own


def _without(cluster: Cluster, own: Mapping[tuple[str, str], Counter[int]]) -> Cluster:
    label = label_value(cluster.name)
    pools = [_less(pool, own.get((label, pool.name))) for pool in cluster.status.node_pools or []]
    return cluster._replace(status=cluster.status.model_copy(update={"node_pools": pools}))


def _less(pool: PoolStatus, own: Counter[int] | None) -> PoolStatus:
    """Return a pool as if some pods, counted by their devices, were not on it."""
    if not own or not pool.gpus_in_use:
        return pool
    used = max(0, pool.gpus_in_use - sum(devices * pods for devices, pods in own.items()))
    others = [
        some.model_copy(update={"pods": some.pods - own[some.gpus]})
        for some in pool.pods_in_use or []
        if some.pods > own[some.gpus]
    ]
    return pool.model_copy(update={"gpus_in_use": used, "pods_in_use": others or None})
