"""What an API server would answer if objects were created: defaults, and what it would refuse.

The Go program in tools/go/admission runs the API server's own code for custom resources. Nobody asks an
API server here: quotas, webhooks, admission policies and permissions need a cluster, and so do the rules
of Kubernetes' own kinds beyond their fields (`tools.control_plane.dry_run` asks one).
"""

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.claims import namespace_of
from tools.definitions import Definitions
from tools.errors import Problem, ToolError, last_lines
from tools.manifests import Manifest, label
from tools.toolchain import ADMISSION, built

__all__ = ["Answer", "RefusedError", "admit", "ask", "require_admitted"]


class RefusedError(ToolError):
    """A claim or XR that an API server would not store."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Say every problem, a line each."""
        super().__init__("\n".join(["an API server would refuse this:", *map(str, problems)]))
        self.problems = problems


@dataclass(frozen=True)
class Answer:
    """The answer about one object."""

    served: bool
    """False where no definition, and not Kubernetes itself, has the object's version and kind."""
    stored: Manifest
    """The object with its defaults; empty where it is not served."""
    problems: tuple[tuple[str, str, bool], ...]
    """The field, what is wrong, and whether the schema does not have the field."""


def ask(objects: Sequence[Manifest], definitions: Iterable[Path]) -> list[Answer]:
    """Return the answer about each object, in their order.

    Args:
        objects: custom resources, objects of Kubernetes' own kinds, or CRDs and XRDs themselves.
        definitions: YAML files, or folders of them, with CRDs and XRDs; of two of one kind the later
            counts.

    Raises:
        ToolError: when the program is not there or fails, as it does on a CRD that is no CRD.
    """
    request = {"objects": objects, "definitions": list(map(str, definitions))}
    done = subprocess.run(
        [built(ADMISSION)], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ToolError(f"the check of what an API server would refuse failed:\n{last_lines(done.stderr)}")
    return [
        Answer(
            a["served"],
            a["object"] or {},
            tuple((p["field"], p["message"], p["unknown"]) for p in a["problems"]),
        )
        for a in json.loads(done.stdout)
    ]


def admit(manifests: Sequence[Manifest], definitions: Definitions | None = None) -> list[Problem]:
    """Return why an API server would refuse claims or XRs; empty when it would not.

    Raises ToolError for a kind that is neither.
    """
    definitions = definitions or Definitions()
    files = sorted({definitions.of(m).path for m in manifests})
    problems = []
    for manifest, answer in zip(
        manifests, ask([_in_namespace(m, definitions) for m in manifests], files), strict=True
    ):
        if not answer.served:
            problems.append(Problem(label(manifest), "apiVersion", f"{manifest['apiVersion']} is not served"))
        problems += [Problem(label(manifest), field, message) for field, message, _ in answer.problems]
    return problems


def _in_namespace(manifest: Manifest, definitions: Definitions) -> Manifest:
    """Return a claim in the namespace to which kubectl applies it."""
    metadata = manifest.get("metadata") or {}
    if not definitions.is_claim(manifest) or metadata.get("namespace"):
        return manifest
    return manifest | {"metadata": metadata | {"namespace": namespace_of(manifest)}}


def require_admitted(manifests: Sequence[Manifest], definitions: Definitions | None = None) -> None:
    """Raise RefusedError unless an API server would store these claims and XRs."""
    problems = admit(manifests, definitions)
    if problems:
        raise RefusedError(problems)
