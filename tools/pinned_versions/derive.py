"""Read the facts about a chart from the chart: a folder or a packaged .tgz, templated by Helm."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.errors import ToolError, last_lines
from tools.manifests import Manifest
from tools.pinned_versions.facts import ANY, OPEN, ChartFacts, Workload, type_of
from tools.pinned_versions.pod_security import level
from tools.pinned_versions.releases import Asked, releases

__all__ = ["Chart", "derive", "found_charts", "pod_of", "template", "values"]

_POD = {
    "Deployment": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "Pod": ("spec",),
}
_VALUE = r"\.Values((?:\.[A-Za-z][A-Za-z0-9]*)+)"
_USED = re.compile(_VALUE)
_PASSED_ON = re.compile(
    rf"toYaml\s+\(?\s*{_VALUE}|{_VALUE}\s*\|\s*(?:toYaml|toJson)|range\s+\$\w+\s*,\s*\$\w+\s*:=\s*{_VALUE}"
    rf"|with\s+{_VALUE}\s*-?}}}}\s*[^{{]*{{{{-?\s*(?:toYaml\s+\.|tpl\s+\(toYaml\s+\.)"
)
"""Values that a template passes on whole, whatever is in them."""
_CALLED = re.compile(rf"(\$\w+)\s*:=\s*{_VALUE}\s*-?}}}}")
"""Values that a template calls by a name of its own, and that name."""
_KUBERNETES = "1.35.0"


@dataclass(frozen=True)
class Chart:
    """A chart's files."""

    folder: Path

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its Chart.yaml."""
        found: Mapping[str, Any] = yaml.safe_load((self.folder / "Chart.yaml").read_text(encoding="utf-8"))
        return found


def derive(chart: Path, source: str, helm: Path) -> ChartFacts:
    """Read the facts about a chart.

    Args:
        chart: its folder or .tgz, packaged as its project does, or its version is a placeholder.
        source: where its source and the script that packages it stand.
        helm: the program.

    Raises:
        ToolError: for what is no chart, or that Helm cannot template with Freehold's values.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = Chart(_unpacked(chart, Path(scratch)))
        name = str(files.metadata["name"])
        asked = [each for each in releases() if each.chart == name]
        if not asked:
            raise ToolError(f"{chart}: no example installs the chart {name}")
        manifests = [m for each in asked for m in template(files.folder, each, helm)]
        return ChartFacts(
            chart=name,
            version=str(files.metadata["version"]),
            source=source,
            crds=dict(sorted(_crds(files.folder))),
            workloads=tuple(sorted(set(_workloads(manifests)), key=lambda w: (w.hook, w.kind, w.name))),
            images=tuple(sorted(set(_images(manifests)))),
            values=dict(sorted(values(files.folder).items())),
        )


def found_charts(folder: Path) -> dict[str, Path]:
    """Return the charts in a folder by their names: packaged ones, and folders with a Chart.yaml."""
    found = {}
    for path in sorted([*folder.glob("*.tgz"), *(p.parent for p in folder.glob("*/Chart.yaml"))]):
        with tempfile.TemporaryDirectory() as scratch:
            found[str(Chart(_unpacked(path, Path(scratch))).metadata["name"])] = path
    return found


