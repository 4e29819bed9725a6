"""Reconcile an XR again and again until nothing changes; composed resources are reported ready each time.

The rounds show in which order a composition creates resources, and which it has in the end, without a
cloud. No resource fails or takes time, unless the caller's `observer` says that it does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tools.definitions import Definitions
from tools.errors import ToolError
from tools.manifests import Manifest, resource_name
from tools.observe import found_nodes, observe
from tools.rendering import Rendered, render

MAX_ROUNDS = 40

Observer = Callable[[list[Manifest], Manifest], list[Manifest]]
"""Returns the observed resources of the next round, from the composed ones and their XR."""


@dataclass(frozen=True)
class Round:
    """One reconcile, and which composed resources it added and removed."""

    number: int
    rendered: Rendered
    new: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Settled:
    """The rounds of an XR until nothing changed, or until a function refused the XR."""

    rounds: list[Round]
    observed: list[Manifest]
    """The composed resources of the last round, as a cluster would show them."""

    @property
    def rendered(self) -> Rendered:
        """The last reconcile, which may have ended in a FATAL result."""
        return self.rounds[-1].rendered

    @property
    def xr(self) -> Manifest:
        """The XR with its last status and conditions: what a Model requires of a cluster."""
        return self.rendered.xr

    @property
    def composed(self) -> list[Manifest]:
        """The composed resources of the last round."""
        return self.rendered.composed

    def wave(self, manifest: Manifest) -> int:
        """Return the number of the round, from 1, that first composed a resource."""
        name = resource_name(manifest)
        return next(r.number for r in self.rounds if name in r.new)


def settle(
    xr: Manifest,
    targets: Mapping[str, str],
    *,
    observed: Sequence[Manifest] = (),
    required: Sequence[Manifest] = (),
    definitions: Definitions | None = None,
    observer: Observer = observe,
    max_rounds: int = MAX_ROUNDS,
) -> Settled:
    """Reconcile until a round changes neither a composed resource nor the XR's status.

    `observed` are the composed resources before the first round. A FATAL result ends the rounds early:
    see `Settled.rendered.fatal`.

    Raises:
        ToolError: when something still changes after `max_rounds`, with what changes.
    """
    rounds: list[Round] = []
    observed = list(observed)
    current = xr
    for number in range(1, max_rounds + 1):
        seen = [*required, *found_nodes(observed, current)]
        rendered = render(current, targets, observed=observed, required=seen, definitions=definitions)
        before = rounds[-1].rendered if rounds else Rendered(xr=xr)
        if rendered.fatal is not None:
            rounds.append(Round(number, rendered, (), ()))
            return Settled(rounds, observed)
        changed = changes(before, rendered)
        if rounds and not changed:
            return Settled(rounds, observed)
        rounds.append(_round(number, before, rendered))
        observed = observer(rendered.composed, rendered.xr)
        current = rendered.xr
    raise ToolError(
        f"{xr['kind']} {xr['metadata']['name']} still changes after {max_rounds} rounds:\n"
        + "\n".join(f"  {change}" for change in changed)
    )


def _round(number: int, before: Rendered, after: Rendered) -> Round:
    old, new = _names(before), _names(after)
    added = tuple(name for name in new if name not in old)
    removed = tuple(name for name in old if name not in new)
    return Round(number, after, added, removed)


def _names(rendered: Rendered) -> list[str]:
    return [resource_name(manifest) for manifest in rendered.composed]


def changes(before: Rendered, after: Rendered) -> list[str]:
    """Return a line for each difference in the composed resources and the XR's status."""
    old = {resource_name(m): m for m in before.composed} | {"XR status": before.xr.get("status")}
    new = {resource_name(m): m for m in after.composed} | {"XR status": after.xr.get("status")}
    lines = [f"{name}: gone" for name in old if name not in new]
    for name, value in new.items():
        if name not in old:
            lines.append(f"{name}: new")
        else:
            lines += [f"{name}: {path}" for path in _differences(old[name], value, "")]
    return lines


def _differences(old: object, new: object, path: str) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for key in sorted({*old, *new})
            for line in _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [f"{path}: {old!r} became {new!r}"]
