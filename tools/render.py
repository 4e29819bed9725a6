"""Render one claim or XR: the composed resources as YAML on standard output.

    make -s render XR=FILE [OBSERVED=PATH] [REQUIRED=PATH] [SETTLE=1]

Everything else goes to standard error: what the functions said, the XR's
conditions, what the claim will use and cost, errors. Exit codes: 0 rendered;
1 refused (as an API server would) or not renderable; 3 a function's FATAL
result, with its message; 4 with --strict, somebody other than the
infrastructure has to act. (make itself turns every failure into its own 2.)
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import costs, inputs, paths, report
from tools.admission import RefusedError, require_admitted
from tools.definitions import Definitions
from tools.errors import ToolError
from tools.manifests import Manifest, label, load
from tools.rendering import Rendered, as_yaml, render
from tools.servers import running
from tools.settle import settle

FATAL_EXIT = 3
"""The core's own exit code for a FATAL result."""
STRICT_EXIT = 4
"""With --strict, for a condition that the app team or the platform team has to mend."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        rendered, required = _render(options)
    except RefusedError as error:
        say(f"refused, as an API server would:\n{error}")
        return 1
    except ToolError as error:
        say(str(error))
        return 1
    if rendered.fatal is not None:
        say(f"FATAL from step {rendered.fatal}")
        return FATAL_EXIT
    for line in [
        *report.results(rendered),
        *report.conditions(rendered),
        *costs.lines(rendered.xr, required),
    ]:
        say(line)
    print(as_yaml(rendered), end="")
    to_do = owned(rendered.conditions) if options.strict else []
    if to_do:
        say(f"strict: {', '.join(to_do)} {'is' if len(to_do) == 1 else 'are'} False and somebody has to act")
        return STRICT_EXIT
    return 0


def owned(conditions: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the conditions that wait for the app team or the platform team, not for the cloud."""
    owners = ("[model]", "[platform]")
    return [
        c["type"] for c in conditions if c["status"] == "False" and c.get("message", "").startswith(owners)
    ]


def say(text: str) -> None:
    """Print to standard error: standard output is YAML alone."""
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.render",
        description="Render one claim or XR with Crossplane's own reconciler, without a cluster.",
    )
    parser.add_argument("xr", metavar="XR", type=Path, help="a file with one claim or XR")
    parser.add_argument(
        "--observed",
        metavar="PATH",
        type=Path,
        help="composed resources as they live: a YAML file or folder",
    )
    parser.add_argument(
        "--required",
        metavar="PATH",
        type=Path,
        action="append",
        default=[],
        help="resources that the functions may ask for, such as the clusters of a Model "
        "(repeatable). A claim without a status is played first, with everything that it "
        "composes reported ready",
    )
    parser.add_argument(
        "--settle",
        action="store_true",
        help="render again, with everything composed reported ready, until nothing changes",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help=f"exit {STRICT_EXIT} when a condition is False that the app team or the platform team has to "
        "mend, such as a Model that fits nowhere",
    )
    return parser


def _render(options: argparse.Namespace) -> tuple[Rendered, list[Manifest]]:
    """Return the render and the required resources that it was given, clusters with their status."""
    definitions = Definitions()
    manifest = _one(options.xr)
    require_admitted([manifest], definitions)
    observed = load(options.observed) if options.observed else []
    required = [m for path in options.required for m in load(path)]
    xr = inputs.as_xr(manifest, definitions, observed)
    unplayed = inputs.unplayed_claims(required, definitions)
    functions = inputs.functions_of([xr, *unplayed], definitions)
    with running(functions, log_dir=paths.MADE / "log") as servers:
        required = inputs.required_resources(required, servers.targets, definitions, say)
        if not options.settle:
            rendered = render(
                xr,
                servers.targets,
                observed=observed,
                required=required,
                definitions=definitions,
            )
            return rendered, required
        settled = settle(xr, servers.targets, observed=observed, required=required, definitions=definitions)
    for line in report.tree(settled, label(manifest)):
        say(line)
    return settled.rendered, required


def _one(path: Path) -> Manifest:
    found = load(path)
    if len(found) != 1:
        names = ", ".join(map(label, found)) or "nothing"
        raise ToolError(f"{path} must hold one claim or XR, it holds {names}")
    return found[0]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
