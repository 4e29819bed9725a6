"""What a Deployment says itself when its pods do not come; Crossplane and the provider see no fault in it."""

from __future__ import annotations

from functions.base import Condition, Request, Status, Whose, condition_true

from ..serve.deployment import serving

__all__ = ["stuck"]

_SAID = ("status", "atProvider", "manifest", "status", "conditions")


def stuck(request: Request) -> Condition | None:
    """Return the condition Serving of pods that are refused or late; None where there is nothing to say.

    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment
    """
    workload = request.resource(serving(request.observed))
    if workload is None or condition_true()(workload):
        return None
    said = {condition.text("type"): condition for condition in workload.each(*_SAID)}
    refused, progress = said.get("ReplicaFailure"), said.get("Progressing")
    if refused is not None and refused.text("status") == "True":
        why = (refused.text("message") or "").rstrip(". \n")
        text = (
            f"the cluster refuses the Model's pods: {why}. Ask the cluster's owner to admit them; they are "
            "tried again"
        )
        return Condition("Serving", Status.FALSE, "PodsRefused", text, Whose.PLATFORM)
    if progress is not None and progress.text("reason") == "ProgressDeadlineExceeded":
        namespace = workload.text("spec", "forProvider", "manifest", "metadata", "namespace")
        text = (
            "the Model's pods are not ready in the time that loading may take. Ask the cluster's owner what "
            f"`kubectl describe pods --namespace {namespace}` and their logs say there"
        )
        return Condition("Serving", Status.FALSE, "PodsNotReady", text, Whose.MODEL)
    return None
