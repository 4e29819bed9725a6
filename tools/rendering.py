"""One render: the real Crossplane reconciler over local function servers.

`crossplane composition render` with the core binary as its engine, no Docker.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from functions.catalog import providers
from tools import paths
from tools.crossplane_cli import crossplane
from tools.defaults import with_defaults
from tools.definitions import Composition, Definitions
from tools.errors import ToolError, last_lines
from tools.manifests import Manifest, as_json_list, dump, parse, version_of
from tools.offers import with_offers

RENDER_SECONDS = 60
"""A dead function hangs the CLI until its timeout."""

_FATAL = re.compile(r"pipeline returned fatal: (?:crossplane: error: )?(.*)", re.DOTALL)
# Core and CLI each indent a message's further lines by the width of this.
_INDENT = " " * len("crossplane: error: ") * 2
_STEP = re.compile(r'.*?pipeline step "([^"]*)" returned a fatal result: (.*)', re.DOTALL)


@dataclass(frozen=True)
class Rendered:
    """What one render gave. After a FATAL only `fatal` and `stderr` are there."""

    xr: Manifest
    """The XR with its defaults, spec.resourceRefs and new status."""
    composed: list[Manifest] = field(default_factory=list)
    """The desired composed resources, by their composition resource names."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """The events: severity (Normal, Warning), reason, message."""
    fatal: str | None = None
    """The function's own message when it refused the spec."""
    stderr: str = ""

    @property
    def conditions(self) -> list[dict[str, Any]]:
        """The XR's conditions."""
        conditions: list[dict[str, Any]] = self.xr.get("status", {}).get("conditions", [])
        return conditions


def render(
    xr: Manifest,
    targets: Mapping[str, str],
    *,
    observed: Sequence[Manifest] = (),
    required: Sequence[Manifest] = (),
    without: Collection[str] = (),
    definitions: Definitions | None = None,
) -> Rendered:
    """Reconcile an XR once, without a cluster.

    Args:
        xr: the XR; `claims.to_xr` makes one of a claim.
        targets: host:port of each function that the composition names.
        observed: the composed resources as they live; see `observe`.
        required: what the functions may ask for, such as XInferenceClusters; their offers to
            placed Models are added.
        without: API groups of providers that are not installed; all others are.
        definitions: where XRDs and compositions are; this repository's.

    Raises:
        ToolError: when the CLI fails for another reason than a FATAL result.
    """
    definitions = definitions or Definitions()
    definition, composition = definitions.of(xr), definitions.composition(xr)
    functions = _functions(composition, targets)
    with tempfile.TemporaryDirectory(prefix="freehold-render-") as folder:
        inputs = Path(folder)
        arguments = [
            _write(inputs / "xr.yaml", [xr]),
            _write(inputs / "composition.yaml", [composition.manifest]),
            _write(inputs / "functions.yaml", functions),
            f"--xrd={_write(inputs / 'xrd.yaml', [definition.xrd])}",
        ]
        if observed:
            arguments.append(f"--observed-resources={_write(inputs / 'observed.yaml', observed)}")
        if required:
            arguments.append(
                f"--required-resources={_write(inputs / 'required.yaml', with_offers(required))}"
            )
        arguments.append(f"--required-schemas={_schemas(inputs / 'schemas', without)}")
        done = _run(arguments)
    return _read(with_defaults(xr, definition.schema(version_of(xr))), done)


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [
        *("composition", "render", *arguments),
        f"--crossplane-binary={paths.crossplane_core()}",
        # Not --include-full-xr: it merges the old status under the new one,
        # so a status field that a function dropped would stay.
        "--include-function-results",
        f"--timeout={RENDER_SECONDS}s",
    ]
    return crossplane(command)


def _write(path: Path, manifests: Sequence[Manifest]) -> str:
    path.write_text(as_json_list(manifests))
    return str(path)


def _schemas(folder: Path, without: Collection[str]) -> str:
    """Write what tells a function that a provider is installed: that one of its kinds is known."""
    folder.mkdir()
    for provider in providers().values():
        if provider.group not in without:
            kind = {"group": provider.group, "version": provider.version, "kind": provider.kind}
            schema = {"type": "object", "x-kubernetes-group-version-kind": [kind]}
            document = {"openapi": "3.0.0", "components": {"schemas": {provider.kind: schema}}}
            (folder / f"{provider.group}.json").write_text(json.dumps(document))
    return str(folder)


def _functions(composition: Composition, targets: Mapping[str, str]) -> list[Manifest]:
    missing = [name for name in composition.functions if name not in targets]
    if missing:
        raise ToolError(f"{composition.path} needs {', '.join(missing)}, which is not running")
    return [
        {
            "apiVersion": "pkg.crossplane.io/v1",
            "kind": "Function",
            "metadata": {
                "name": name,
                "annotations": {
                    "render.crossplane.io/runtime": "Development",
                    "render.crossplane.io/runtime-development-target": targets[name],
                },
            },
            "spec": {"package": "runs-as-a-process"},
        }
        for name in composition.functions
    ]


def _read(xr: Manifest, done: subprocess.CompletedProcess[str]) -> Rendered:
    if done.returncode != 0:
        fatal = fatal_message(done.stderr)
        if fatal is None:
            raise ToolError(
                f"crossplane composition render exits {done.returncode}:\n"
                + last_lines(done.stderr or done.stdout)
            )
        return Rendered(xr=xr, fatal=fatal, stderr=done.stderr)
    answer, *others = parse(done.stdout)
    results = [o for o in others if str(o.get("apiVersion")).startswith("render.crossplane.io/")]
    composed = [o for o in others if o not in results]
    # The engine's own spec holds the reconciler's fields alone.
    spec = xr.get("spec", {}) | answer.get("spec", {})
    rendered_xr = {**xr, "spec": spec, "status": _status(xr, answer)}
    return Rendered(xr=rendered_xr, composed=composed, results=results, stderr=done.stderr)


def _status(xr: Manifest, answer: Manifest) -> Manifest:
    """Return the XR's new status.

    When nothing changed the engine leaves claimConditionTypes out: they are
    written by an update that it then skips. On a cluster that set only grows.
    """
    status: Manifest = dict(answer.get("status", {}))
    before = xr.get("status", {}).get("claimConditionTypes", [])
    types = list(dict.fromkeys([*before, *status.get("claimConditionTypes", [])]))
    return status | ({"claimConditionTypes": types} if types else {})


def fatal_message(stderr: str) -> str | None:
    """Return 'STEP: MESSAGE' of a FATAL result in the CLI's errors, or None.

    The core says so with exit code 3, which the CLI turns into these words.
    """
    fatal = _FATAL.search(stderr)
    if fatal is None:
        return None
    text = fatal[1].strip().replace("\n" + _INDENT, "\n")
    step = _STEP.match(text)
    return f"{step[1]}: {step[2]}" if step else text


def as_yaml(rendered: Rendered) -> str:
    """Return the XR and what it composes as a YAML stream."""
    return dump([rendered.xr, *rendered.composed])
