"""What is wrong with a manifest."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing an API server would refuse."""

    resource: str
    """'Kind namespace/name', and the Object it is inside of, if any."""
    field: str
    """The path, such as spec.nodePools[1].name; may be empty."""
    message: str

    def __str__(self) -> str:
        """'RESOURCE: FIELD: MESSAGE'."""
        return ": ".join(part for part in (self.resource, self.field, self.message) if part)
