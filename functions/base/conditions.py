"""Conditions that a user can act on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

__all__ = ["SYSTEM", "Condition", "Progress", "Reason", "Status", "Whose"]

# Core: IsSystemConditionType in apis/apiextensions/v1 and apis/core/v2.
SYSTEM = frozenset({"Ready", "Synced", "Healthy", "UpToDate", "Responsive"})
"""Types that only Crossplane may set; it ignores them in a function's response."""


class Whose(StrEnum):
    """Who has to act: the cloud (or just time), the platform team, the app team."""

    INFRASTRUCTURE = "infrastructure"
    PLATFORM = "platform"
    MODEL = "model"


class Status(Enum):
    """The status of a condition, as Kubernetes spells it."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(Enum):
    """The state of some composed resources, as the reason of their condition."""

    CREATING = "Creating"
    """Something is not there or not ready yet."""
    FAILING = "Failing"
    """A provider cannot make something."""
    UPDATING = "Updating"
    """All is ready, and a provider has not carried out the last change yet."""
    UPDATE_FAILING = "UpdateFailing"
    """A provider cannot change something that is ready."""
    AVAILABLE = "Available"
    """All is ready and as it is asked for."""


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
    decides_ready: bool = True
    """Whether the composite is Ready only while this condition is True."""

    @property
    def text(self) -> str:
        """The message with its owner in front, unless there is nothing to do."""
        if self.status is Status.TRUE and self.reason != Reason.UPDATE_FAILING.value:
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
    reason: str = Reason.AVAILABLE.value
    """The reason once all are ready and as they are asked for."""
