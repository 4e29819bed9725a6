"""`freehold versions`: what Freehold deploys in which version, and the one way to move a version."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tools.errors import ToolError

__all__ = ["app"]

app = typer.Typer(
    name="versions",
    help="Versions of everything that Freehold deploys: show, check and move them.",
    no_args_is_help=True,
)
_NEXT = "Next: make golden, and read the diff; CHARTS=FOLDER make test, with the real charts in FOLDER."


@app.command()
def show() -> None:
    """Print every version that Freehold deploys, by its name in functions/catalog/versions.toml."""
    from rich.table import Table

    from tools.console import show as show_table
    from tools.pinned_versions.pins import read

    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("WHAT")
    table.add_column("VERSION")
    for path, version in read().items():
        table.add_row(".".join(path), version)
    show_table(table)


@app.command()
def check() -> None:
    """Say what in the versions does not fit together; exit with 1 when something does not."""
    from tools.console import say
    from tools.pinned_versions.pins import problems

    found = list(problems())
    for problem in found:
        say(problem)
    raise typer.Exit(1 if found else 0)


@app.command("set")
def set_(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="As `freehold versions show` prints it.")],
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Of a chart: default what the chart says inside.")
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", metavar="PATH", help="The real chart at that version: its folder or .tgz."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Where the chart is from. Default: as before, by tag.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")
    ] = False,
) -> None:
    """Move one version, and say what changes with it.

    Of a chart, the facts that the tests hold Freehold to are read from the chart itself: values that
    are new or gone, CRDs (which Helm never upgrades), workloads and images.
    """
    from tools.console import say
    from tools.paths import require_clone
    from tools.pinned_versions.pins import FILE, come_along, read, replaced

    require_clone("versions set")
    path = _path(what)
    told: list[str] = []
    if path[0] == "charts":
        version, told = _chart(path[1], version, chart, source, dry_run=dry_run)
    elif chart is not None:
        raise ToolError(f"--chart is for charts, and {what} is none")
    if version is None:
        raise ToolError(f"say the version: freehold versions set {what} VERSION")
    text = FILE.read_text(encoding="utf-8")
    before = read(text).get(path, "")
    changed = replaced(text, path, version)
    say(
        f"{'.'.join(path)}: {before} -> {version}"
        if before != version
        else f"{'.'.join(path)} stays {version}"
    )
    for line in (*told, *come_along(path, version)):
        say(f"  {line}")
    if not dry_run:
        FILE.write_text(changed, encoding="utf-8")
        say(_NEXT)


def _path(what: str) -> tuple[str, ...]:
    """Return the path of a name as `show` prints it; a component's own name is enough for its chart."""
    from tools.pinned_versions.pins import read

    known = {".".join(path): path for path in read()}
    return known.get(what) or known.get(f"charts.{what}") or tuple(what.split("."))


def _chart(
    component: str, version: str | None, chart: Path | None, source: str | None, *, dry_run: bool
) -> tuple[str, list[str]]:
    """Read a chart's facts; return the version to pin and what changes."""
    from tools.control_plane.binaries import HELM
    from tools.pinned_versions.changes import changes
    from tools.pinned_versions.derive import derive
    from tools.pinned_versions.facts import chart_facts, write
    from tools.pinned_versions.pins import chart_name
    from tools.toolchain import provide

    if chart is None:
        raise ToolError(
            f"the chart of {component} itself is needed, to see what changes: --chart FOLDER-OR-TGZ"
        )
    provide(HELM)
    old = chart_facts(chart_name(component))
    new = derive(chart, source or old.source, HELM.path())
    if new.chart != old.chart:
        raise ToolError(f"{chart} is the chart {new.chart}, and {component} is installed by {old.chart}")
    if version is not None and version != new.version:
        raise ToolError(
            f"{chart} says version {new.version} inside, not {version}. provider-helm compares the two as "
            f"strings: pin {new.version}, or package the chart as its project does"
        )
    if source is None and old.version != new.version:
        new = replace(new, source=old.source.replace(old.version, new.version))
    told = changes(old, new)
    if not dry_run:
        write(new)
    return new.version, told
