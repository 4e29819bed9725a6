"""On which node pool of given clusters a Model would be placed: the functions' own decision, pool by pool."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from functions.api import ModelSpec, Placement, PoolStatus, VLLMInput, contract
from functions.base import Condition, Function, Invalid, Outcome, Request, Selector, Status, Unanswered, View
from functions.node_pools.compose import FUNCTION as NODE_POOLS
from functions.vllm.compose import FUNCTION as VLLM
from functions.vllm.engine import engine_of
from functions.vllm.live.stay import recorded_placement
from functions.vllm.place.clusters import Cluster, all_clusters, read
from functions.vllm.place.devices import describe, free_devices, most_devices
from functions.vllm.place.pools import Choice, fit_pool
from functions.vllm.place.search import trusted
from functions.vllm.plan import image_of
from functions.vllm.size.memory import Fit
from functions.vllm.size.need import Need, facts_of, need
from functions.vllm.size.stated import refuse_stated
from tools import inputs
from tools.claims import CLAIM_NAME, CLAIM_NAMESPACE
from tools.definitions import Definitions
from tools.errors import Exit, ToolError
from tools.manifests import Manifest, label
from tools.offers import with_offers
from tools.unknown_fields import require_known_fields

MODEL = "XModel"


class ClaimInvalidError(ToolError):
    """A claim that a function would refuse, in the function's words."""

    exit = Exit.REFUSED


@dataclass(frozen=True)
class Row:
    """What the Model would need on one node pool, and why the pool is or is not chosen."""

    cluster: str
    """The cluster's claim, as namespace/name."""
    pool: str
    """Empty for a cluster that is left out with all its pools."""
    why: str
    chosen: bool = False
    gpu_model: str = ""
    fit: Fit | None = None
    """The memory of a replica; None for a pool that is refused before its memory matters."""
    takes: str = ""
    """The GPUs of a replica, such as '2 nodes of 4 L4'; empty where `fit` is None."""
    hourly_usd: float | None = None
    """Listed price of those GPUs, in US dollars per hour."""
    free: int = 0
    """GPUs, or slices of shared GPUs, that no Model has."""
    most: int = 0
    """GPUs or slices of the pool with its maximum of nodes."""


@dataclass(frozen=True)
class Decision:
    """The placement of the Model, and the verdict on every pool."""

    rows: Sequence[Row]
    placed: Condition
    """The condition Placed, as the function sets it."""
    sizing: Mapping[str, Any]
    """The Model's status.sizing; empty for a Model without a placement."""


def decide(model: Manifest, clusters: Iterable[Manifest], definitions: Definitions) -> Decision:
    """Place a Model on one of the clusters, as the function would.

    Args:
        model: a Model or XModel.
        clusters: InferenceClusters or XInferenceClusters; one without a status is planned from
            its spec and taken as ready.
        definitions: the compositions, which hold the functions' inputs.

    Raises:
        ClaimInvalidError: for a claim that a function refuses.
        RefusedError: for a claim with fields that there are not, as an API server refuses it.
        ToolError: for manifests that are no Model and no clusters.
    """
    if definitions.of(model).kind != MODEL:
        raise ToolError(f"{label(model)} is not a Model")
    clusters = list(clusters)
    require_known_fields([model, *clusters], definitions)
    known = [as_cluster(manifest, definitions) for manifest in clusters]
    try:
        request, outcome = compose(model, known, definitions)
        spec, given = request.spec(ModelSpec), request.parameters(VLLMInput)
        rows = _rows(request, spec, given, [read(View(each)) for each in known])
    except Invalid as invalid:
        raise ClaimInvalidError(str(invalid)) from invalid
    placed = next(c for c in outcome.conditions if isinstance(c, Condition) and c.type == "Placed")
    return Decision(rows, placed, outcome.status.get("sizing", {}))


def compose(
    model: Manifest, clusters: Sequence[Manifest], definitions: Definitions
) -> tuple[Request, Outcome]:
    """Run the function over a new Model; XInferenceClusters with a status are all that there is.

    Raises Invalid for a Model that the function refuses.
    """
    return _run(VLLM, _as_xr(model, definitions), definitions, with_offers(clusters))


def as_cluster(manifest: Manifest, definitions: Definitions) -> Manifest:
    """Return the XR of a cluster with the status that a Model reads.

    Raises:
        ClaimInvalidError: for a claim that cannot be planned.
        ToolError: for a manifest that is no cluster.
    """
    if definitions.of(manifest).kind != contract.CLUSTER_KIND:
        raise ToolError(f"{label(manifest)} is not an InferenceCluster")
    xr = _as_xr(manifest, definitions)
    if manifest.get("status"):
        return xr
    try:
        _, outcome = _run(NODE_POOLS, xr, definitions, [])
    except Invalid as invalid:
        raise ClaimInvalidError(f"{label(manifest)}: {invalid}") from invalid
    ready = {"type": "ControlPlaneReady", "status": "True", "reason": "Available"}
    return xr | {"status": {**outcome.status, "conditions": [ready]}}


def _as_xr(manifest: Manifest, definitions: Definitions) -> Manifest:
    """Return the XR with the labels and conditions that Crossplane would give it."""
    if not (manifest.get("metadata") or {}).get("name"):
        raise ToolError(f"{label(manifest)}: metadata.name is missing")
    xr = inputs.as_xr(manifest, definitions)
    conditions = (manifest.get("status") or {}).get("conditions")
    if conditions:
        xr = xr | {"status": {**(xr.get("status") or {}), "conditions": conditions}}
    claim = (xr.get("spec") or {}).get("claimRef") or {}
    labels = {CLAIM_NAME: claim.get("name"), CLAIM_NAMESPACE: claim.get("namespace")}
    own = xr["metadata"].get("labels") or {}
    return xr | {"metadata": {**xr["metadata"], "labels": {**{k: v for k, v in labels.items() if v}, **own}}}


