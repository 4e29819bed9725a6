"""The lowest layer of every image with Python: Debian's Python and the libraries that it loads, nothing else.

No shell, no package manager, nobody's home.
"""

from __future__ import annotations

import re

from tools.images import debian
from tools.images.bytecode import host, with_bytecode
from tools.images.image import Material, Part
from tools.images.tree import Entry, File, Folder, Link, Tree, merged

__all__ = ["PACKAGES", "compiled", "files", "part"]

_PROGRAM = "usr/bin/python3.11"
PACKAGES = (
    "base-files",
    # The licence of libgcc and libstdc++.
    "gcc-12-base",
    "libc6",
    # The modules ctypes, bz2, lzma, ssl, uuid, zlib and pyexpat, and grpcio's C++.
    "libbz2-1.0",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libssl3",
    "libstdc++6",
    "libuuid1",
    "zlib1g",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "python3.11-minimal",
)
_PASSWD = b"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
_GROUP = b"root:x:0:\nnonroot:x:65532:\n"
_NOT_SHIPPED = (
    # Profiles and the motd of people who log in, terminal and package tools.
    "etc/",
    "usr/share/base-files/",
    "usr/share/binfmts/",
    "usr/share/python3/",
    "usr/share/lintian/",
    "usr/lib/python3.11/lib2to3/",
    "usr/lib/python3.11/pydoc_data/",
    "usr/lib/python3.11/test/",
    "usr/share/gcc/",
    "var/",
)
_CONVERTERS = re.compile(r"lib/[^/]+/(gconv|audit)/")
"""Of libc: character sets for iconv, and hooks of its loader. Python has its own character sets."""
_SHIPPED = ("etc/debian_version", "etc/os-release", "etc/python3.11/", debian.STATUS)


def files(architecture: str) -> dict[str, Entry]:
    """Return Python without bytecode: the packages' files, and what Debian's scripts would have made."""
    found = debian.tree(debian.resolve(PACKAGES, architecture))
    kept = {
        path: entry
        for path, entry in found.items()
        if path.startswith(_SHIPPED) or not (path.startswith(_NOT_SHIPPED) or _CONVERTERS.search(path))
    }
    made: dict[str, Entry] = {
        "usr/bin/python3": Link("python3.11"),
        "usr/bin/python": Link("python3.11"),
        "etc/passwd": File(_PASSWD),
        "etc/group": File(_GROUP),
        "etc/nsswitch.conf": File(b"hosts: files dns\n"),
        # Root alone: pods mount what they write.
        "tmp": Folder(0o1777),
    }
    return merged([kept, made])


def compiled(tree: Tree) -> dict[str, Entry]:
    """Return a tree with the bytecode of its modules, by the Python of the images."""
    return with_bytecode(tree, files(host()), _PROGRAM)


def part(architecture: str) -> Part:
    """Return the layer."""
    packages = debian.resolve(PACKAGES, architecture)
    materials = [Material(package.purl, package.sha256) for package in packages]
    inputs = [str(package).encode() for package in packages]
    return Part("Python", inputs, lambda: compiled(files(architecture)), materials=materials)
