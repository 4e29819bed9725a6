"""Where a new Model goes, or why it goes nowhere."""

from __future__ import annotations

from fnmatch import fnmatchcase

from functions.api import ClusterChoice, ModelSpec, VLLMInput
from functions.base import Condition, Invalid, Request, Whose
from functions.catalog import ModelFacts, models, nearest

from ..live.recorded import Placed, placed_on, placement_of, sizing_of, waiting
from ..size import memory
from . import clusters
from .choose import Candidate, Choices, choose
from .own_units import without_own
from .why_not import nowhere

__all__ = ["facts_of", "place", "search", "trusted", "unknown_model"]


def place(request: Request, spec: ModelSpec, given: VLLMInput) -> Placed | Condition:
    """Choose a place among all clusters, or say why there is none.

    Raises:
        Invalid: for a spec that no cluster could serve.
        Unanswered: when the clusters are not known yet.
    """
    facts = facts_of(spec, given)
    if facts is None:
        raise unknown_model(spec.model)
    what = memory.need(spec, facts)
    choices = search(request, spec, given, what)
    if isinstance(choices, Condition):
        return choices
    placement = placement_of(request, choices, spec, what)
    return Placed(placement, placed_on(placement), sizing_of(what, choices))


def search(request: Request, spec: ModelSpec, given: VLLMInput, what: memory.Need) -> Choices | Condition:
    """Look at every pool of every cluster that the Model may use; what comes back has a best one.

    Raises:
        Unanswered: when the clusters are not known yet.
    """
    namespace = request.claim.namespace
    found = [c for c in clusters.all_clusters(request, spec) if trusted(c, spec, given, namespace)]
    owners = {c.claim.namespace for c in found}
    if spec.cluster is not None and spec.cluster.name is not None and len(owners) > 1:
        return waiting(
            Whose.MODEL,
            "ClusterAmbiguous",
            f"there is an InferenceCluster {spec.cluster.name} in each of {', '.join(sorted(owners))}: "
            "say which in spec.cluster.namespace",
        )
    admitted = [c for c in found if c.admits(namespace)]
    usable = without_own(request, [c for c in admitted if not c.waiting_for])
    if not usable:
        return _no_cluster(spec.cluster, namespace, found, admitted)
    choices = choose(spec, what, usable)
    return choices if choices.best else nowhere(spec, what, usable, choices.refusals)


def trusted(candidate: Candidate, spec: ModelSpec, given: VLLMInput, namespace: str) -> bool:
    """Tell whether a Model may go to a cluster unasked: its owner reads what runs there."""
    owner = candidate.claim.namespace
    if spec.cluster is not None and spec.cluster.namespace == owner:
        return True
    return owner == namespace or any(fnmatchcase(owner, p) for p in given.cluster_namespaces)


def facts_of(spec: ModelSpec, given: VLLMInput) -> ModelFacts | None:
    """Return the model's numbers: the spec's, the platform's or the catalog's."""
    architecture = spec.architecture or given.architectures.get(spec.model)
    if architecture is not None:
        return memory.of_architecture(spec.model, architecture)
    return models().get(spec.model)


def unknown_model(name: str) -> Invalid:
    """Say what to add for a model whose numbers nobody gave."""
    close = nearest(name, list(models()))
    hint = f"Did you mean {' or '.join(close)}? If not, add" if close else "Add"
    return Invalid(
        "spec.model",
        f"{name} is not in the catalog, so its size is not known",
        f"{hint} spec.architecture with parametersBillions, layers, attentionHeads, kvHeads, headDim and "
        "maxContextLength from the model's config.json",
        reason="UnknownModel",
    )


def _no_cluster(
    wanted: ClusterChoice | None, namespace: str, found: list[Candidate], admitted: list[Candidate]
) -> Condition:
    """Say why no cluster takes the Model, naming only clusters that admit it or that it names."""
    if admitted:
        reasons = "; ".join(f"{c.claim.name}: {c.waiting_for}" for c in admitted)
        return waiting(Whose.INFRASTRUCTURE, "ClusterNotReady", f"waits for a cluster. {reasons}")
    if found:
        those = wanted.name if wanted and wanted.name else "any InferenceCluster"
        return waiting(
            Whose.PLATFORM,
            "NamespaceNotAllowed",
            f"namespace {namespace} may not use {those}: ask its owner to add {namespace} to "
            "spec.allowedNamespaces",
        )
    if wanted is not None:
        return waiting(
            Whose.MODEL,
            "ClusterNotFound",
            f"there is no InferenceCluster {_in_words(wanted)} in this namespace or one that the platform "
            "shares: correct spec.cluster, say its namespace in spec.cluster.namespace, or leave it out",
        )
    return waiting(
        Whose.PLATFORM,
        "NoCluster",
        "there is no InferenceCluster in this namespace or one that the platform shares: ask the platform "
        "team to claim one, or name another in spec.cluster",
    )


def _in_words(wanted: ClusterChoice) -> str:
    if wanted.name:
        return f"{wanted.namespace}/{wanted.name}" if wanted.namespace else wanted.name
    return "with labels " + ", ".join(f"{k}={v}" for k, v in sorted((wanted.match_labels or {}).items()))
