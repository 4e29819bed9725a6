"""A render for people: conditions, results, status, and a tree of the composed resources."""

import re
from collections.abc import Iterator

from rich.text import Text
from rich.tree import Tree

from tools.manifests import Manifest, dump, label, resource_name
from tools.objects import inner
from tools.rendering import Rendered
from tools.settle import Settled

_UNREADY = re.compile(r'Composed resource "([^"]+)" is not yet ready')
_LONGEST_STATUS = 12
"""Lines of YAML; of a longer field of the status only the name is shown."""


def unready(rendered: Rendered) -> set[str]:
    """Return the names in the composition of resources that the reconciler calls not ready."""
    messages = (str(result.get("message", "")) for result in rendered.results)
    return {found[1] for message in messages if (found := _UNREADY.search(message))}


def conditions(rendered: Rendered) -> Iterator[str]:
    """Yield 'Type=Status Reason: message' of the XR's conditions."""
    for condition in rendered.conditions:
        head = f"{condition['type']}={condition['status']} {condition.get('reason', '')}".rstrip()
        message = condition.get("message")
        yield f"{head}: {message}" if message else head


def results(rendered: Rendered) -> Iterator[str]:
    """Yield 'Severity: message' of the functions' results and of the reconciler's warnings."""
    for result in rendered.results:
        message = str(result.get("message", ""))
        if message.startswith("Pipeline step ") or result.get("severity") != "Normal":
            yield f"{result.get('severity')}: {message}"


def status(rendered: Rendered) -> Iterator[str]:
    """Yield the XR's status as lines of YAML; of a long field only the name."""
    for key, value in (rendered.xr.get("status") or {}).items():
        if key in {"conditions", "claimConditionTypes", "connectionDetails"}:
            continue
        lines = dump([{key: value}]).splitlines()[1:]
        yield from lines if len(lines) <= _LONGEST_STATUS else [f"{key}: # {len(lines)} lines"]


def tree(settled: Settled, title: str) -> Tree:
    """Return a tree of the XR and its composed resources, grouped by the round that first composed them.

    A line shows kind, name and whether the resource is ready in the end; of an Object also the manifest
    that it holds.
    """
    waiting = unready(settled.rendered)
    top = Tree(title)
    xr = top.add(Text.assemble(label(settled.xr), "  ", _state(settled.rendered)))
    waves: dict[int, Tree] = {}
    for manifest in sorted(settled.composed, key=settled.wave):
        number = settled.wave(manifest)
        if number not in waves:
            waves[number] = xr.add(f"wave {number}")
        waves[number].add(_line(manifest, ready=resource_name(manifest) not in waiting))
    return top


def _state(rendered: Rendered) -> Text:
    if rendered.fatal is not None:
        return Text("FATAL", style="red")
    return _ready(any(c["type"] == "Ready" and c["status"] == "True" for c in rendered.conditions))


def _ready(ready: bool) -> Text:
    return Text("ready", style="green") if ready else Text("not ready", style="yellow")


def _line(manifest: Manifest, *, ready: bool) -> Text:
    within = inner(manifest)
    inside = f" [{label(within)}]" if within else ""
    name = manifest["metadata"].get("name", "")
    return Text.assemble(f"{manifest['kind']} {name}{inside}  ", _ready(ready))
