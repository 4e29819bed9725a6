"""What the agent in a Model's cluster reports of the Model's pods, as evidence and as a condition.

Without an agent there is no report, and what the workload says itself is told, as before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from functions.api import ModelSpec, PodReport, PodsOf, PodTrouble, Trouble, contract
from functions.base import Condition, Request, Resource, Status, View, Whose, exists

from ..plan import Plan
from ..serve.objects import in_cluster

__all__ = ["POD_REPORT", "evidence", "pod_report", "pods_in_trouble", "reported"]

POD_REPORT = "vllm/pod-report"
"""Composed resource: the report that the agent writes in the Model's namespace."""

_REPORT = ("status", "atProvider", "manifest", "report")
"""Where an Object has the content of the report in the cluster."""


def pod_report(plan: Plan) -> Resource:
    """Compose the Object of the report: created empty, then only looked at.

    That the report exists tells the agent which namespaces are a Model's. It is watched, so that a
    change reaches this Model, and no other one, at once; it goes with the namespace.
    """
    manifest = {
        "apiVersion": contract.REPORT_API_VERSION,
        "kind": contract.REPORT_KIND,
        "metadata": {"name": contract.REPORT_NAME, "namespace": plan.placement.namespace},
    }
    label = "the report of the Model's pods"
    policies = ("Observe", "Create")
    made = in_cluster(plan, POD_REPORT.partition("/")[2], manifest, label=label, policies=policies)
    # Where no agent is installed, nothing waits for its report.
    return replace(made, ready=exists)


def reported(request: Request) -> PodReport | None:
    """Return what the agent reports; None where there is no agent, or nothing reported yet."""
    view = request.resource(POD_REPORT)
    return None if view is None else view.parsed(PodReport, *_REPORT)


def evidence(request: Request) -> dict[str, Any]:
    """Return the report as a part of the status; None takes out one that there is no more."""
    found = reported(request)
    if found is not None:
        return {"pods": found.plain()}
    return {"pods": None} if View(request.composite).has("status", "pods") else {}


def pods_in_trouble(
    request: Request, component: str, type_: str, spec: ModelSpec | None = None
) -> Condition | None:
    """Return the condition of pods that do not do their work; None where no trouble is reported.

    Args:
        request: the Model's.
        component: contract.SERVING or contract.DOWNLOAD.
        type_: of the condition.
        spec: the Model's; None for pods of another spec than the present one.
    """
    found = reported(request)
    pods: PodsOf | None = getattr(found, component) if found else None
    if found is None or pods is None or pods.trouble is None:
        return None
    trouble = pods.trouble
    advice = _ADVICE[trouble.reason]
    own = spec is not None and advice.by_spec is not None and advice.by_spec(spec)
    next_step = advice.of_spec if own else advice.next_step
    if component == contract.DOWNLOAD and advice.of_download:
        next_step = advice.of_download
    text = f"{advice.what}{_whom(trouble, found)}: {trouble.message.rstrip('. ')}. {next_step}"
    whose = Whose.MODEL if own else advice.whose
    return Condition(type_, Status.FALSE, trouble.reason.value, text, whose)


def _whom(trouble: PodTrouble, told: PodReport) -> str:
    """Name the pod, its node, since when and when that was seen, in brackets."""
    pod = [f"pod {trouble.pod}"] if trouble.pod else []
    node = [f"node {trouble.node}"] if trouble.node else []
    seen = [f"seen {told.observed_at}"] if told.observed_at else []
    return f" ({', '.join([*pod, *node, f'since {trouble.since}', *seen])})"


class _Advice(NamedTuple):
    """What a trouble means, whose it is and what to do."""

    whose: Whose
    what: str
    next_step: str
    of_download: str = ""
    """The next step where it is a download's; empty: the same."""
    by_spec: Callable[[ModelSpec], bool] | None = None
    """Tells whether the spec may be the cause, so that the app team can act."""
    of_spec: str = ""
    """The next step then."""


