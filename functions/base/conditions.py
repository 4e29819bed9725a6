"""Conditions that a user can act on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["SYSTEM", "Condition", "Progress", "Status", "Whose"]

# Core: IsSystemConditionType in apis/apiextensions/v1 and apis/core/v2.
SYSTEM = frozenset({"Ready", "Synced", "Healthy", "UpToDate", "Responsive"})
"""Types that only Crossplane may set; it ignores them in a function's response."""


class Whose(Enum):
    """Who has to act: the cloud (or just time), the platform team, the app team."""

    INFRASTRUCTURE = "infrastructure"
    PLATFORM = "platform"
    MODEL = "model"


class Status(Enum):
    """The status of a condition, as Kubernetes spells it."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Condition:
    """One condition of the composite and of its claim."""

    type: str
    status: Status
    reason: str
    """CamelCase."""
    message: str
    """What is so and, unless the status is True, the next step."""
    whose: Whose

    @property
    def text(self) -> str:
        """The message with its owner in front; a condition that holds needs none."""
        if self.status is Status.TRUE:
            return self.message
        return f"[{self.whose.value}] {self.message}"


@dataclass(frozen=True)
class Progress:
    """A condition that `base` derives from what became of some composed resources."""

    type: str
    resources: tuple[str, ...]
    """Names of composed resources; all ready makes the condition True."""
    ready: str
    """The message once all are ready."""
    whose: Whose = Whose.INFRASTRUCTURE
    hint: str = ""
    """The next step to offer while something is not ready."""
