"""The real vLLM built for a CPU, under the name of the real image: for tests on a real node, never published.

What `make contract` serves with, on Debian instead of Ubuntu: a shell and coreutils, which init
containers call, no compiler and no CUDA. The large layer is not compressed: it is unpacked where it was made.
"""

from __future__ import annotations

from pathlib import Path

from functions.catalog import image
from tools.errors import ToolError
from tools.images import debian, python, wheels
from tools.images.image import Image, Part
from tools.images.kinds import vllm_entry
from tools.images.kinds.kind import Kind
from tools.images.tree import Entry, File, from_folder, mounted
from tools.vllm_cpu import environment

__all__ = ["KIND", "PACKAGES"]

PACKAGES = (
    # The shell and the tools of init containers, and what those load.
    "dash",
    "coreutils",
    "libacl1",
    "libattr1",
    "libgmp10",
    "libpcre2-8-0",
    "libselinux1",
    # What vLLM loads.
    "libgomp1",
    "libnuma1",
    "libsqlite3-0",
    # lscpu, which vLLM asks for the cores.
    "util-linux",
    "libsmartcols1",
)

ENTRY = Path(vllm_entry.__file__)


def _make(architecture: str) -> Image:
    where = environment.provide()
    if not environment.site_packages().match("lib/python3.11/site-packages"):
        raise ToolError(
            "the image of vLLM has Debian's Python 3.11, and vLLM is installed for another one: "
            "`make venv PYTHON=python3.11`, then `freehold build --vllm`"
        )
    system = debian.resolve(PACKAGES, architecture)
    own = Path(__file__).read_bytes()
    return Image(
        [
            python.part(architecture),
            Part("shell and libraries", [own, *(str(p).encode() for p in system)], lambda: _system(system)),
            Part("vLLM", [where.name.encode()], _site, compress=False),
            Part("entry", [own, ENTRY.read_bytes()], _entry),
        ],
        entrypoint=["vllm", "serve"],
        user="2000:0",
        architecture=architecture,
    )


def _system(packages: list[debian.Package]) -> dict[str, Entry]:
    return {p: e for p, e in debian.tree(packages).items() if not p.startswith(("etc/", "var/", "usr/sbin/"))}


def _site() -> dict[str, Entry]:
    """Return the packages with what the installer noted: xgrammar looks there for its library."""
    return mounted(from_folder(environment.site_packages()), wheels.SITE)


def _entry() -> dict[str, Entry]:
    return {"usr/local/bin/vllm": File(ENTRY, executable=True)}


KIND = Kind(
    "vllm",
    "vLLM for a CPU, as the image that Models' pods name",
    _make,
    reference=image("vllm"),
    architectures=("amd64",),
)
