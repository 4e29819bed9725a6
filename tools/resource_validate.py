"""`crossplane resource validate`: schemas, defaults, unknown fields and CEL, offline."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.crossplane_cli import crossplane
from tools.errors import ToolError, last_lines
from tools.manifests import Manifest, as_json_list


@dataclass(frozen=True)
class Verdict:
    """What the CLI says of one manifest."""

    missing_schema: bool
    errors: list[tuple[str, str, str]]
    """(type: schema, cel or unknownField; field path; message without the path)."""


def verdicts(manifests: Sequence[Manifest], extensions: Sequence[Path]) -> list[Verdict]:
    """Return the CLI's verdict on each manifest, in their order.

    `extensions` are files or folders of CRDs and XRDs; no Provider, Function
    or Configuration may be among them, as the CLI would download those.
    Raises ToolError when the CLI itself fails.
    """
    if not manifests:
        return []
    with tempfile.TemporaryDirectory(prefix="freehold-validate-") as folder:
        resources = Path(folder) / "resources.yaml"
        resources.write_text(as_json_list(manifests))
        nothing = Path(folder) / "none"
        nothing.mkdir()
        sources = ",".join(str(path) for path in extensions or [nothing])
        done = crossplane(
            [
                *("resource", "validate", sources, resources),
                *("--crossplane-image=", "--error-on-missing-schemas", "--output=json"),
                f"--cache-dir={folder}/cache",
            ]
        )
    try:
        answer = json.loads(done.stdout)["resources"]
    except (ValueError, KeyError) as error:
        raise ToolError(
            f"crossplane resource validate exits {done.returncode}:\n"
            + last_lines(done.stderr or done.stdout)
        ) from error
    answers = iter(answer)
    return [_verdict_on(manifest, answers) for manifest in manifests]


def _verdict_on(manifest: Manifest, answers: Iterator[dict[str, Any]]) -> Verdict:
    """Take the next answer; before a Composition the CLI puts one for each of its inputs."""
    errors: list[tuple[str, str, str]] = []
    if manifest.get("kind") == "Composition":
        for index, step in enumerate(manifest["spec"].get("pipeline", [])):
            if not step.get("input"):
                continue
            at, found = f"spec.pipeline[{index}].input", _verdict(next(answers))
            if found.missing_schema:
                errors.append(("schema", at, f"no schema for {step['input'].get('kind')}"))
            errors += [(type_, f"{at}.{field}", message) for type_, field, message in found.errors]
    own = _verdict(next(answers))
    return Verdict(own.missing_schema, own.errors + errors)


def _verdict(resource: dict[str, Any]) -> Verdict:
    return Verdict(resource["status"] == "missingSchema", list(_errors(resource)))


def _errors(resource: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for error in resource.get("errors") or []:
        field, message = error.get("field", ""), error["message"]
        message = message.removeprefix(f"{field}: ") if field else message
        # A rule's own words, without "Invalid value" and the whole object.
        if error["type"] == "cel":
            message = message.removeprefix("Invalid value: ")
            message = message.removeprefix('"object": ').removeprefix('"array": ')
        if error["type"] == "unknownField":
            message = "unknown field"
        yield error["type"], field, message
