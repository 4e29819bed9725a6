"""A layer's bytes follow from what it holds, and from nothing of the machine that made it."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.images.layers import TIME, write
from tools.images.tree import File, Folder, Link, Tree, from_folder, merged, mounted

LONG = "a-name-of-a-folder/" * 12 + "file"


def make(folder: Path, order: int) -> None:
    """Write the same files, in another order, at another time and with another mask."""
    names = ["z/last.txt", "a/first.txt", "a/run", LONG]
    for name in names[:: 1 if order else -1]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod((0o755 if name == "a/run" else 0o644) & ~(0o077 if order else 0o022))
        os.utime(path, (order + 1, order + 1))
    (folder / "a" / "link").symlink_to("first.txt")
    (folder / "links").symlink_to("a")


def layer(tree: Tree, *, compress: bool = True) -> tuple[bytes, str, str]:
    target = io.BytesIO()
    written = write(tree, target, compress=compress)
    assert written.size == len(target.getvalue())
    return target.getvalue(), written.digest, written.diff_id


def members(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar}


@pytest.mark.parametrize("compress", [True, False])
def test_the_same_files_from_two_folders_are_the_same_layer(tmp_path: Path, compress: bool) -> None:
    for order in (0, 1):
        make(tmp_path / str(order), order)
    first, second = (layer(from_folder(tmp_path / str(order)), compress=compress) for order in (0, 1))
    assert first == second
    assert str(tmp_path).encode() not in gzip.decompress(first[0]) if compress else first[0]


def test_a_change_of_content_or_of_the_right_to_execute_is_another_layer() -> None:
    digests = {layer({"a": File(text, run)})[1] for text in (b"1", b"2") for run in (True, False)}
    assert len(digests) == 4


def test_everything_is_roots_sorted_and_of_one_time(tmp_path: Path) -> None:
    make(tmp_path, 1)
    found = members(layer({**from_folder(tmp_path), "tmp": Folder(0o1777)})[0])
    assert list(found) == sorted(found)
    assert {"a", "z", "a/first.txt", LONG} < set(found), "folders too"
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found.values()} == {(0, 0, "", "", TIME)}
    assert (found["a/run"].mode, found["a/first.txt"].mode, found["tmp"].mode) == (0o755, 0o644, 0o1777)
    assert (found["links"].issym(), found["links"].linkname) == (True, "a")


def test_an_uncompressed_layer_is_its_own_diff() -> None:
    tree = {"a": File(b"1")}
    plain, zipped = layer(tree, compress=False), layer(tree)
    assert plain[1] == plain[2] == zipped[2] != zipped[1]
    assert gzip.decompress(zipped[0]) == plain[0]


def test_folders_that_debian_12_merged_are_links() -> None:
    tree = merged([{"lib/a.so": File(b"1"), "bin/sh": Link("dash")}, {"usr/bin/env": File(b"2", True)}])
    assert set(tree) == {"usr/lib/a.so", "usr/bin/sh", "usr/bin/env", "lib", "bin"}
    assert tree["bin"] == Link("usr/bin")


def test_two_things_at_one_path_are_refused() -> None:
    same: Tree = {"usr/bin/a": File(b"1")}
    assert set(merged([same, {"bin/a": File(b"1")}])) == {"usr/bin/a"} | {"bin"}
    with pytest.raises(ToolError, match="two parts of a layer have different things at /usr/bin/a"):
        merged([same, {"bin/a": File(b"2")}])


def test_a_tree_below_a_folder() -> None:
    assert mounted({"a/b": Link("c")}, "/usr/lib") == {"usr/lib/a/b": Link("c")}
