"""A cluster that is there already: a way in and declared pools, nothing in any cloud."""

from __future__ import annotations

from functions.api import ClusterSpec, Existing, NodePool, NodePoolsInput, PoolStatus
from functions.base import Condition, Invalid, Outcome, Progress, Request, Status, Whose
from functions.catalog import GPU, gpus

from . import access
from .likely import did_you_mean, likely_first
from .plan import UNKNOWN_GPU, Pool, recorded, summary

__all__ = ["compose"]


def compose(request: Request, spec: ClusterSpec, given: NodePoolsInput) -> Outcome:
    """Take the cluster over.

    Raises:
        Invalid: for a GPU that the catalog does not know.
    """
    place = spec.existing
    assert place is not None, "chosen by the spec"
    _refuse_a_move(request)
    before = recorded(request).pools
    pools = tuple(_pool(i, pool, before.get(pool.name)) for i, pool in enumerate(spec.node_pools))
    way = _way(request, place, given)
    answered = access.is_reachable(request)
    status = {
        "access": way.status.plain(),
        "nodePools": [pool.status(ready=answered).plain() for pool in pools],
        "sharedStorage": place.shared_storage,
    }
    if place.storage_class_name is not None:
        status["storageClassName"] = place.storage_class_name
    return Outcome(
        resources=access.resources(way),
        conditions=_conditions(way, pools),
        status=status,
        notes=_notes(spec),
    )


def _refuse_a_move(request: Request) -> None:
    """Pointing a claim elsewhere would delete the cluster that it made, with everything on it."""
    if request.resource("node-pools/cluster") is not None:
        raise Invalid(
            "spec.existing",
            "this claim created a cluster in a cloud, which would be deleted",
            "Restore the claim as it was, and claim the existing cluster under another name",
        )


def _way(request: Request, place: Existing, given: NodePoolsInput) -> access.Way:
    """Reach it by a Secret next to the claim: any other would not be the claim's to use."""
    secret, namespace = place.kubeconfig_secret_ref, access.platform_namespace(request, given)
    assert secret is not None, "refused by Existing"
    return access.Way(
        composite=request.name,
        namespace=namespace,
        secret_namespace=request.claim.namespace or namespace,
        secret=secret.name,
        key=secret.key,
    )


def _pool(index: int, asked: NodePool, record: PoolStatus | None) -> Pool:
    assert asked.gpu is not None, "refused by ClusterSpec"
    model, count = asked.gpu.model, asked.gpu.count
    if record is not None and (record.gpu_model, record.gpus_per_node) == (model, count):
        memory, selector = record.gpu_memory_mib, record.node_selector
    else:
        gpu = _gpu(f"spec.nodePools[{index}].gpu.model", model)
        memory, selector = gpu.memory_mib or 0, _labels(gpu, count)
    return Pool(
        asked.name, model, count, memory, asked.nodes, asked.capacity, asked.disk_gib, node_selector=selector
    )


def _gpu(at: str, model: str) -> GPU:
    known = gpus()
    usable = sorted(name for name, gpu in known.items() if gpu.memory_mib is not None)
    gpu = known.get(model)
    if gpu is None:
        known_first = f"Known are {', '.join(likely_first(model, usable))}"
        raise Invalid(at, UNKNOWN_GPU.format(model), f"{did_you_mean(model, usable)}{known_first}")
    if gpu.memory_mib is None:
        raise Invalid(at, f"the memory of {model} is not known", f"Known are {', '.join(usable)}")
    return gpu


def _labels(gpu: GPU, count: int) -> dict[str, str]:
    """Return the labels that GPU Feature Discovery gives such a node."""
    product = {"nvidia.com/gpu.product": gpu.product} if gpu.product else {}
    return {**product, "nvidia.com/gpu.count": str(count)}


def _conditions(way: access.Way, pools: tuple[Pool, ...]) -> tuple[Condition | Progress, ...]:
    secret = f"Secret {way.secret_namespace}/{way.secret}"
    return (
        Condition("Planned", Status.TRUE, "Planned", summary(pools), Whose.PLATFORM),
        Condition(
            "NetworkReady",
            Status.TRUE,
            "NothingToCreate",
            "the cluster is there already, and so is its network",
            Whose.PLATFORM,
        ),
        Progress(
            "ControlPlaneReady",
            (access.KUBERNETES, access.HELM, access.REACHABLE),
            "the cluster's API answers",
            Whose.PLATFORM,
            f"Check that {secret} holds a kubeconfig under key {way.key}, that its server can be reached "
            "from the control plane, and that its user may do everything",
        ),
        Progress(
            "NodePoolsReady",
            (access.REACHABLE,),
            "the pools are taken as declared: their nodes are there already",
            Whose.PLATFORM,
        ),
    )


def _notes(spec: ClusterSpec) -> tuple[str, ...]:
    if spec.kubernetes_version is None:
        return ()
    return ("spec.kubernetesVersion has no effect: an existing cluster keeps its version",)
