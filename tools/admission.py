"""What an API server would refuse when a claim or XR is applied.

The schema, its defaults and CEL rules by the real CLI; what that leaves out by
`apiserver` and `names`. Not checked, because it needs a cluster: quotas,
webhooks, permissions, and rules about changes (a transition needs the old
object).
"""

from collections.abc import Sequence

from tools import apiserver, names
from tools.definitions import Definitions
from tools.errors import ToolError
from tools.manifests import Manifest, label, version_of
from tools.problem import Problem
from tools.resource_validate import verdicts


class RefusedError(ToolError):
    """A claim or XR that an API server would not store."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Say every problem, a line each."""
        super().__init__("\n".join(["an API server would refuse this:", *map(str, problems)]))
        self.problems = problems


def admit(manifests: Sequence[Manifest], definitions: Definitions | None = None) -> list[Problem]:
    """Return why an API server would refuse claims or XRs; empty when it would not.

    Raises ToolError for a kind that is neither.
    """
    definitions = definitions or Definitions()
    schemas = [definitions.of(m).schema(version_of(m)) for m in manifests]
    extensions = sorted({definitions.of(m).path for m in manifests})
    problems: list[Problem] = []
    for manifest, schema, verdict in zip(manifests, schemas, verdicts(manifests, extensions), strict=True):
        found = [(field, message) for _, field, message in verdict.errors]
        found += apiserver.repeated_keys(manifest, schema)
        found += names.problems(manifest)
        if verdict.missing_schema:
            found.append(("apiVersion", f"{manifest['apiVersion']} is not served"))
        problems += [Problem(label(manifest), field, message) for field, message in found]
    return problems


def require_admitted(manifests: Sequence[Manifest], definitions: Definitions | None = None) -> None:
    """Raise RefusedError unless an API server would store these claims and XRs."""
    problems = admit(manifests, definitions)
    if problems:
        raise RefusedError(problems)