def _unpacked(chart: Path, scratch: Path) -> Path:
    if (chart / "Chart.yaml").is_file():
        return chart
    try:
        with tarfile.open(chart) as archive:
            archive.extractall(scratch, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise ToolError(f"{chart} is neither a chart's folder nor its .tgz: {error}") from error
    [folder] = [file.parent for file in scratch.glob("*/Chart.yaml")]
    return folder


def template(chart: Path, asked: Asked, helm: Path) -> list[Manifest]:
    """Return what Helm makes of a chart with the values of a Release, hooks included.

    Raises:
        ToolError: with Helm's own words, where it refuses.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(asked.values, file)
        file.flush()
        command = [str(helm), "template", asked.helm_name, str(chart), "--namespace", asked.namespace]
        command += ["--values", file.name, "--kube-version", _KUBERNETES]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"Helm cannot template {asked.chart} for {asked.example}: {last_lines(done.stderr)}")
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def _crds(folder: Path) -> Iterator[tuple[str, str]]:
    # A subchart has a folder of its own, in which Helm looks for folders too.
    for file in sorted([*folder.glob("crds/**/*.yaml"), *folder.glob("charts/*/crds/**/*.yaml")]):
        for crd in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            if crd:
                content = json.dumps(crd["spec"], sort_keys=True).encode()
                yield crd["metadata"]["name"], hashlib.sha256(content).hexdigest()[:12]


def _workloads(manifests: Sequence[Manifest]) -> Iterator[Workload]:
    for manifest in manifests:
        pod = pod_of(manifest)
        if pod is not None:
            metadata = manifest["metadata"]
            hook = (metadata.get("annotations") or {}).get("helm.sh/hook", "")
            yield Workload(manifest["kind"], metadata["name"], level(pod).value, hook)


def pod_of(manifest: Manifest) -> Mapping[str, Any] | None:
    """Return the spec of the pods that a manifest makes; None for one that makes none."""
    found: Any = manifest
    for key in _POD.get(manifest["kind"], ()):
        found = found[key]
    return None if found is manifest else found


def _images(manifests: Sequence[Manifest]) -> Iterator[str]:
    for manifest in manifests:
        pod = pod_of(manifest)
        if pod is not None:
            for container in (*pod.get("initContainers", ()), *pod["containers"]):
                yield container["image"]
        else:
            yield from _operands(manifest)


def _operands(node: Any) -> Iterator[str]:
    """Yield the images that an operator's custom resource names in three parts, of what it enables."""
    if isinstance(node, list):
        for each in node:
            yield from _operands(each)
    if isinstance(node, Mapping) and node.get("enabled", True):
        parts = [node.get(key) for key in ("repository", "image", "version")]
        if all(isinstance(part, str) and part for part in parts):
            yield "{}/{}:{}".format(*parts)
        for each in node.values():
            yield from _operands(each)


def values(folder: Path) -> dict[str, str]:
    """Return the type of each value: of its default, else `any` where a template uses the value."""
    types: dict[str, str] = {}
    own = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8")) or {}
    _flatten(own, "", types)
    for subchart in sorted(folder.glob("charts/*/values.yaml")):
        defaults = yaml.safe_load(subchart.read_text(encoding="utf-8")) or {}
        below: dict[str, str] = {}
        _flatten(defaults, subchart.parent.name, below)
        types = {subchart.parent.name: "map"} | below | types
    templates = [f.read_text(encoding="utf-8") for f in sorted(folder.glob("templates/**/*")) if f.is_file()]
    for text in templates:
        for used in _USED.findall(text):
            _note(used.removeprefix("."), types)
    for text in templates:
        passed_on = [next(filter(None, groups)) for groups in _PASSED_ON.findall(text)]
        # Merged with defaults, it is passed on, too.
        passed_on += [path for name, path in _CALLED.findall(text) if f" merge {name} " in text]
        for path in passed_on:
            if types.get(path.removeprefix(".")) == "map":
                types[path.removeprefix(".")] = OPEN
    return types


def _flatten(node: Mapping[str, Any], above: str, types: dict[str, str]) -> None:
    for key, value in node.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping) and value:
            types[path] = "map"
            _flatten(value, path, types)
        else:
            types[path] = ANY if value in (None, {}, []) else type_of(value)


def _note(path: str, types: dict[str, str]) -> None:
    """Note a value that only a template names; what is below a value of any type needs no note."""
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        above = ".".join(parts[:length])
        if above not in types:
            types[above] = ANY if length == len(parts) else "map"
        elif types[above] == ANY:
            return
