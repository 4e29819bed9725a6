"""What `freehold render` does: one claim or XR, rendered; the YAML goes to standard output."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Group

from tools import costs, inputs, paths, report, toolchain
from tools.admission import require_admitted
from tools.console import say, show, working
from tools.definitions import Definitions
from tools.errors import Exit, ToolError
from tools.manifests import Manifest, label, load
from tools.rendering import Rendered, as_yaml, render
from tools.servers import running
from tools.settle import settle


def run(claim: Path, observed: Path | None, required: Sequence[Path], *, settle: bool, strict: bool) -> Exit:
    """Render a claim; return the exit code.

    Raises ToolError for what cannot be rendered, RefusedError for what an API server would refuse.
    """
    rendered, clusters = _render(claim, observed, required, to_the_end=settle)
    if rendered.fatal is not None:
        say(f"FATAL from step {rendered.fatal}")
        return Exit.REFUSED
    for line in (*report.results(rendered), *report.conditions(rendered)):
        say(line)
    show(Group(*costs.report(rendered.xr, clusters)), stderr=True)
    print(as_yaml(rendered), end="")
    to_do = owned(rendered.conditions) if strict else []
    if to_do:
        say(f"strict: {', '.join(to_do)} {'is' if len(to_do) == 1 else 'are'} False and somebody has to act")
        return Exit.TO_DO
    return Exit.DONE


def owned(conditions: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the conditions that wait for the app team or the platform team, not for the cloud."""
    owners = ("[model]", "[platform]")
    return [
        c["type"] for c in conditions if c["status"] == "False" and c.get("message", "").startswith(owners)
    ]


def _render(
    claim: Path, observed_path: Path | None, required_paths: Sequence[Path], *, to_the_end: bool
) -> tuple[Rendered, list[Manifest]]:
    """Return the render and the required resources that it was given, clusters with their status."""
    definitions = Definitions()
    manifest = _one(claim)
    observed = load(observed_path) if observed_path else []
    required = [m for path in required_paths for m in load(path)]
    toolchain.for_a_render()
    require_admitted([manifest], definitions)
    xr = inputs.as_xr(manifest, definitions, observed)
    without_status = inputs.claims_without_status(required, definitions)
    functions = inputs.functions_of([xr, *without_status], definitions)
    with working(f"rendering {label(manifest)}"), running(functions, paths.MADE / "log") as servers:
        required = inputs.required_resources(required, servers.targets, definitions, say)
        if not to_the_end:
            rendered = render(
                xr, servers.targets, observed=observed, required=required, definitions=definitions
            )
            return rendered, required
        settled = settle(xr, servers.targets, observed=observed, required=required, definitions=definitions)
    show(report.tree(settled, label(manifest)), stderr=True)
    return settled.rendered, required


def _one(path: Path) -> Manifest:
    found = load(path)
    if len(found) != 1:
        names = ", ".join(map(label, found)) or "nothing"
        raise ToolError(f"{path} must hold one claim or XR, it holds {names}")
    return found[0]
