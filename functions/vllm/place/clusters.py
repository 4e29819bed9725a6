"""The InferenceClusters that a Model may go to, and the one that it is on, as required resources."""

from __future__ import annotations

from pydantic import ValidationError

from functions.api import API_VERSION, ClusterStatus, ModelSpec, Offer, Placement, contract
from functions.base import Claim, Request, Selector, Unanswered, View, remote, unique_name

from .choose import Candidate

__all__ = ["all_clusters", "candidate", "is_gone_for_good", "one_cluster"]


def one_cluster(request: Request, name: str, namespace: str) -> Candidate | None:
    """Require what the cluster that a Model is placed on offers; None when it offers nothing (any more).

    Not the cluster itself: every change of its status would wake all its Models.

    Args:
        request: the Model's.
        name: of the XInferenceCluster.
        namespace: of what is composed for it.

    Raises:
        Unanswered: when Crossplane has not answered yet.
    """
    wanted = Selector("v1", "ConfigMap", name=unique_name(name, contract.OFFER), namespace=namespace)
    found = request.require("cluster", wanted)
    return _offered(name, found[0]) if found else None


def is_gone_for_good(request: Request, recorded: Placement) -> bool:
    """Tell whether a cluster that offers nothing cannot be reached again either.

    So it is without its ProviderConfig; and where the claim made the cluster, once that is
    going: the Model's own Objects hold it until they are gone.
    """
    where = recorded.provider_config_namespace
    try:
        found = request.require(
            "way",
            Selector(remote.KUBERNETES_API, "ProviderConfig", recorded.provider_config, namespace=where),
        )
    except Unanswered:
        return False
    going = [way for way in found if way.text("metadata", "deletionTimestamp")]
    return not found or any(way.text("metadata", "labels", contract.CREATED_BY_CLAIM) for way in going)


def _offered(name: str, view: View) -> Candidate | None:
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
    )
    allowed = None if made.allowed_namespaces is None else tuple(made.allowed_namespaces)
    return Candidate(name, Claim(made.claim.namespace, made.claim.name), allowed, status, waiting_for="")


def all_clusters(request: Request, spec: ModelSpec) -> list[Candidate]:
    """Require the clusters that the spec names, or all; only a Model without a place does.

    Raises:
        Unanswered: when Crossplane has not answered yet.
    """
    found = request.require("clusters", Selector(API_VERSION, contract.CLUSTER_KIND, labels=_labels(spec)))
    candidates = sorted((candidate(view) for view in found), key=lambda c: c.name)
    choice = spec.cluster
    if choice is None or choice.name is None:
        return candidates
    # Crossplane's labels lead to the claim; only its reference is believed.
    return [
        c for c in candidates if c.claim.name == choice.name and choice.namespace in (None, c.claim.namespace)
    ]


def _labels(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    choice = spec.cluster
    if choice is None:
        return ()
    if choice.name is not None:
        return (("crossplane.io/claim-name", choice.name),)
    return tuple(sorted((choice.match_labels or {}).items()))


def candidate(view: View) -> Candidate:
    """Read a cluster; one without a usable status is there and waited for."""
    claim = Claim(
        view.text("spec", "claimRef", "namespace") or "",
        view.text("spec", "claimRef", "name") or view.name,
    )
    # Alone, so that another field of the spec cannot close the cluster to everybody.
    allowed = view.texts("spec", "allowedNamespaces") if view.has("spec", "allowedNamespaces") else None
    status = view.parsed(ClusterStatus, "status") or ClusterStatus()
    return Candidate(view.name, claim, allowed, status, _waiting_for(view, status))


def _waiting_for(view: View, status: ClusterStatus) -> str:
    """Say why a cluster takes no Model now; not in its provider's words, which are its owner's to read."""
    if status.access is None or not status.node_pools:
        return "it has not published its node pools yet"
    reached = view.condition(contract.CONTROL_PLANE_READY)
    if reached is None or reached.text("status") != "True":
        reason = reached.text("reason") if reached else None
        return f"its control plane is not ready yet ({reason or 'Unknown'})"
    return ""
