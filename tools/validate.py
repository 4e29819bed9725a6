"""Composed resources checked against the real schemas, and inside Objects too."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools import apiserver, names, paths
from tools.definitions import Definitions
from tools.manifests import Manifest, as_json_list, group_of, load, version_of
from tools.objects import Inner, unwrap
from tools.problem import Problem
from tools.resource_validate import Verdict, verdicts
from tools.schemas import Schemas, own_crds

# Their schemas are fields of their own CRDs' OpenAPI.
Found = Iterator[tuple[str, str]]


def validate(
    manifests: Sequence[Manifest],
    schemas: Schemas | None = None,
    definitions: Definitions | None = None,
) -> list[Problem]:
    """Return everything an API server would refuse in these manifests.

    Each is checked against its CRD, our XRDs, or Kubernetes' own types:
    unknown fields, types, required fields, CEL rules, repeated list keys,
    names, labels, and whether it has a namespace where its kind needs one. A
    kind without a schema is a problem too. Manifests inside Objects are
    checked like the others; of one that is only observed just what is there.

    Raises SchemaMissingError when there is no folder of schemas.
    """
    schemas = schemas or Schemas()
    definitions = definitions or Definitions()
    found = [inner for manifest in manifests for inner in unwrap(manifest)]
    kinds = {(group_of(i.manifest), str(i.manifest.get("kind"))) for i in found}
    with tempfile.TemporaryDirectory(prefix="freehold-schemas-") as folder:
        ours = Path(folder) / "ours.yaml"
        ours.write_text(as_json_list([d.xrd for d in definitions.all] + own_crds()))
        answers = verdicts([i.manifest for i in found], [ours, *schemas.files(kinds)])
    return [
        Problem(inner.label, field, message)
        for inner, verdict in zip(found, answers, strict=True)
        for field, message in _check(inner, verdict, schemas)
    ]


def _check(inner: Inner, verdict: Verdict, schemas: Schemas) -> Found:
    manifest = inner.manifest
    if verdict.missing_schema:
        kind = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
        yield "", f"no schema for {kind} in {schemas.folder}, xrds/ or Kubernetes itself"
    for type_, field, message in verdict.errors:
        if inner.applied or type_ == "unknownField":
            yield field, message
    yield from names.problems(manifest)
    builtin = schemas.builtin(group_of(manifest), version_of(manifest))
    if builtin is not None and builtin.schema(str(manifest["kind"])) is not None:
        yield from _scope(manifest, builtin.namespaced(str(manifest["kind"])))
        if inner.applied:
            yield from apiserver.builtin_problems(manifest, builtin)
        return
    crd = schemas.crds.get((group_of(manifest), str(manifest["kind"])))
    if crd is not None:
        yield from _scope(manifest, crd.namespaced)
        yield from apiserver.repeated_keys(manifest, _schema(crd.file, manifest))


def _scope(manifest: Manifest, namespaced: bool) -> Found:
    has_one = bool((manifest.get("metadata") or {}).get("namespace"))
    if namespaced and not has_one:
        yield "metadata.namespace", f"is required: {manifest['kind']} is namespaced"
    if has_one and not namespaced:
        yield "metadata.namespace", f"must be absent: {manifest['kind']} is cluster-scoped"


def _schema(file: Path, manifest: Manifest) -> Manifest:
    for crd in _crds(file):
        spec = crd["spec"]
        if (spec["group"], spec["names"]["kind"]) == (group_of(manifest), manifest["kind"]):
            for version in spec["versions"]:
                if version["name"] == version_of(manifest):
                    schema: Manifest = version["schema"]["openAPIV3Schema"]
                    return schema
    return {}


def _crds(file: Path) -> list[Manifest]:
    """Load a file of CRDs: from a JSON copy once there is one, as YAML takes far longer."""
    stat = file.stat()
    copy = paths.MADE / "cache" / f"{file.stem}-{stat.st_size}-{stat.st_mtime_ns}.json"
    if copy.is_file():
        crds: list[Manifest] = json.loads(copy.read_text())
        return crds
    crds = load(file)
    copy.parent.mkdir(parents=True, exist_ok=True)
    # Into place whole: another process may read it now.
    with tempfile.NamedTemporaryFile("w", dir=copy.parent, delete=False) as partial:
        json.dump(crds, partial)
    Path(partial.name).replace(copy)
    return crds
