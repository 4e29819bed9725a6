"""Who reads an engine's metrics, and by what: a container beside the engine that lets those alone out.

The engine has one port for metrics and requests, so whoever reached it for the one could ask the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engine import Engine
from ..place.machine import GUARD
from ..plan import Plan

__all__ = ["NAME", "PORT", "PROGRAM", "guard", "is_guarded", "readers"]

NAME, PORT = "metrics", 9000
"""Name of the container, and of its port."""
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


def is_guarded(templates: Mapping[str, Any]) -> bool:
    """Tell whether pods that answer requests have the container; those of an older package have none.

    Args:
        templates: of a workload's pods, by their name in the workload.
    """
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
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
