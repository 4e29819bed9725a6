"""What an API server would refuse in manifests, and in those inside Objects: `freehold validate`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tools import paths, toolchain
from tools.admission import Answer, admit, ask
from tools.console import say, show
from tools.definitions import Definitions
from tools.errors import Exit, Problem, SchemaMissingError, ToolError
from tools.manifests import Manifest, group_of, load
from tools.objects import Inner, unwrap


def run(files: Sequence[Path], kubeconfig: Path | None) -> Exit:
    """Print what an API server would refuse in the manifests of files; return the exit code."""
    manifests = [manifest for path in files for manifest in load(path)]
    problems = _by_a_server(manifests, kubeconfig) if kubeconfig else _offline(manifests)
    for problem in problems:
        show(str(problem))
    refused = len({problem.resource for problem in problems})
    say(f"manifests: {len(manifests)}; of these an API server would refuse: {refused}")
    return Exit.FAILED if problems else Exit.DONE


def _by_a_server(manifests: Sequence[Manifest], kubeconfig: Path) -> list[Problem]:
    from kubernetes.config import ConfigException

    from tools.control_plane.api import Api
    from tools.control_plane.dry_run import refusals

    try:
        api = Api.of(kubeconfig)
    except ConfigException as error:
        raise ToolError(f"{kubeconfig} is no kubeconfig: {error}") from error
    return refusals(api, manifests)


def _offline(manifests: Sequence[Manifest]) -> list[Problem]:
    toolchain.for_a_render()
    groups = {definition.group for definition in Definitions().all}
    ours = [manifest for manifest in manifests if group_of(manifest) in groups]
    others = [manifest for manifest in manifests if group_of(manifest) not in groups]
    return admit(ours) + (validate(others) if others else [])


def validate(
    manifests: Sequence[Manifest],
    schemas: Path | None = None,
    definitions: Definitions | None = None,
) -> list[Problem]:
    """Return everything an API server would refuse in these manifests.

    Each is checked against its CRD, our XRDs or Kubernetes' own types: unknown fields, types,
    required fields, CEL rules, repeated list keys, names, labels, and whether it has a namespace
    where its kind needs one (of Kubernetes' own kinds only the fields and the metadata). A kind
    without a schema is a problem too. Manifests inside Objects, and the inputs of a Composition, are
    checked too; of a manifest that is only observed, the unknown fields alone.

    Raises SchemaMissingError when there is no folder of schemas.
    """
    schemas = schemas or schemas_folder()
    found = [inner for manifest in manifests for inner in unwrap(manifest)]
    ours = [paths.PACKAGE, (definitions or Definitions()).xrds]
    answers = ask([inner.manifest for inner in found], [paths.OWN_SCHEMAS, schemas, *ours])
    return [
        Problem(inner.label, field, message)
        for inner, answer in zip(found, answers, strict=True)
        for field, message in _problems(inner, answer, schemas)
    ]


def schemas_folder() -> Path:
    """Return the folder of real CRDs: SCHEMAS names it. Raises SchemaMissingError where there is none."""
    folder = paths.schemas()
    if not folder.is_dir():
        raise SchemaMissingError(f"{folder}: no folder of schemas; name one with SCHEMAS=DIR")
    return folder


def _problems(inner: Inner, answer: Answer, schemas: Path) -> Iterator[tuple[str, str]]:
    if not answer.served:
        kind = f"{inner.manifest.get('apiVersion')} {inner.manifest.get('kind')}"
        yield "", f"no schema for {kind} in {schemas}, xrds/ or Kubernetes itself"
    for field, message, unknown in answer.problems:
        # What is only observed may be a name and a kind; an input has no metadata.
        if unknown or (inner.applied and not (inner.is_input and field.startswith("metadata"))):
            yield field, message
