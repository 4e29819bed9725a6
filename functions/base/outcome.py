"""What a function decides: composed resources, conditions and status, all plain data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .conditions import SYSTEM, Condition, Progress, Whose
from .request import Request
from .view import View

__all__ = [
    "Function",
    "Outcome",
    "Readiness",
    "Resource",
    "by_itself",
    "condition_true",
    "exists",
    "reports",
]

Readiness = Callable[[View], bool]


def condition_true(type_: str = "Ready") -> Readiness:
    """Ready when the observed object's condition of that type is True."""

    def ready(observed: View) -> bool:
        return observed.status_of(type_) == "True"

    return ready


def exists(observed: View) -> bool:
    """Ready as soon as the object exists: only for kinds that report no condition at all."""
    return bool(observed.name)


def by_itself(observed: View) -> bool:
    """Ready as far as an object of an unknown kind says so itself.

    By its Ready condition; a kind that reports no condition (Secret, ProviderConfig) by
    existing. A managed resource reports conditions, if not at once.
    """
    if observed.each("status", "conditions") or observed.has("spec", "forProvider"):
        return condition_true()(observed)
    return exists(observed)


def reports(*fields: str) -> Readiness:
    """Current when the provider reports what the object asks for, in each of these fields.

    Compared are texts of `status.atProvider` and `spec.forProvider`. What the object does not ask
    for, or the provider does not report, tells nothing.
    """

    def current(observed: View) -> bool:
        asked = (observed.text("spec", "forProvider", field) for field in fields)
        reported = (observed.text("status", "atProvider", field) for field in fields)
        return all(a is None or r in (None, a) for a, r in zip(asked, reported, strict=True))

    return current


@dataclass(frozen=True)
class Resource:
    """A composed resource that the spec asks for."""

    name: str
    """Its name in the composition, `FUNCTION/what`, which never changes."""
    manifest: Mapping[str, Any] | None
    """The whole object; None only while `waits_for` is not known."""
    after: tuple[str, ...] = ()
    """Composed resources that must be ready before this one is created."""
    ready: Readiness = field(default=condition_true())
    waits_for: str = ""
    """In words, what the manifest needs that is not known yet; a live object is carried on."""
    label: str = ""
    """How messages name it: "node pool l4". Without one, kind and name of the object do."""
    current: Readiness | None = None
    """Tells whether the observed object is as it asks to be, where conditions of its kind do not."""

    def __post_init__(self) -> None:
        """Refuse a resource without a manifest that does not say what the manifest waits for.

        Raises:
            ValueError: with the resource's name.
        """
        if (self.manifest is None) != bool(self.waits_for):
            raise ValueError(f"composed resource {self.name!r} has either a manifest or what that waits for")

    def waiting(self, needs: str) -> Resource:
        """Return the resource without its manifest, which needs something that is not known yet."""
        return replace(self, manifest=None, waits_for=needs)


@dataclass(frozen=True)
class Outcome:
    """One run's decision.

    What a function does not mention stays as it is: composed resources that exist, and
    keys of the status.
    """

    resources: Sequence[Resource] = ()
    conditions: Sequence[Condition | Progress] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    """By key; None takes the key out of the composite's status."""
    gone: Collection[str] = ()
    """Names of composed resources that the spec no longer asks for: these are deleted.

    Taken from the spec and from what exists, never from what `resources` lacks: else a
    branch that is forgotten there would delete what it composed.
    """
    notes: Sequence[str] = ()
    """Warnings for the claim, beside its conditions."""
    connection: Mapping[str, str] | None = None
    """What the composite's connection Secret says, by key, and no secret; None: what it says now."""
    unreachable: bool = False
    """Whether what the resources manage is out of reach for good.

    Their deletion then asks nothing of it: functions do not run on deletion, and a
    provider that cannot connect would hold the composite for ever.
    """


@dataclass(frozen=True)
class Function:
    """A composition function: its decision, and what is its own in the composite."""

    name: str
    """Prefix of its composed resources' names."""
    conditions: tuple[str, ...]
    """Every type it sets; each is in every response."""
    status: tuple[str, ...]
    """Every key of the composite's status that it sets."""
    author: Whose
    """Who writes the spec that it reads, so who mends it."""
    compose: Callable[[Request], Outcome]
    labels: Mapping[str, str] = field(default_factory=dict)
    """How messages name the composed resources of other functions that it waits for."""

    def __post_init__(self) -> None:
        """Refuse a declaration that Crossplane would ignore.

        Raises:
            ValueError: without a condition to carry a refusal, or with one that is Crossplane's.
        """
        if not self.conditions or SYSTEM & set(self.conditions):
            raise ValueError(f"{self.name} must declare conditions, and none of {sorted(SYSTEM)}")

    def owns(self, resource: str) -> bool:
        """Tell whether a composed resource's name is one of this function's."""
        return resource.startswith(f"{self.name}/")
