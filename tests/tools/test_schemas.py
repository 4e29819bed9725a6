from pathlib import Path

import pytest

from tools.errors import SchemaMissingError
from tools.schemas import Schemas, index

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.{group}
spec:
  group: {group}
  names:
    categories:
    - all
    kind: {kind}
    listKind: {kind}List
    plural: {plural}
  scope: {scope}
  versions:
  - name: v1
"""


def _crd(kind: str, scope: str = "Namespaced") -> str:
    return CRD.format(group="g.dev", kind=kind, plural=f"{kind.lower()}s", scope=scope)


def test_crds_are_found_by_group_and_kind(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.yaml").write_text(_crd("Cow"))
    (tmp_path / "two.yaml").write_text(f"{_crd('Pig')}---\n{_crd('Barn', 'Cluster')}")
    (tmp_path / "other.yaml").write_text("kind: ConfigMap\n")
    schemas = Schemas(tmp_path)
    assert {kind: crd.namespaced for (_, kind), crd in schemas.crds.items()} == {
        "Cow": True,
        "Pig": True,
        "Barn": False,
    }
    wanted = [("g.dev", "Pig"), ("g.dev", "Barn"), ("g.dev", "Unknown")]
    assert schemas.files(wanted) == [tmp_path / "two.yaml"]


def test_of_two_files_the_later_counts(tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in files:
        file.write_text(_crd("Cow"))
    assert index(files)["g.dev", "Cow"].file == files[1]


def test_without_a_folder_it_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(SchemaMissingError, match="SCHEMAS=DIR"):
        Schemas(tmp_path / "none")


def test_every_crd_that_the_schemas_list_is_found(schemas: Schemas) -> None:
    listing = schemas.folder / "INDEX.tsv"
    if not listing.is_file():
        pytest.skip(f"{listing} is not there to compare with")
    rows = [line.split("\t") for line in listing.read_text().splitlines()[1:]]
    listed = {(row[2], row[3]): row[5] == "Namespaced" for row in rows}
    assert {key: crd.namespaced for key, crd in schemas.crds.items()} == listed


@pytest.mark.parametrize(
    ("group", "kind", "namespaced"),
    [
        ("", "Namespace", False),
        ("", "Secret", True),
        ("apps", "Deployment", True),
        ("rbac.authorization.k8s.io", "ClusterRole", False),
        ("rbac.authorization.k8s.io", "Role", True),
    ],
)
def test_the_scope_of_builtin_kinds(schemas: Schemas, group: str, kind: str, namespaced: bool) -> None:
    builtin = schemas.builtin(group, "v1")
    assert builtin is not None
    assert builtin.schema(kind) is not None
    assert builtin.namespaced(kind) is namespaced
