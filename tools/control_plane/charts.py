"""Charts that stand in for the real ones: of their names and versions, in a registry of our own.

Each installs a ConfigMap `RELEASE-values` of the values that it was given, and
what a cluster's stack is looked at by. No pod of theirs would run here.
"""

import gzip
import io
import json
import tarfile
from pathlib import Path

from pydantic.alias_generators import to_camel

from functions.catalog import ChartVersion, chart
from functions.cluster_stack.registry import COMPONENTS
from tools import paths
from tools.control_plane.registry import Blob, Registry
from tools.manifests import Manifest
from tools.versions.facts import chart_facts

CONFIG = "application/vnd.cncf.helm.config.v1+json"
CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

CHARTS = {to_camel(component.field): component.name for component in COMPONENTS}
"""What the charts install, by the field of ClusterStackInput that names a chart's mirror."""

_FOLDER = paths.ROOT / "tools" / "control-plane" / "charts"


def repository(host: str) -> str:
    """Return the repository in a registry that a ClusterStackInput names."""
    return f"oci://{host}/{_FOLDER.name}"


def push(registry: Registry) -> None:
    """Push every chart."""
    for component in CHARTS.values():
        known = chart(component)
        content = Blob(CONTENT, package(known, files(component)))
        registry.push(f"{_FOLDER.name}/{known.name}", known.version, Blob(CONFIG, metadata(known)), content)


def mirrored(composition: Manifest, repository: str) -> Manifest:
    """Return a composition whose charts come from a repository, as a platform team sets it."""
    for step in composition["spec"]["pipeline"]:
        if step.get("input", {}).get("kind") == "ClusterStackInput":
            for field in CHARTS:
                step["input"].setdefault(field, {})["repository"] = repository
    return composition


def files(component: str) -> list[Path]:
    """Return the templates of what stands in for a component: what all have, and its own."""
    return sorted([*_FOLDER.glob("*.yaml"), *(_FOLDER / component).glob("*.yaml")])


def package(known: ChartVersion, templates: list[Path]) -> bytes:
    """Return a chart's archive, the same bytes for the same templates."""
    members = {"Chart.yaml": metadata(known)}
    members |= {f"templates/{path.name}": path.read_bytes() for path in templates}
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, content in members.items():
            member = tarfile.TarInfo(f"{known.name}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def metadata(known: ChartVersion) -> bytes:
    """Return a chart's Chart.yaml, of the version that the real chart has inside; JSON is YAML."""
    return json.dumps(
        {"apiVersion": "v2", "name": known.name, "version": chart_facts(known.name).version}
    ).encode()