def _run(
    function: Function, xr: Manifest, definitions: Definitions, known: Sequence[Manifest]
) -> tuple[Request, Outcome]:
    """Call a function until it requires no resource that it was not given."""
    answers: dict[str, tuple[Mapping[str, Any], ...]] = {}
    while True:
        request = Request(
            composite=xr,
            observed={},
            composed_before={},
            status_before={},
            answers=answers,
            input=_input(function, xr, definitions),
        )
        outcome = None
        with suppress(Unanswered):
            outcome = function.compose(request)
        asked = {key: s for key, s in request.requirements.items() if key not in answers}
        if outcome is not None and not asked:
            return request, outcome
        for key, selector in asked.items():
            answers[key] = tuple(each for each in known if _selects(selector, each))


def _input(function: Function, xr: Manifest, definitions: Definitions) -> Manifest:
    """Return the input that the composition gives a function."""
    steps = definitions.composition(xr).manifest["spec"]["pipeline"]
    name = f"function-{function.name}"
    return next((s.get("input") or {} for s in steps if s["functionRef"]["name"] == name), {})


def _selects(selector: Selector, manifest: Manifest) -> bool:
    if (manifest["apiVersion"], manifest["kind"]) != (selector.api_version, selector.kind):
        return False
    metadata = manifest["metadata"]
    if selector.name is not None:
        return bool(metadata["name"] == selector.name)
    labels = metadata.get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.labels)


def _rows(request: Request, spec: ModelSpec, given: VLLMInput, known: Iterable[Cluster]) -> list[Row]:
    """Return a row for every pool of every cluster, in the order of the clusters' claims."""
    recorded = recorded_placement(request)
    if recorded is None:
        refuse_stated(spec, given)
    facts = facts_of(spec, given)
    if facts is None:
        return []
    if recorded is None:
        engine_of(spec).refuse_model(spec, image_of(spec, given, None), facts)
    replica = need(spec, facts)
    named = {c.name for c in all_clusters(request, spec)} if recorded is None else set()
    judged: list[Choice | Row] = []
    for cluster in sorted(known, key=lambda c: (c.claim.namespace, c.claim.name, c.name)):
        here = recorded is not None and recorded.cluster == cluster.name
        out = "" if here else _left_out(request, spec, given, cluster, named, recorded)
        pools = cluster.status.node_pools or []
        judged += [_judged(spec, replica, cluster, pool, out) for pool in pools]
        if not pools:
            judged.append(Row(_claim(cluster), "", out))
    return _compared(judged, recorded)


def _left_out(
    request: Request,
    spec: ModelSpec,
    given: VLLMInput,
    cluster: Cluster,
    named: set[str],
    recorded: Placement | None,
) -> str:
    """Return why a cluster is left out; empty when it is not."""
    namespace = request.claim.namespace
    if recorded is not None:
        return f"the Model stays on {recorded.claim}"
    if cluster.name not in named:
        return "spec.cluster names another cluster"
    if not trusted(cluster, spec, given, namespace):
        return f"{namespace} does not trust {cluster.claim.namespace}: name it in spec.cluster.namespace"
    if not cluster.admits(namespace):
        return f"its spec.allowedNamespaces does not admit {namespace}"
    return cluster.waiting_for


def _judged(spec: ModelSpec, replica: Need, cluster: Cluster, pool: PoolStatus, out: str) -> Choice | Row:
    """Fit the Model on a pool; the pool of a cluster that is left out says what the Model would need too."""
    found = fit_pool(spec, replica, cluster, pool)
    if isinstance(found, Choice):
        return found if not out else _row(found, out)
    fit, shared = found.closest, pool.sharing is not None
    takes = describe(fit.gpus, fit.nodes, pool.gpu_model, shared=shared) if fit else ""
    return Row(
        _claim(cluster),
        pool.name,
        out or found.why,
        gpu_model=pool.gpu_model,
        fit=fit,
        takes=takes,
        free=free_devices(pool),
        most=most_devices(pool),
    )


def _row(choice: Choice, why: str, *, chosen: bool = False) -> Row:
    return Row(
        _claim(choice.cluster),
        choice.pool.name,
        why,
        chosen,
        gpu_model=choice.pool.gpu_model,
        fit=choice.fit,
        takes=choice.takes,
        hourly_usd=choice.hourly_usd,
        free=free_devices(choice.pool),
        most=most_devices(choice.pool),
    )


def _compared(judged: Sequence[Choice | Row], recorded: Placement | None) -> list[Row]:
    """Mark the chosen pool, and say of every other pool that fits why it was not chosen."""
    choices = [j for j in judged if isinstance(j, Choice)]
    best = min(choices, key=lambda choice: choice.order, default=None)
    rows = []
    for each in judged:
        if isinstance(each, Row):
            rows.append(each)
            continue
        assert best is not None, "this one is a choice"
        if recorded is not None:
            chosen = each.pool.name == recorded.node_pool
            why = "the Model is placed here" if chosen else f"the Model stays on pool {recorded.node_pool}"
        else:
            chosen = each is best
            why = "the lowest price, then the fewest GPUs" if chosen else each.behind(best)
        rows.append(_row(each, why, chosen=chosen))
    return rows


def _claim(cluster: Cluster) -> str:
    claim = cluster.claim
    return f"{claim.namespace}/{claim.name}" if claim.namespace else claim.name


def is_placed(decision: Decision) -> bool:
    """Tell whether the Model is placed."""
    return decision.placed.status is Status.TRUE
