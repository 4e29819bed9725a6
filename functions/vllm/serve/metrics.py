"""Who reads an engine's metrics, and by what: a container beside the engine that lets those alone out.

The engine has one port for metrics and requests, so whoever reached it for the one could ask the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from functions.base import Request, View

from ..engine import Engine
from ..place.machine import GUARD
from ..plan import Plan
from .template import Pods, applied, is_rolling

__all__ = ["NAME", "PORT", "PROGRAM", "Ports", "guard", "ports", "readers"]

NAME, PORT = "metrics", 9000
"""Name of the container, and of its port."""
_NAMESPACE = "kubernetes.io/metadata.name"
PROGRAM = Path(__file__).with_name("metrics_guard.py").read_text()
"""What it runs."""
_SHELL = 'trap "exit 0" TERM; while :; do python3 -I -S -c "$0" "$@" & wait $!; sleep 2; done'
"""A container that ends makes its pod unready, and the Model with it: the shell stays, whatever ends."""


def guard(engine: Engine, image: str) -> dict[str, Any]:
    """Return the container, which the kubelet starts before the engine and ends after it.

    Args:
        engine: the Model's.
        image: the engine's own, which is on the node, and has Python.
    """
    return {
        "name": NAME,
        "image": image,
        "restartPolicy": "Always",
        "command": ["sh", "-c", _SHELL, PROGRAM, str(PORT), str(engine.port), engine.metrics_path],
        "ports": [{"name": NAME, "containerPort": PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": f"{GUARD.cpu_millicores}m", "memory": f"{GUARD.memory_mib}Mi"},
            "limits": {"memory": "96Mi"},
        },
    }


class Ports(NamedTuple):
    """At which ports of serving pods metrics are read."""

    own: bool
    """At that of the container."""
    engines: bool
    """At the engine's, where requests are answered, too."""


def ports(request: Request, plan: Plan, workload: str, policy: str, pods: Pods) -> Ports:
    """Return where metrics are read: at the engine's port as long as there may be pods of an older package.

    What has been closed is opened for no later rollout.

    Args:
        request: the Model's.
        plan: of the Model.
        workload: composed resource that runs the pods.
        policy: composed resource that says who reaches them.
        pods: templates of the pods to be.
    """
    if not _is_guarded(pods.templates):
        return Ports(own=False, engines=True)
    live, before = request.resource(workload), request.resource(policy)
    if live is None:
        return Ports(own=True, engines=False)
    if not _is_guarded(applied(live, pods)):
        return Ports(own=True, engines=True)
    return Ports(own=True, engines=before is not None and _lets_in(before, plan) and is_rolling(live))


def _lets_in(policy: View, plan: Plan) -> bool:
    """Tell whether a live policy lets readers to the engine's port."""
    whose = {*plan.metrics.namespaces, *(pods.namespace for pods in plan.metrics.pods)}
    return any(
        peer.text("namespaceSelector", "matchLabels", _NAMESPACE) in whose
        for rule in policy.each("spec", "forProvider", "manifest", "spec", "ingress")
        if any(port.number("port") == plan.engine.port for port in rule.each("ports"))
        for peer in rule.each("from")
    )


def _is_guarded(templates: Mapping[str, Any]) -> bool:
    specs = [template["spec"] for template in templates.values()]
    return any(each["name"] == NAME for spec in specs for each in spec.get("initContainers", ()))


def readers(plan: Plan) -> list[dict[str, Any]]:
    """Return whom a network policy admits to metrics: namespaces, and pods of namespaces by their labels."""
    whole = [{"namespaceSelector": _named(namespace)} for namespace in plan.metrics.namespaces]
    some = [
        {
            "namespaceSelector": _named(pods.namespace),
            "podSelector": {"matchLabels": dict(sorted(pods.labels.items()))},
        }
        for pods in plan.metrics.pods
        if pods.namespace not in plan.metrics.namespaces
    ]
    return [*whole, *some]


def _named(namespace: str) -> dict[str, Any]:
    return {"matchLabels": {_NAMESPACE: namespace}}
