"""Bytecode beside the modules of an image, whose root is read-only: else each start compiles them all.

Compiled by the Python of the image for this machine's architecture, started by its own loader, so that no
other version's bytecode gets in; bytecode does not depend on the architecture. It is bound to no time stamp
of its source, and names the path in the image.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path

from tools.errors import ToolError, last_lines
from tools.images.tree import Entry, File, Link, Tree

__all__ = ["host", "with_bytecode"]

_LOADERS = {
    "x86_64": ("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": ("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
_COMPILE = """
import json, py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for source, name, target in json.load(sys.stdin):
    try:
        py_compile.compile(source, target, name, doraise=True, invalidation_mode=mode)
    except py_compile.PyCompileError:
        pass
"""
"""A module that does not compile is a template, or of another Python; importing it says so."""


def host() -> str:
    """Return this machine's architecture by Debian's name. Raises ToolError where it has no image."""
    try:
        return _LOADERS[platform.machine()][0]
    except KeyError:
        raise ToolError(f"images cannot be made on {platform.machine()}: no Debian Python for it") from None


def with_bytecode(tree: Tree, python: Tree, program: str) -> dict[str, Entry]:
    """Return a tree with the bytecode of its modules added.

    Args:
        tree: what holds the modules.
        python: Python and its libraries for this machine's architecture.
        program: the path in `python` of its program.
    """
    modules = {path: entry for path, entry in sorted(tree.items()) if path.endswith(".py")}
    with tempfile.TemporaryDirectory() as folder:
        work = []
        targets: dict[str, Path] = {}
        for number, (path, entry) in enumerate(modules.items()):
            if not isinstance(entry, File):
                continue
            source = Path(folder) / f"{number}.py"
            source.write_bytes(entry.read())
            targets[_cached(path)] = source.with_suffix(".pyc")
            work.append((str(source), f"/{path}", str(source.with_suffix(".pyc"))))
        _run(Path(folder) / "root", python, program, json.dumps(work))
        compiled = {path: File(pyc.read_bytes()) for path, pyc in targets.items() if pyc.is_file()}
    return {**tree, **compiled}


def _cached(path: str) -> str:
    parent, _, name = path.rpartition("/")
    return f"{parent}/__pycache__/{name.removesuffix('.py')}.cpython-311.pyc"


def _run(root: Path, python: Tree, program: str, work: str) -> None:
    _, triple, loader = _LOADERS[platform.machine()]
    for path, entry in python.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, File):
            target.write_bytes(entry.read())
            target.chmod(entry.mode)
        elif isinstance(entry, Link) and not entry.target.startswith("/"):
            target.symlink_to(entry.target)
    libraries = root / "usr" / "lib" / triple
    command = [str(libraries / loader), "--library-path", str(libraries), str(root / program), "-S", "-B"]
    variables = {"PYTHONHOME": str(root / "usr"), "PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")}
    done = subprocess.run(
        [*command, "-c", _COMPILE], input=work, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ToolError(f"the image's Python does not run here:\n{last_lines(done.stdout + done.stderr)}")
