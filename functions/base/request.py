"""What Crossplane asks, as plain typed Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from .conditions import SYSTEM
from .errors import Unanswered
from .parse import parse
from .view import View

__all__ = ["Claim", "Request", "Selector"]

Model = TypeVar("Model", bound=BaseModel)
Read = TypeVar("Read")


@dataclass(frozen=True)
class Claim:
    """The claim an XR belongs to; the only identity of a tenant that is believed."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Selector:
    """Which resources a function requires: by name, or by labels (none: all)."""

    api_version: str
    kind: str
    name: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    namespace: str = ""
    """Of namespaced kinds; empty for all namespaces."""


@dataclass
class Request:
    """One run of a function over one composite."""

    composite: Mapping[str, Any]
    """The observed composite."""
    observed: Mapping[str, Mapping[str, Any]]
    """Observed composed resources by name."""
    composed_before: Mapping[str, bool]
    """Names desired by earlier steps of the pipeline, and whether they are ready."""
    status_before: Mapping[str, Any]
    """The composite's status as earlier steps desire it."""
    answers: Mapping[str, tuple[Mapping[str, Any], ...]]
    """Required resources by requirement; an absent key is not answered yet."""
    input: Mapping[str, Any]
    """The input of this pipeline step."""
    kinds: Mapping[str, bool] = field(default_factory=dict)
    """Required kinds, and whether the control plane knows them; an absent key is not answered yet."""
    requirements: dict[str, Selector] = field(default_factory=dict)
    """Every requirement that the function stated in this run."""
    required_kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    """API version and kind of every kind that the function required in this run."""
    _read: dict[Callable[[Request], Any], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Answers of `once`."""

    @cached_property
    def name(self) -> str:
        """The composite's name, unique in its control plane."""
        return str(self.composite.get("metadata", {}).get("name", ""))

    @cached_property
    def claim(self) -> Claim:
        """The claim from `spec.claimRef`; an XR without one is its own, in no namespace."""
        ref = self.composite.get("spec", {}).get("claimRef", {})
        return Claim(str(ref.get("namespace", "")), str(ref.get("name", self.name)))

    def spec(self, model: type[Model]) -> Model:
        """Parse the composite's spec.

        Raises:
            Invalid: with the field's path.
        """
        return parse(model, self.composite.get("spec", {}), "spec")

    def parameters(self, model: type[Model]) -> Model:
        """Parse the input of this pipeline step.

        A field that there is not is refused: nothing else looks at an input, and a setting
        that is misspelt would be a default in its place.

        Raises:
            Invalid: with the field's path.
        """
        meta = ("apiVersion", "kind", "metadata")
        given = {k: v for k, v in self.input.items() if k not in meta}
        return parse(model, given, "input", unknown_fields=False)

    def status(self, model: type[Model], *path: str) -> Model | None:
        """Parse a part of the composite's status; what an earlier step desires goes first."""
        before = View(self.status_before).parsed(model, *path) if self.status_before else None
        return before or View(self.composite).parsed(model, "status", *path)

    def once(self, read: Callable[[Request], Read]) -> Read:
        """Return what a function reads out of this request, and have the function read it only once."""
        if read not in self._read:
            self._read[read] = read(self)
        return cast("Read", self._read[read])

    def resource(self, name: str) -> View | None:
        """Return a view of an observed composed resource of any function."""
        found = self.observed.get(name)
        return None if found is None else View(found)

    def others(self, prefix: str, keys: Collection[str] = ()) -> tuple[str, ...]:
        """Return the observed composed resources that are named `prefix` and a key not among these."""
        named = (name for name in self.observed if name.startswith(prefix))
        return tuple(name for name in named if name.removeprefix(prefix) not in keys)

    def require(self, key: str, selector: Selector) -> tuple[View, ...]:
        """State a requirement and return what answers it, which may be nothing.

        Raises:
            Unanswered: when Crossplane has not been asked before. Catch it only to
                compose from a recorded plan; otherwise `base` carries everything on.
        """
        self.requirements[key] = selector
        if key not in self.answers:
            raise Unanswered(key)
        return tuple(View(answer) for answer in self.answers[key])

    def require_kind(self, api_version: str, kind: str) -> bool:
        """State that a kind is needed, and tell whether the control plane knows it.

        Its whole schema is sent with the next request, so require few.

        Raises:
            Unanswered: when Crossplane has not been asked before, or cannot say.
        """
        key = f"{api_version}/{kind}"
        self.required_kinds[key] = (api_version, kind)
        if key not in self.kinds:
            raise Unanswered(key)
        return self.kinds[key]

    @cached_property
    def observed_conditions(self) -> tuple[View, ...]:
        """The composite's conditions, except those that only Crossplane may set."""
        conditions = View(self.composite).each("status", "conditions")
        return tuple(c for c in conditions if (c.text("type") or "Ready") not in SYSTEM)

    @cached_property
    def claim_conditions(self) -> frozenset[str]:
        """Types of the composite's conditions that Crossplane copies to the claim."""
        return frozenset(View(self.composite).texts("status", "claimConditionTypes"))
