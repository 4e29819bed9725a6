"""What a layer of an image holds: files, links and folders by their path, sorted and owned by root."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolError

__all__ = ["Entry", "File", "Folder", "Link", "Tree", "from_folder", "merged", "mounted"]

_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders of the root that are links into /usr since Debian 12; its packages still name them."""


@dataclass(frozen=True)
class File:
    """A file: its bytes, or where they are on this machine."""

    content: bytes | Path
    executable: bool = False

    @property
    def mode(self) -> int:
        """Readable by every user, writable by root alone."""
        return 0o755 if self.executable else 0o644

    def read(self) -> bytes:
        """Return the content."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Folder:
    """A folder that is empty, or whose mode is not the usual one."""

    mode: int = 0o755


Entry = File | Link | Folder
Tree = Mapping[str, Entry]
"""Entries by their path from the root, without a leading slash. The folders above them need not be named."""


def from_folder(folder: Path, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, Entry]:
    """Return the files and links of a folder, by their path in it.

    Nothing else of them counts than whether their owner may execute them. `wanted` is asked with each path.
    """
    found: dict[str, Entry] = {}
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in (*names, *links):
            path = Path(parent) / name
            relative = path.relative_to(folder).as_posix()
            if not wanted(relative):
                continue
            if path.is_symlink():
                found[relative] = Link(str(path.readlink()))
            else:
                found[relative] = File(path, executable=bool(path.stat().st_mode & 0o100))
    return found


def mounted(tree: Tree, at: str) -> dict[str, Entry]:
    """Return a tree below a folder of the image."""
    return {f"{at.strip('/')}/{path}": entry for path, entry in tree.items()}


def merged(trees: Iterable[Tree]) -> dict[str, Entry]:
    """Return several trees as one, /bin and the like merged into /usr.

    Raises ToolError where two of them have different things at one path.
    """
    found: dict[str, Entry] = {}
    for tree in trees:
        for path, entry in tree.items():
            top = path.partition("/")[0]
            if top in _MERGED and path != top:
                path = f"usr/{path}"
            if found.setdefault(path, entry) != entry:
                raise ToolError(f"two parts of a layer have different things at /{path}")
    tops = {path.split("/")[1] for path in found if path.startswith("usr/") and path.count("/") > 1}
    return {**found, **{name: Link(f"usr/{name}") for name in _MERGED if name in tops}}
