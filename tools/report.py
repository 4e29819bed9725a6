"""What a person reads of a render: conditions, results, a tree of what was composed."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tools.manifests import Manifest, dump, label, resource_name
from tools.objects import inner
from tools.rendering import Rendered
from tools.settle import Settled

_UNREADY = re.compile(r'Composed resource "([^"]+)" is not yet ready')
_LONGEST_STATUS = 12
"""Lines of YAML above which a field of the status is only named."""


def unready(rendered: Rendered) -> set[str]:
    """Return the names of composed resources that the reconciler calls not ready."""
    messages = (str(result.get("message", "")) for result in rendered.results)
    return {found[1] for message in messages if (found := _UNREADY.search(message))}


def conditions(rendered: Rendered) -> Iterator[str]:
    """Yield 'Type=Status Reason: message' of the XR's conditions."""
    for condition in rendered.conditions:
        head = f"{condition['type']}={condition['status']} {condition.get('reason', '')}".rstrip()
        message = condition.get("message")
        yield f"{head}: {message}" if message else head


def results(rendered: Rendered) -> Iterator[str]:
    """Yield 'Severity: message' of what the functions said; the reconciler's own are left out."""
    for result in rendered.results:
        message = str(result.get("message", ""))
        if message.startswith("Pipeline step ") or result.get("severity") != "Normal":
            yield f"{result.get('severity')}: {message}"


def status(rendered: Rendered) -> Iterator[str]:
    """Yield the XR's status as YAML lines, long fields only by name."""
    for key, value in (rendered.xr.get("status") or {}).items():
        if key in {"conditions", "claimConditionTypes", "connectionDetails"}:
            continue
        lines = dump([{key: value}]).splitlines()[1:]
        yield from lines if len(lines) <= _LONGEST_STATUS else [f"{key}: # {len(lines)} lines"]


def tree(settled: Settled, title: str) -> Iterator[str]:
    """Yield a tree: the XR, then what it composes by the round that first composed it.

    Each line has kind, name and whether it is ready in the end; an Object also
    names what is inside of it.
    """
    yield title
    waiting = unready(settled.rendered)
    waves: dict[int, list[Manifest]] = {}
    for manifest in settled.composed:
        waves.setdefault(settled.wave(manifest), []).append(manifest)
    blocks = [(f"wave {number}", [_line(m, waiting) for m in waves[number]]) for number in sorted(waves)]
    yield f"└─ {label(settled.xr)}{_state(settled.rendered)}"
    for text in _branches(blocks):
        yield f"   {text}"


def _state(rendered: Rendered) -> str:
    if rendered.fatal is not None:
        return "  FATAL"
    by_type = {c["type"]: c["status"] for c in rendered.conditions}
    return "  ready" if by_type.get("Ready") == "True" else "  not ready"


def _line(manifest: Manifest, waiting: set[str]) -> str:
    within = inner(manifest)
    inside = f" [{label(within)}]" if within else ""
    state = "not ready" if resource_name(manifest) in waiting else "ready"
    return f"{manifest['kind']} {manifest['metadata'].get('name', '')}{inside}  {state}"


def _branches(blocks: Iterable[tuple[str, list[str]]]) -> Iterator[str]:
    for (head, leaves), last in _with_last(list(blocks)):
        yield f"{'└─' if last else '├─'} {head}"
        for leaf, last_leaf in _with_last(leaves):
            yield f"{'   ' if last else '│  '}{'└─' if last_leaf else '├─'} {leaf}"


def _with_last(items: list[Any]) -> Iterator[tuple[Any, bool]]:
    for index, item in enumerate(items):
        yield item, index == len(items) - 1
