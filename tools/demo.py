"""What `freehold demo` does: settle every claim in examples/, validate what is composed, show it as trees.

The InferenceClusters come first: the Models are placed on them. The YAML is written to out/.
"""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools import inputs, paths, report, toolchain
from tools.admission import require_admitted
from tools.console import say, show
from tools.definitions import Definitions
from tools.errors import Exit, Problem, SchemaMissingError
from tools.manifests import Manifest, dump, label, load, resource_name
from tools.servers import running
from tools.settle import Settled, settle
from tools.validate import validate

CLUSTER_KIND = "InferenceCluster"


@dataclass(frozen=True)
class Example:
    """One claim and the file it is in."""

    claim: Manifest
    path: Path

    @property
    def title(self) -> str:
        """The claim, and its file as a user would name it."""
        return f"{label(self.claim)} ({self.path.relative_to(paths.ROOT)})"

    @property
    def folder(self) -> Path:
        """Where its YAML goes."""
        metadata = self.claim["metadata"]
        name = f"{self.claim['kind']}-{metadata.get('namespace', 'default')}-{metadata['name']}"
        return paths.OUT / name.lower()


def run() -> Exit:
    """Run the demo; return the exit code."""
    started = time.monotonic()
    played, problems = _demo()
    for example, settled in played:
        _show(example, settled)
    fatal = [e for e, settled in played if settled.rendered.fatal is not None]
    for problem in problems or []:
        print(f"INVALID {problem}")
    composed = sum(len(settled.composed) for _, settled in played)
    ready = sum(_is_ready(settled) for _, settled in played)
    checked = "not validated" if problems is None else f"{len(problems)} problems"
    print(
        f"{len(played)} claims, {ready} ready, {len(fatal)} refused; "
        f"{composed} composed resources, {checked}; {time.monotonic() - started:.1f} s"
    )
    return Exit.FAILED if fatal or problems or not played else Exit.DONE


def _demo() -> tuple[list[tuple[Example, Settled]], list[Problem] | None]:
    definitions = Definitions()
    examples = find(paths.EXAMPLES, definitions)
    toolchain.for_a_render()
    require_admitted([example.claim for example in examples], definitions)
    functions = inputs.functions_of([e.claim for e in examples], definitions)
    with running(functions, log_dir=paths.MADE / "log") as servers:
        say(f"rendering {len(examples)} claims until nothing changes")
        played = settle_all(examples, servers.targets, definitions)
    for example, settled in played:
        write(example, settled)
    say(f"validating; the YAML is in {paths.OUT.relative_to(paths.ROOT)}/")
    return played, _validate(played, definitions)


def find(folder: Path, definitions: Definitions) -> list[Example]:
    """Return the claims in the YAML files of a folder and below; other manifests are skipped."""
    return [
        Example(manifest, path)
        for path in sorted(folder.rglob("*.yaml"))
        for manifest in load(path)
        if definitions.is_claim(manifest)
    ]


def settle_all(
    examples: Sequence[Example], targets: Mapping[str, str], definitions: Definitions
) -> list[tuple[Example, Settled]]:
    """Settle the clusters, then the Models, which may be placed on any of those clusters."""
    clusters = [e for e in examples if e.claim["kind"] == CLUSTER_KIND]
    others = [e for e in examples if e.claim["kind"] != CLUSTER_KIND]
    played = _settle_each(clusters, targets, definitions, required=())
    required = [settled.xr for _, settled in played if settled.rendered.fatal is None]
    return played + _settle_each(others, targets, definitions, required)


def _settle_each(
    examples: Sequence[Example],
    targets: Mapping[str, str],
    definitions: Definitions,
    required: Sequence[Manifest],
) -> list[tuple[Example, Settled]]:
    """Settle claims, as many at a time as there are cores."""

    def one(example: Example) -> tuple[Example, Settled]:
        started = time.monotonic()
        xr = inputs.as_xr(example.claim, definitions)
        settled = settle(xr, targets, required=required, definitions=definitions)
        seconds = time.monotonic() - started
        say(f"  {label(example.claim)}: {len(settled.rounds)} rounds in {seconds:.1f} s")
        return example, settled

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(one, examples))


def write(example: Example, settled: Settled) -> None:
    """Write the claim, the XR, and a file for each composed resource, by wave."""
    folder = example.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "claim.yaml").write_text(dump([example.claim]))
    (folder / "xr.yaml").write_text(dump([settled.xr]))
    for manifest in settled.composed:
        safe = resource_name(manifest).replace("/", ".")
        name = f"{settled.wave(manifest):02d}-{safe}.yaml"
        (folder / name).write_text(dump([manifest]))


def _validate(played: Sequence[tuple[Example, Settled]], definitions: Definitions) -> list[Problem] | None:
    """Return what is invalid in all that was rendered; None when it could not be checked."""
    manifests = [m for _, settled in played for m in (settled.xr, *settled.composed)]
    try:
        return validate(manifests, definitions=definitions)
    except SchemaMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        say(f"validation skipped: {error}")
        return None


def _show(example: Example, settled: Settled) -> None:
    rendered = settled.rendered
    show(report.tree(settled, example.title))
    if rendered.fatal is not None:
        print(f"   FATAL from step {rendered.fatal}")
    for heading, lines in (
        ("conditions", report.conditions(rendered)),
        ("warnings", (line for line in report.results(rendered) if line.startswith("Warning"))),
        ("status", report.status(rendered)),
    ):
        found = list(lines)
        if found:
            print("\n".join([f"   {heading}:", *(f"     {line}" for line in found)]))
    print()


def _is_ready(settled: Settled) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in settled.rendered.conditions)
