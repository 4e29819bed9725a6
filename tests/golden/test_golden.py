"""Renders of every example by the real reconciler, against committed files, and valid.

`make golden` rewrites the files. One file for each folder of examples shows every manifest: read its
diff line by line. The other files hold a digest of each manifest, which says where something changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from functions.node_pools.aws.managed import KINDS
from functions.node_pools.place import Place
from functions.vllm.serve import metrics
from functions.vllm.source.huggingface import PROGRAM
from tests.golden.conftest import Played
from tools import paths
from tools.demo import Example
from tools.errors import SchemaMissingError
from tools.images.kinds.clouds import CLOUDS, EVERYWHERE
from tools.manifests import Manifest, dump, group_of, resource_name
from tools.permissions.aws import TAG
from tools.settle import Settled
from tools.validate import validate

HERE = Path(__file__).parent
_PROGRAMS = {PROGRAM: "source/hub_download.py", metrics.PROGRAM: "serve/metrics_guard.py"}
SHOWN_WHOLE = ("aws/large", "existing/small", "models/large")
"""The examples whose golden file shows every manifest: one for each folder of examples."""
EXAMPLES = sorted(str(p.relative_to(paths.EXAMPLES).with_suffix("")) for p in paths.EXAMPLES.rglob("*.yaml"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_render(name: str, played: Played, golden_update: bool) -> None:
    example, settled = played.examples[name]
    file = HERE / f"{name.replace('/', '-')}.yaml"
    text = dump(golden(name, example, settled))
    if golden_update:
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file} differs: make golden, and read the diff"


def golden(name: str, example: Example, settled: Settled) -> list[dict[str, Any]]:
    """Return the documents of a golden file: the waves, the XR's status and what is composed in the end."""
    waves: list[dict[str, Any]] = [
        {"wave": r.number, "creates": list(r.new)} for r in settled.rounds if r.new or r.removed
    ]
    head: dict[str, Any] = {"example": str(example.path.relative_to(paths.ROOT)), "waves": waves}
    composed = [_shown(m) for m in settled.composed]
    if name not in SHOWN_WHOLE:
        composed = [{"composed": digests(settled.composed)}]
    return [head, {"status": settled.xr["status"]}, *composed]


def _shown(manifest: Manifest) -> Manifest:
    """Return a manifest without the texts of programs, which have files of their own."""
    text = json.dumps(manifest)
    for program, file in _PROGRAMS.items():
        text = text.replace(json.dumps(program), f'"(functions/vllm/{file})"')
    shown: Manifest = json.loads(text)
    return shown


def digests(composed: list[Manifest]) -> dict[str, str]:
    """Return 'KIND DIGEST' of every composed resource by its name in the composition."""
    return {resource_name(manifest): f"{manifest['kind']} {_digest(manifest)}" for manifest in composed}


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:12]


def test_a_digest_changes_with_any_field() -> None:
    manifest = {"kind": "VPC", "spec": {"forProvider": {"region": "us-east-1", "tags": {"a": "1"}}}}
    other = {"kind": "VPC", "spec": {"forProvider": {"region": "us-east-1", "tags": {"a": "2"}}}}
    assert _digest(manifest) != _digest(other)
    assert _digest(manifest) == _digest(dict(reversed(manifest.items()))), "the order of fields means nothing"


@pytest.mark.parametrize("name", EXAMPLES)
def test_everything_is_ready_in_the_end(name: str, played: Played) -> None:
    _, settled = played.examples[name]
    assert settled.rendered.fatal is None
    conditions = {c["type"]: c for c in settled.rendered.conditions}
    assert {type_: c["status"] for type_, c in conditions.items()} == dict.fromkeys(conditions, "True")
    gone = [name for r in settled.rounds for name in r.removed]
    assert [name for name in gone if not name.startswith("node-pools/nodes-")] == [], "nodes, once found"


def test_everything_is_valid(played: Played) -> None:
    """Each resource of each round, and the manifests inside Objects, against the real schemas."""
    manifests = [settled.xr for _, settled in played.examples.values()]
    for _, settled in played.examples.values():
        manifests += [*settled.composed, *_gone(settled)]
    try:
        problems = validate(manifests)
    except SchemaMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    assert [str(problem) for problem in problems] == []


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: str(cloud.name))
def test_every_kind_that_is_composed_in_a_cloud_is_activated_and_no_other(
    cloud: Place, played: Played
) -> None:
    composed = _composed(played, f"{cloud.name}/")
    managed = {(group, kind) for group, kind in composed if group in cloud.kinds}
    assert managed == {(group, kind) for group, kinds in cloud.kinds.items() for kind in kinds}


def test_every_kind_that_is_composed_everywhere_is_activated_and_no_other(played: Played) -> None:
    composed = {(group, kind) for group, kind in _composed(played) if group in EVERYWHERE}
    expected = {(group, kind) for group, kinds in EVERYWHERE.items() for kind in kinds}
    # Not a managed resource: it is there as soon as its provider is.
    assert composed - {(group, "ProviderConfig") for group in EVERYWHERE} == expected


def test_what_takes_tags_has_the_one_that_permissions_go_by(played: Played) -> None:
    """docs/permissions/aws.json lets credentials change what has it."""
    key, value = TAG
    found = [m for name, (_, s) in played.examples.items() if name.startswith("aws/") for m in s.composed]
    fields = [m["spec"]["forProvider"] for m in found if group_of(m) in KINDS.composed]
    tagged = [each["tags"] for each in fields if "tags" in each]
    assert len(tagged) > len(fields) / 2
    assert all(tags.get(key) == value for tags in tagged)


def _composed(played: Played, beginning: str = "") -> set[tuple[str, str]]:
    """Return API group and kind of all that is composed in examples whose name begins so, if only for a while."""
    found = [settled for name, (_, settled) in played.examples.items() if name.startswith(beginning)]
    assert found
    manifests = [m for settled in found for m in (*settled.composed, *_gone(settled))]
    return {(group_of(m), m["kind"]) for m in manifests}


def _gone(settled: Settled) -> list[dict[str, Any]]:
    """What was composed for a while."""
    found = {resource_name(m): m for r in settled.rounds for m in r.rendered.composed}
    return [found[name] for r in settled.rounds for name in r.removed]


def test_every_example_has_one_golden_file() -> None:
    files = {p.stem for p in HERE.glob("*.yaml")}
    assert files == {name.replace("/", "-") for name in EXAMPLES}


def test_each_folder_of_examples_is_shown_whole_once() -> None:
    assert sorted(name.split("/")[0] for name in SHOWN_WHOLE) == sorted({n.split("/")[0] for n in EXAMPLES})
