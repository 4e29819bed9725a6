"""Write the XRDs, the CRDs, package/install.yaml and docs/api.md: `make generate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from functions.api import (
    API_VERSION,
    ClusterSpec,
    ClusterStatus,
    CRDUpgrade,
    CRDUpgradeStatus,
    ModelSpec,
    ModelStatus,
    NodePoolsInput,
    PodReport,
    Schema,
    SecretDelivery,
    SecretDeliveryStatus,
    VLLMInput,
    contract,
)
from functions.cluster_stack.input import ClusterStackInput
from tools import install
from tools.api_reference import api_reference
from tools.console import say
from tools.errors import Exit
from tools.openapi import structural, without_rules
from tools.permissions import aws

__all__ = ["generated", "run"]

ROOT = Path(__file__).parents[1]
GROUP, VERSION = API_VERSION.split("/")
_HEADER = "# Generated from functions/api by `make generate`. Do not edit.\n"
_INSTALL_HEADER = """# What a Crossplane package cannot hold: apply it beside the packages by kubectl apply.
# Generated from tools/install.py by `make generate`. Do not edit.
"""


class Column(NamedTuple):
    """A column that `kubectl get` prints."""

    name: str
    path: str
    type: str = "string"


class Composite(NamedTuple):
    """An XR, its claim, and what kubectl calls them."""

    kind: str
    plural: str
    short: str
    composition: str
    spec: type[Schema]
    status: type[Schema]
    columns: tuple[Column, ...]
    connection: tuple[str, ...] = ()
    """Keys of the connection Secret that a claim may ask for; none: there is none."""


COMPOSITES = (
    Composite(
        "InferenceCluster",
        "inferenceclusters",
        "icl",
        "inferencecluster",
        ClusterSpec,
        ClusterStatus,
        (
            Column("Pools", ".status.summary.nodePools"),
            Column("GPUs", ".status.summary.gpus"),
            Column("Kubernetes", ".status.kubernetesVersion"),
        ),
    ),
    Composite(
        "Model",
        "models",
        "mdl",
        "model",
        ModelSpec,
        ModelStatus,
        (
            Column("Model", ".spec.model"),
            Column("Cluster", ".status.placement.claim"),
            Column("Pool", ".status.placement.nodePool"),
            Column("GPUs", ".status.placement.gpus", "integer"),
            Column("Endpoint", ".status.endpoint.baseURL"),
        ),
        contract.CONNECTION_KEYS,
    ),
)
INPUTS: dict[str, tuple[str, str, type[Schema]]] = {
    "node-pools": ("NodePoolsInput", "nodepoolsinputs", NodePoolsInput),
    "cluster-stack": ("ClusterStackInput", "clusterstackinputs", ClusterStackInput),
    "vllm": ("VLLMInput", "vllminputs", VLLMInput),
}


def xrd(composite: Composite) -> dict[str, Any]:
    """Return the XRD of a composite and its claim.

    `apiextensions.crossplane.io/v1` is the only version whose scope LegacyCluster
    offers claims.
    """
    described = (composite.spec.__doc__ or "").split("\n\n")[0]
    spec, status = structural(composite.spec), without_rules(structural(composite.status))
    return {
        "apiVersion": "apiextensions.crossplane.io/v1",
        "kind": "CompositeResourceDefinition",
        "metadata": {"name": f"x{composite.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "LegacyCluster",
            "names": _names(f"X{composite.kind}", f"x{composite.plural}", f"x{composite.short}"),
            "claimNames": _names(composite.kind, composite.plural, composite.short),
            "enforcedCompositionRef": {"name": composite.composition},
            "defaultCompositeDeletePolicy": "Foreground",
            **({"connectionSecretKeys": list(composite.connection)} if composite.connection else {}),
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "referenceable": True,
                    "additionalPrinterColumns": [
                        {"name": c.name, "type": c.type, "jsonPath": c.path} for c in composite.columns
                    ],
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": described,
                            "required": ["spec"],
                            "properties": {"spec": spec, "status": status},
                        }
                    },
                }
            ],
        },
    }


def _names(kind: str, plural: str, short: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": [short],
        "categories": ["freehold"],
    }


def input_crd(kind: str, plural: str, model: type[Schema]) -> dict[str, Any]:
    """Return the CRD that describes a function's input; nothing is ever stored of it."""
    schema = structural(model)
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        **schema["properties"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


def report_crd() -> dict[str, Any]:
    """Return the CRD of ModelReport, which the agent writes in GPU clusters."""
    columns = (
        Column("Serving", ".report.serving.ready", "integer"),
        Column("Trouble", ".report.serving.trouble.reason"),
        Column("Since", ".report.serving.trouble.since"),
    )
    described = PodReport.__doc__ or ""
    fields = {"report": without_rules(structural(PodReport))}
    return _agents_crd((contract.REPORT_KIND, contract.REPORT_PLURAL), described, fields, columns)


def delivery_crd() -> dict[str, Any]:
    """Return the CRD of SecretDelivery, which the agent of the control plane follows."""
    columns = (
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        Column("Synced", ".status.conditions[?(@.type=='Synced')].status"),
        Column("Reason", ".status.conditions[?(@.type=='Synced')].reason"),
        Column("From", ".spec.source.namespace"),
        Column("To", ".spec.target.namespace"),
    )
    named = (contract.DELIVERY_KIND, contract.DELIVERY_PLURAL)
    return _followed_crd(named, SecretDelivery, SecretDeliveryStatus, columns)


def upgrade_crd() -> dict[str, Any]:
    """Return the CRD of CRDUpgrade, which the agent of the control plane follows."""
    columns = (
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        Column("Synced", ".status.conditions[?(@.type=='Synced')].status"),
        Column("Reason", ".status.conditions[?(@.type=='Synced')].reason"),
        Column("Chart", ".spec.chart.name"),
        Column("Version", ".spec.chart.version"),
        Column("Applied", ".status.applied.version"),
    )
    return _followed_crd(
        (contract.UPGRADE_KIND, contract.UPGRADE_PLURAL), CRDUpgrade, CRDUpgradeStatus, columns
    )


def _followed_crd(
    named: tuple[str, str], spec: type[Schema], status: type[Schema], columns: Sequence[Column]
) -> dict[str, Any]:
    """Return the CRD of a kind whose objects the agent follows, and says of how they do."""
    fields = {"spec": structural(spec), "status": without_rules(structural(status))}
    crd = _agents_crd(named, (spec.__doc__ or "").split("\n\n")[0], fields, columns)
    [version] = crd["spec"]["versions"]
    version["subresources"] = {"status": {}}
    version["schema"]["openAPIV3Schema"]["required"] = ["spec"]
    return crd


def _agents_crd(
    named: tuple[str, str], described: str, fields: dict[str, Any], columns: Sequence[Column]
) -> dict[str, Any]:
    """Return the CRD of a kind of the agent's group.

    Args:
        named: kind and plural.
        described: what the kind is.
        fields: schemas of the fields beside apiVersion, kind and metadata.
        columns: what kubectl prints.
    """
    group, version = contract.REPORT_API_VERSION.split("/")
    kind, plural = named
    schema = {
        "type": "object",
        "description": described,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            **fields,
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [
                        {"name": c.name, "type": c.type, "jsonPath": c.path} for c in columns
                    ],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _without_descriptions(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_descriptions(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _without_descriptions(value) for key, value in node.items() if key != "description"}


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each generated file's path from the repository's root, and its text."""
    for composite in COMPOSITES:
        yield Path(f"xrds/x{composite.plural}.yaml"), _text(xrd(composite))
    for function, (kind, plural, model) in INPUTS.items():
        yield Path(f"package/function-{function}/input.yaml"), _text(input_crd(kind, plural, model))
    # For people and for validation; and for function-cluster-stack, which reads no YAML, and whose every
    # request carries the CRD several times.
    yield Path(f"package/agent/{contract.REPORT_PLURAL}.yaml"), _text(report_crd())
    short = json.dumps(_without_descriptions(report_crd()), indent=1) + "\n"
    yield Path("functions/cluster_stack/model_report_crd.json"), short
    yield Path("package/install.yaml"), _install()
    yield Path("docs/api.md"), api_reference(map(xrd, COMPOSITES))
    yield Path("docs/permissions/aws.json"), aws.document()


def _install() -> str:
    documents = []
    for part in install.parts([composite.plural for composite in COMPOSITES], delivery_crd(), upgrade_crd()):
        comment = "".join(f"# {line}\n" for line in part.comment.splitlines())
        documents.append(comment + _yaml(part.manifest))
    return _INSTALL_HEADER + "---\n".join(documents)


def _text(document: dict[str, Any]) -> str:
    return _HEADER + _yaml(document)


def _yaml(document: dict[str, Any]) -> str:
    # Rendered from JSON, nothing stands in two places, so the dumper writes no anchors.
    apart = json.loads(json.dumps(document))
    return yaml.safe_dump(apart, sort_keys=False, width=100, allow_unicode=True)


def run(*, check: bool) -> Exit:
    """Write every generated file, or with `check` only say which differ; return the exit code."""
    stale = [(path, text) for path, text in generated() if not _same(ROOT / path, text)]
    for path, text in stale:
        say(f"{'differs' if check else 'wrote'}: {path}")
        if not check:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text, encoding="utf-8")
    return Exit.FAILED if check and stale else Exit.DONE


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text
