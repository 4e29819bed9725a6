"""The pins of functions/catalog/versions.toml: read by name, changed in place, checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from functions.cluster_stack.registry import COMPONENTS
from tools.errors import ToolError
from tools.paths import ROOT
from tools.pinned_versions.facts import chart_facts

__all__ = ["FILE", "chart_name", "come_along", "problems", "read", "replaced"]

FILE = ROOT / "functions" / "catalog" / "versions.toml"
_HEADER = re.compile(r"^\[(.+)\]$")


def read(text: str | None = None) -> dict[tuple[str, ...], str]:
    """Return every pinned version by its path in the file, such as ("charts", "gpu-operator")."""
    found: dict[tuple[str, ...], str] = {}
    _collect(tomllib.loads(FILE.read_text(encoding="utf-8") if text is None else text), (), found)
    return found


def _collect(node: dict[str, Any], above: tuple[str, ...], found: dict[tuple[str, ...], str]) -> None:
    for key, value in node.items():
        if isinstance(value, dict):
            _collect(value, (*above, key), found)
        elif above[:1] == ("charts",):
            if key == "version":
                found[above] = value
        else:
            found[*above, key] = value


def chart_name(component: str) -> str:
    """Return the name of a component's chart."""
    charts = tomllib.loads(FILE.read_text(encoding="utf-8"))["charts"]
    if component not in charts:
        raise ToolError(f"{component} is no component: {', '.join(charts)}")
    return str(charts[component].get("chart", component))


def replaced(text: str, path: tuple[str, ...], version: str) -> str:
    """Return the file's text with another version, also where the comments of its section name it.

    Raises:
        ToolError: for a path that the file does not have, with those that it has.
    """
    known = read(text)
    if path not in known:
        name, names = ".".join(path), [".".join(each) for each in known]
        close = get_close_matches(name, names, n=3, cutoff=0.4) or names
        raise ToolError(f"{name} is no pinned version: {', '.join(close)}")
    old = known[path]
    section, key = (path, "version") if path[0] == "charts" else (path[:-1], path[-1])
    lines, here = [], ()
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            here = tuple(part.strip('"') for part in re.findall(r'"[^"]+"|[^."]+', header.group(1)))
        if here == tuple(section):
            line = _line(line, key, old, version, whole_section=path[0] == "charts")
        lines.append(line)
    changed = "\n".join(lines) + "\n"
    assert read(changed) == known | {path: version}, "only this version changes"
    return changed


def _line(line: str, key: str, old: str, new: str, *, whole_section: bool) -> str:
    if re.match(rf'^"?{re.escape(key)}"? = ', line):
        return line.replace(f'"{old}"', f'"{new}"')
    if whole_section and line.startswith("#"):
        return re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w-])(?!\.\d)", new, line)
    return line


def come_along(path: tuple[str, ...], version: str) -> Iterator[str]:
    """Say which other versions a new one brings along: those by Kubernetes' minor version."""
    if path != ("kubernetes",):
        return
    pins = read()
    before = pins[path]
    for other, old in pins.items():
        if len(other) > 1 and other[1] == before and other[0] in {"cluster-autoscaler", "eks"}:
            new = pins.get((other[0], version, *other[2:]))
            name = ".".join((other[0], *other[2:]))
            if new is None:
                yield f"{name} has no version for Kubernetes {version}: add it to versions.toml"
            elif new != old:
                yield f"{name} of new clusters: {old} -> {new}"
    yield f"clusters that live stay at their own version until their claim asks for {version}"


def problems() -> Iterator[str]:
    """Say what in the pins does not fit together."""
    pins = read()
    for component in COMPONENTS:
        facts, pinned = chart_facts(chart_name(component.name)), pins["charts", component.name]
        if facts.version != pinned:
            yield (
                f"charts.{component.name} is pinned at {pinned}, and the facts that are kept of it are of "
                f"{facts.version}. A Release whose chart says another version inside is never Ready. Run "
                f"freehold versions set {component.name} --chart CHART"
            )
    minor = pins["kubernetes",]
    if ("cluster-autoscaler", minor) not in pins:
        yield f"kubernetes is {minor}, and cluster-autoscaler has no version for it"
    if ("eks", minor, "node-release") not in pins:
        yield f"kubernetes is {minor}, and eks has no node-release and add-ons of it"
    for path, version in pins.items():
        if path[0] == "images" and not re.search(r"[:@][^/]+$", version):
            yield f"{'.'.join(path)} has neither a tag nor a digest: {version}"
