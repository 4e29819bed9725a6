"""Files of a user that hold no manifests: a sentence with the place, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.manifests import load


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1,\n", "line 2, column 1: not YAML: did not find expected node content"),
        (b"\x00\x01\xff", "not a text file (UTF-8)"),
        (b"- 1\n", "not a Kubernetes manifest: no kind"),
        (b"kind: Model\nmetadata: [x]\n", "Model: metadata is not a mapping"),
        (b"kind: ModelList\nitems: [{kind: Model, spec: x}]\n", "Model: spec is not a mapping"),
        (b"kind: Model\nspec: []\n", "Model: spec is not a mapping"),
    ],
)
def test_what_is_no_manifest(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "claim.yaml"
    file.write_bytes(content)
    with pytest.raises(ToolError) as refused:
        load(file)
    assert str(refused.value) == f"{file}: {message}"


def test_a_list_is_its_items(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: ModelList\nitems: [{kind: Model}, {kind: Pod}]\n---\n")
    assert [m["kind"] for m in load(tmp_path)] == ["Model", "Pod"]
