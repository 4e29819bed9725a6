"""What serves a Model, and how to move to what is newer."""

from __future__ import annotations

from functions.api import EngineStatus

from ..plan import Plan, newer
from ..serve.template import Pods

__all__ = ["engine_status", "out_of_date"]


def out_of_date(plan: Plan, pods: Pods) -> str:
    """Say what newer there is than what serves the Model, and how to move to it; empty where nothing is.

    Args:
        plan: of the Model.
        pods: of its workload.
    """
    if old := plan.engine.too_old(plan.image):
        return (
            f"{old}. The Model's pods stay as they are, whatever the spec asks of them. To restart the Model "
            f"with a newer one, set spec.engine.image to {newer(plan.engine, plan.latest_image)}"
        )
    if pods.untolerated:
        return (
            f"Node pool {plan.placement.node_pool} has a taint now that the Model's pods do not tolerate: "
            "one that stops does not come back there. To restart the Model with pods that tolerate it, set "
            "spec.engine.restartedAt to the time"
        )
    if plan.image != plan.latest_image:
        return (
            f"The platform's engine image is now {plan.latest_image}. To restart the Model with it, set "
            "spec.engine.image to it"
        )
    if pods.outdated:
        return (
            "The platform makes a Model's pods otherwise now. To restart the Model with such pods, set "
            "spec.engine.restartedAt to the time"
        )
    return ""


def engine_status(plan: Plan, update: str) -> EngineStatus:
    """Return the status of the engine.

    Args:
        plan: of the Model.
        update: what is out of date, in words; empty where nothing is.
    """
    latest = plan.latest_image if plan.latest_image != plan.image else None
    return EngineStatus(image=plan.image, latest=latest, update=update or None)
