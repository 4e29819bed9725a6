"""Conditions from the state of composed resources, with a failure's own words in front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .conditions import Condition, Progress, Reason, Status
from .outcome import Resource
from .view import View
from .wire import Fields, in_place

__all__ = ["Seen", "failing", "label_of", "settle", "updating"]


@dataclass(frozen=True)
class Seen:
    """What the composed resources of a composite are, by name."""

    live: Mapping[str, Mapping[str, Any]]
    """As observed."""
    ready: Mapping[str, bool]
    """Those that are desired; whether each is ready."""
    held: Mapping[str, str]
    """Those that are not created yet, and in words why."""
    asked: Mapping[str, Resource]
    """Those that the function asks for in this run."""
    changed: Callable[[str], bool]
    """Whether this run desires another manifest of a live resource than the provider has seen."""
    labels: Mapping[str, str]
    """Names for users of other functions' resources."""

    def label(self, name: str) -> str:
        """Name a composed resource as a user knows it."""
        return label_of(name, self.asked.get(name), self.live.get(name), self.labels)


def label_of(
    name: str,
    asked: Resource | None,
    live: Mapping[str, Any] | None,
    labels: Mapping[str, str],
) -> str:
    """Name a composed resource as a user knows it, never by its name in the composition.

    By its label; where it has none, by kind and name of the object, or of the object in
    another cluster that it stands for.
    """
    if asked is not None and asked.label:
        return asked.label
    if name in labels:
        return labels[name]
    manifest = asked.manifest if asked is not None else None
    view = View(manifest if manifest is not None else live or {})
    inner = ("spec", "forProvider", "manifest")
    at = inner if view.has(*inner) else ()
    kind, own = view.text(*at, "kind"), view.text(*at, "metadata", "name")
    namespace = view.text(*at, "metadata", "namespace") if at else None
    if not kind:
        return "a resource that is not composed yet"
    return f"{kind} {namespace}/{own}" if namespace else f"{kind} {own}"


def settle(progress: Progress, seen: Seen) -> Condition:
    """Turn the state of some composed resources into a condition.

    True follows what serves: a resource that is ready stays so while its provider changes it,
    and where the provider cannot; the reason says which.
    """
    unready = [name for name in progress.resources if not seen.ready.get(name, False)]
    failures = _failures(progress.resources, seen)
    if failures:
        broken = [name for name in unready if name in failures]
        name = broken[0] if broken else next(iter(failures))
        reason = Reason.FAILING if broken else Reason.UPDATE_FAILING
        text = f"{seen.label(name)}: {failures[name].rstrip(_END)}"
        if not broken:
            text = f"the provider cannot update {text}"
        if not unready:
            text = f"{text}. As before, {progress.ready}"
        return _condition(progress, not unready, reason, _with(text, progress.hint))
    if unready:
        return _condition(progress, False, Reason.CREATING, _with(_waiting(unready, seen), progress.hint))
    changing = [name for name in progress.resources if updating(name, seen)]
    if changing:
        more = f" and {len(changing) - 1} more" if len(changing) > 1 else ""
        text = f"{progress.ready}; being updated: {seen.label(changing[0])}{more}"
        return _condition(progress, True, Reason.UPDATING, text)
    return Condition(progress.type, Status.TRUE, progress.reason, progress.ready, progress.whose)


_END = ". \n"


def _condition(progress: Progress, true: bool, reason: Reason, text: str) -> Condition:
    status = Status.TRUE if true else Status.FALSE
    return Condition(progress.type, status, reason.value, text, progress.whose)


def _failures(names: Iterable[str], seen: Seen) -> dict[str, str]:
    live = ((name, seen.live.get(name)) for name in names)
    words = {name: failing(View(observed)) for name, observed in live if observed is not None}
    return {name: text for name, text in words.items() if text}


def failing(observed: View) -> str:
    """Return the provider's own message for an object that it cannot create or update, else nothing.

    Upjet's providers report an operation that takes long apart from Synced
    (LastAsyncOperation: pkg/resource/conditions.go in crossplane/upjet v2).
    """
    for type_ in ("Synced", "LastAsyncOperation"):
        if observed.status_of(type_) == "False":
            condition = observed.condition(type_)
            assert condition is not None, "it has a status"
            return condition.text("message") or condition.text("reason") or type_
    return ""


def updating(name: str, seen: Seen) -> bool:
    """Tell whether a provider still has to carry out what is desired of a live resource.

    That is so when this run desires another manifest, when the provider has not looked at the
    newest one, while it says that an operation goes on, and while the object reports another
    state than it asks for.
    """
    live = seen.live.get(name)
    if live is None:
        return False
    observed = in_place(live)
    if observed.condition("AsyncOperation", "reason") == "Ongoing" or _unseen(observed):
        return True
    asked = seen.asked.get(name)
    if asked is not None and asked.current is not None and not asked.current(View(observed)):
        return True
    return seen.changed(name)


def _unseen(observed: Fields) -> bool:
    """Tell whether the object has a newer generation than the one that its provider reports on."""
    synced = observed.conditions.get("Synced")
    if synced is None or "observedGeneration" not in synced.fields:
        return False
    generation = observed.at(("metadata", "generation")) or 0
    return bool(synced.fields["observedGeneration"].number_value < generation)


def _waiting(unready: list[str], seen: Seen) -> str:
    first = unready[0]
    state = seen.held.get(first, "is not ready yet")
    rest = f" ({len(unready) - 1} more to come)" if len(unready) > 1 else ""
    return f"{seen.label(first)} {state}{rest}"


def _with(message: str, hint: str) -> str:
    return message.rstrip(_END) + f". {hint}" if hint else message