_RETRIED = "Kubernetes tries again by itself"
_ADVICE = {
    Trouble.OUT_OF_GPU_MEMORY: _Advice(
        Whose.MODEL,
        "the GPU's memory does not suffice",
        "Lower spec.contextLength or spec.concurrency, or ask for a larger GPU in spec.gpu",
    ),
    Trouble.OUT_OF_MEMORY: _Advice(
        Whose.MODEL,
        "a pod needs more memory than it may have",
        "Set spec.engine.resources.memory to more",
        of_download=f"{_RETRIED}, and complete files are kept. If this lasts, tell the platform team",
    ),
    Trouble.CRASH_LOOP: _Advice(
        Whose.MODEL,
        "the engine ends when it should serve",
        "Look up the error with the model's name. spec.engine.image names another version of the engine",
        of_download=f"{_RETRIED}. Check that the model and its revision exist and, for a gated model, that "
        "spec.source.huggingFace.tokenSecretRef names a Secret with access",
        by_spec=lambda spec: bool(spec.engine.args or spec.engine.env or spec.engine.image),
        of_spec="Take spec.engine.args, spec.engine.env and spec.engine.image back, to see whether they are "
        "the cause",
    ),
    Trouble.IMAGE_PULL: _Advice(
        Whose.PLATFORM,
        "a node cannot pull the image",
        f"{_RETRIED}. Ask the cluster's owner whether its nodes reach the image's registry",
        by_spec=lambda spec: bool(spec.engine.image),
        of_spec="Check spec.engine.image: it must exist, and the cluster's nodes must be able to pull it",
    ),
    Trouble.CONTAINER_NOT_STARTED: _Advice(
        Whose.PLATFORM,
        "a node cannot start the container",
        f"{_RETRIED}. If this lasts, ask the cluster's owner to look at the node",
        of_download="If spec.source.huggingFace.tokenSecretRef is set, check that the Secret has the "
        "key; else ask the cluster's owner to look at the node",
    ),
    Trouble.VOLUME_NOT_MOUNTED: _Advice(
        Whose.INFRASTRUCTURE,
        "a node cannot mount the volume of the weights",
        f"{_RETRIED}. If this lasts, ask the cluster's owner to look at the volume and its driver",
    ),
    Trouble.NODE_LOST: _Advice(
        Whose.INFRASTRUCTURE,
        "the node of a pod does not answer",
        "After five minutes Kubernetes starts another pod where the node pool has room. If it has none, ask "
        "the cluster's owner to replace the node",
    ),
    Trouble.PROBE_FAILING: _Advice(
        Whose.MODEL,
        "a pod runs and does not answer",
        "Kubernetes starts it again where it does not recover. If this comes again, lower spec.concurrency "
        "or raise spec.replicas.min",
    ),
    Trouble.NODE_REFUSED: _Advice(
        Whose.INFRASTRUCTURE,
        "a node refuses a pod",
        f"{_RETRIED}. If this lasts, ask the cluster's owner to look at the node and its GPUs",
    ),
    Trouble.PODS_REFUSED: _Advice(
        Whose.PLATFORM,
        "the cluster refuses the Model's pods",
        "Ask the cluster's owner to admit them; Kubernetes keeps trying",
    ),
    Trouble.VOLUME_ELSEWHERE: _Advice(
        Whose.INFRASTRUCTURE,
        "the volume of the weights is where no pod of the Model can run now",
        "Wait until a GPU in the volume's zone is free, or delete the Model and create it again: its weights "
        "are then downloaded where a GPU is free",
    ),
    Trouble.VOLUME_PENDING: _Advice(
        Whose.PLATFORM,
        "the volume of the weights cannot be made",
        f"{_RETRIED}. Ask the cluster's owner to look at the StorageClass and the cloud's quota of volumes",
    ),
    Trouble.NO_FREE_GPUS: _Advice(
        Whose.INFRASTRUCTURE,
        "a pod waits for GPUs",
        "An autoscaler may be adding a node. If this lasts, ask the cluster's owner to raise nodes.max of "
        "the node pool or the cloud's quota, or delete a Model that nobody needs",
    ),
    Trouble.NO_ROOM: _Advice(
        Whose.PLATFORM,
        "a pod finds no node with enough CPU, memory or disk",
        "Ask the cluster's owner for larger machines in the node pool",
        by_spec=lambda spec: bool(spec.engine.resources.cpu or spec.engine.resources.memory),
        of_spec="Lower spec.engine.resources, or ask the cluster's owner for larger machines",
    ),
    Trouble.NODES_TAINTED: _Advice(
        Whose.PLATFORM,
        "the node pool's nodes take no pods of Models",
        "Ask the cluster's owner to uncordon the nodes, to take the taint off, or to add the taint to the "
        "node pool's spec. If it is there already, set spec.engine.restartedAt to the time",
    ),
    Trouble.NO_MATCHING_NODE: _Advice(
        Whose.INFRASTRUCTURE,
        "the node pool has no node yet",
        "An autoscaler may be adding one. If this lasts, ask the cluster's owner whether the cloud has such "
        "machines to give, and whether the nodes have the labels of the node pool",
    ),
    Trouble.UNSCHEDULABLE: _Advice(
        Whose.PLATFORM,
        "the scheduler finds no node for a pod",
        "Ask the cluster's owner what keeps the pod from its nodes",
    ),
    Trouble.EVICTED: _Advice(
        Whose.INFRASTRUCTURE,
        "a pod was sent away from its node",
        "Kubernetes starts another one. If this comes again, ask the cluster's owner to look at the node",
    ),
}
"""Each trouble that an agent may report."""
