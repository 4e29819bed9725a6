"""Errors and problems for a user to read, and the exit codes of `freehold`."""

from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """What the exit code of `freehold` says."""

    DONE = 0
    FAILED = 1
    """An API server would refuse the claim, or the command cannot do its work."""
    USAGE = 2
    REFUSED = 3
    """A composition function refuses the claim: it returned a FATAL result."""
    TO_DO = 4
    """The app team or the platform team has to act: a Model fits nowhere, or a condition says so."""


class ToolError(Exception):
    """Something the user can act on; its text is the whole message."""

    exit = Exit.FAILED


class SchemaMissingError(ToolError):
    """No folder of schemas, or no schema in it for what is validated."""


@dataclass(frozen=True)
class Problem:
    """One reason why an API server would refuse a manifest."""

    resource: str
    """'Kind namespace/name', and the Object it is inside of, if any."""
    field: str
    """The path, such as spec.nodePools[1].name; may be empty."""
    message: str

    def __str__(self) -> str:
        """'RESOURCE: FIELD: MESSAGE'."""
        return ": ".join(part for part in (self.resource, self.field, self.message) if part)


def last_lines(text: str, count: int = 20) -> str:
    """Return the last lines of a child process's output, for a message."""
    return "\n".join(text.rstrip().splitlines()[-count:])
