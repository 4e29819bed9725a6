"""Charts that stand in for the real ones, made from the facts that are kept of those.

Each has the real chart's name, version, CRDs and workloads by their names, whose pods need the
same pod security level, and takes the values that the real chart takes and no others. It
installs a ConfigMap `RELEASE-values` of the values that it was given. No pod of it does anything.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from functions.catalog import chart
from functions.cluster_stack.registry import COMPONENTS
from tools import paths
from tools.images.image import Blob, manifest
from tools.images.registry import Registry
from tools.manifests import Manifest
from tools.pinned_versions.facts import OPEN, ChartFacts, Workload, chart_facts

CONFIG = "application/vnd.cncf.helm.config.v1+json"
CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

CHARTS = {to_camel(component.field): component.name for component in COMPONENTS}
"""What the charts install, by the field of ClusterStackInput that names a chart's mirror."""

_FOLDER = paths.ROOT / "tools" / "control_plane" / "stand_in_charts"
_REPOSITORY = "charts"


def repository(host: str) -> str:
    """Return the repository in a registry that a ClusterStackInput names."""
    return f"oci://{host}/{_REPOSITORY}"


def push(registry: Registry, crds: Mapping[str, Manifest] | None = None) -> None:
    """Push every chart, under the tag that Freehold pins.

    Args:
        registry: that takes them.
        crds: real CRDs by name, which the charts have in place of those that stand in.
    """
    for component in CHARTS.values():
        put(registry, component, packed(component, files(component, crds)))


def put(registry: Registry, component: str, archive: bytes, version: str = "") -> None:
    """Push the chart of a component, in place of what the registry has of it.

    Args:
        registry: that takes it.
        component: whose chart.
        archive: of the chart.
        version: that the archive says it is of; by default the one that Freehold pins.
    """
    known = chart(component)
    content = Blob(CONTENT, archive)
    config = Blob(CONFIG, _metadata(chart_facts(known.name), version))
    listing = manifest(config, [content.descriptor])
    tag = version or known.version
    registry.push_artifact(f"{_REPOSITORY}/{known.name}", tag, listing, config, content)


def mirrored(composition: Manifest, repository: str) -> Manifest:
    """Return a composition whose charts come from a repository, as a platform team sets it."""
    for step in composition["spec"]["pipeline"]:
        if step.get("input", {}).get("kind") == "ClusterStackInput":
            for field in CHARTS:
                step["input"].setdefault(field, {})["repository"] = repository
    return composition


def files(component: str, crds: Mapping[str, Manifest] | None = None, version: str = "") -> dict[str, bytes]:
    """Return the files of the chart that stands in for a component's, by their paths in the chart.

    Args:
        component: whose chart.
        crds: CRDs by name, in place of those that stand in.
        version: of the chart; by default the one that Freehold pins.
    """
    facts = chart_facts(chart(component).name)
    found = {"Chart.yaml": _metadata(facts, version), "values.schema.json": _json(schema(facts))}
    found |= {f"crds/{name}.yaml": _json((crds or {}).get(name) or _crd(name)) for name in facts.crds}
    for workload in facts.workloads:
        if not workload.hook:
            found[f"templates/{workload.kind.lower()}-{workload.name}.yaml"] = _json(_manifest(workload))
    for own in sorted([*_FOLDER.glob("*.yaml"), *(_FOLDER / component).glob("*.yaml")]):
        found[f"templates/{own.name}"] = own.read_bytes()
    return found


def package(component: str) -> bytes:
    """Return the archive of a component's chart, the same bytes for the same files."""
    return packed(component, files(component))


def packed(component: str, contents: Mapping[str, bytes]) -> bytes:
    """Return the archive of a component's chart of some files, the same bytes for the same files."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{chart(component).name}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _json(content: Mapping[str, Any]) -> bytes:
    """Return JSON, which is YAML."""
    return json.dumps(content, indent=1).encode()


def _metadata(facts: ChartFacts, version: str = "") -> bytes:
    return _json({"apiVersion": "v2", "name": facts.chart, "version": version or facts.version})


_TYPES: dict[str, Mapping[str, Any]] = {
    "bool": {"type": "boolean"},
    "number": {"type": "number"},
    "string": {"type": "string"},
    "list": {"type": "array"},
    OPEN: {"type": "object"},
}


def schema(facts: ChartFacts) -> dict[str, Any]:
    """Return the JSON schema of the chart's values, by which Helm refuses all others."""
    root = _closed()
    for path, type_ in facts.values.items():
        *above, key = path.split(".")
        node: dict[str, Any] | None = root
        for part in above:
            node = node["properties"].get(part) if node is not None and "properties" in node else None
        if node is not None and "properties" in node:
            node["properties"][key] = _closed() if type_ == "map" else dict(_TYPES.get(type_, {}))
    return root


def _closed() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _crd(name: str) -> Manifest:
    """Return a CRD of a real one's name, for whatever content."""
    plural, _, group = name.partition(".")
    kind = plural.title()
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # Of groups that are Kubernetes' own, else the API server refuses the CRD.
        "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in"}},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [version],
        },
    }


_POD_SECURITY: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "privileged": (
        {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
        {"securityContext": {"privileged": True}},
    ),
    "baseline": ({}, {}),
    "restricted": (
        {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}},
        {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}},
    ),
}
"""By level: fields of a pod and of its container that meet it, and no stricter one."""


def _manifest(workload: Workload) -> Manifest:
    """Return a workload of a chart, in the release's namespace."""
    labels = {"app.kubernetes.io/name": workload.name}
    pod, container = _POD_SECURITY[workload.pod_security]
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [{"name": "stand-in", "image": f"{workload.name}:stand-in", **container}],
            **pod,
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": {"name": workload.name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
