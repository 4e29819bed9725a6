"""`freehold scan`: known vulnerabilities of what is in the images that `make packages` made, by OSV-Scanner.

A scanner that finds nothing may have looked at nothing, so each run first shows it one image with databases
that have an invented vulnerability of a Debian package and of a Python package of that image, and none else.
A vulnerability that a newer version mends fails the scan, since a new build takes that version; one that
nobody has mended yet is listed.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from tools import paths
from tools.console import say, show, table, working
from tools.errors import Exit, ToolError, last_lines
from tools.toolchain import Tool, provide

__all__ = ["SCANNER", "Found", "found", "scan"]

SCANNER = Tool(
    name="osv-scanner",
    title="OSV-Scanner",
    folder="osv-scanner",
    variable="OSV_SCANNER",
    module="github.com/google/osv-scanner/v2",
    package="github.com/google/osv-scanner/v2/cmd/osv-scanner",
    ask=("--version",),
    answer=r"osv-scanner version: 2\.",
    oldest=(2, 0, 0),
    minutes=4,
    variables=(),
    go="go1.27.0",
)
_DATABASES = "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY"
_NOTHING_FOUND, _VULNERABLE, _NOTHING_TO_SCAN = 0, 1, 128
"""Exit codes of the scanner."""
_DEBIAN = "glibc"
"""The source of libc6, which every image with a process has."""


class Found(NamedTuple):
    """A vulnerability of a package in an image."""

    package: str
    version: str
    vulnerability: str
    mended_in: str
    """Empty where no version mends it yet."""


def scan(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="What `freehold images --output` wrote.")
    ] = Path("out/packages"),
    databases: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            help="A copy of OSV's databases (osv-scalibr/ECOSYSTEM/all.zip), where there is no internet.",
            show_default="https://api.osv.dev",
        ),
    ] = None,
) -> None:
    """Look for known vulnerabilities in the images that were made, by OSV-Scanner, which is built once.

    Exits with 1 when one is found that a newer version of the package mends.
    """
    paths.require_clone("scan")
    archives = sorted(folder.glob("*.tar"))
    with_packages = [each for each in archives if _python_package(each)]
    if not with_packages:
        raise ToolError(f"{folder} has no images with packages in them: `make packages` writes them")
    provide(SCANNER)
    _try_out(with_packages[0])
    rows = []
    for archive in archives:
        with working(f"scanning {archive.name}"):
            rows += [(archive.stem, *each) for each in _scan(archive, databases)]
    if rows:
        show(table(("IMAGE", "PACKAGE", "VERSION", "VULNERABILITY", "MENDED IN"), rows))
    mended = sum(bool(row[-1]) for row in rows)
    say(f"scanned {len(archives)} images: {len(rows)} known vulnerabilities, {mended} of them mended")
    raise typer.Exit(Exit.FAILED if mended else Exit.DONE)


def _try_out(archive: Path) -> None:
    """Raise ToolError unless the scanner finds what is planted for an image, and nothing without that."""
    planted = {"PyPI": _python_package(archive), "Debian": _DEBIAN}
    with tempfile.TemporaryDirectory() as scratch, working(f"trying the scanner out on {archive.name}"):
        for ecosystem, name in planted.items():
            _database(Path(scratch), ecosystem, name)
        seen = {each.vulnerability for each in _scan(archive, Path(scratch))}
        for ecosystem in planted:
            _database(Path(scratch), ecosystem, "nothing-has-this-name")
        left = _scan(archive, Path(scratch))
    wanted = {f"PLANTED-{ecosystem}" for ecosystem in planted}
    if seen != wanted or left:
        raise ToolError(
            f"{SCANNER.title} is not to be believed: of {', '.join(sorted(wanted))}, planted for "
            f"{archive.name}, it finds {', '.join(sorted(seen)) or 'nothing'}, and without them "
            f"{len(left)} vulnerabilities"
        )


def _python_package(archive: Path) -> str:
    """Return a Python package of an image, by its bill of materials; empty without one."""
    bill = archive.with_suffix(".cdx.json")
    if not bill.is_file():
        raise ToolError(f"{archive} has no bill of materials beside it: `make packages` writes both")
    components = json.loads(bill.read_text(encoding="utf-8"))["components"]
    return next((str(each["name"]) for each in components if each["purl"].startswith("pkg:pypi/")), "")


def _database(folder: Path, ecosystem: str, name: str) -> None:
    """Write a database with one vulnerability of every version of a package."""
    release = {"Debian": ":12"}.get(ecosystem, "")
    number = f"PLANTED-{ecosystem}"
    events = [{"introduced": "0"}, {"fixed": "999999"}]
    vulnerability = {
        "schema_version": "1.6.0",
        "id": number,
        "modified": "2026-01-01T00:00:00Z",
        "summary": "planted to try the scanner out",
        "affected": [
            {
                "package": {"ecosystem": f"{ecosystem}{release}", "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }
    target = folder / "osv-scalibr" / ecosystem / "all.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as file:
        file.writestr(f"{number}.json", json.dumps(vulnerability))


def _scan(archive: Path, databases: Path | None) -> list[Found]:
    """Return what the scanner finds in an image. Raises ToolError when it cannot scan it."""
    offline = ["--offline"] if databases else []
    command: list[str | Path] = [SCANNER.path(), "scan", "image", "--archive", archive]
    command += ["--format", "json", *offline]
    environment = os.environ | ({_DATABASES: str(databases.resolve())} if databases else {})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode in (_NOTHING_FOUND, _VULNERABLE):
        return sorted(set(found(json.loads(done.stdout))))
    if done.returncode == _NOTHING_TO_SCAN and not _python_package(archive):
        return []
    raise ToolError(f"{SCANNER.title} cannot scan {archive}:\n{last_lines(done.stderr)}")


def found(report: Mapping[str, Any]) -> Iterator[Found]:
    """Yield the vulnerabilities in a report of the scanner."""
    for result in report["results"]:
        for each in result["packages"]:
            package = each["package"]
            for vulnerability in each.get("vulnerabilities", ()):
                mended_in = _mended_in(package, vulnerability.get("affected", ()))
                yield Found(package["name"], package["version"], vulnerability["id"], mended_in)


def _mended_in(package: Mapping[str, str], affected: Sequence[Mapping[str, Any]]) -> str:
    """Return the newest version that mends a vulnerability in the package's own release; empty for none."""
    fixed = [
        event["fixed"]
        for each in affected
        if (each["package"]["name"], each["package"]["ecosystem"]) == (package["name"], package["ecosystem"])
        for of in each.get("ranges", ())
        if of["type"] != "GIT"
        for event in of["events"]
        if "fixed" in event
    ]
    return fixed[-1] if fixed else ""
