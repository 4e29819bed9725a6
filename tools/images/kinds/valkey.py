"""What keeps the counters of a gateway's limits, for tests: Debian 12 has no Valkey, so it is Redis."""

from __future__ import annotations

from functions.catalog import image
from tools.images import debian, python
from tools.images.image import Image, Part
from tools.images.kinds.kind import Kind
from tools.images.tree import Entry, Link

__all__ = ["KIND", "PACKAGES"]

PACKAGES = (
    "redis-server",
    "redis-tools",
    # What they load.
    "libatomic1",
    "libjemalloc2",
    "liblzf1",
    "libsystemd0",
    "libcap2",
    "libgcrypt20",
    "libgpg-error0",
    "liblz4-1",
    "libzstd1",
)
_PROGRAM = "usr/local/bin/valkey-server"


def _make(architecture: str) -> Image:
    packages = debian.resolve(PACKAGES, architecture)
    parts = [
        python.part(architecture),
        Part("redis", [*(str(p).encode() for p in packages), _PROGRAM.encode()], lambda: _system(packages)),
    ]
    return Image(parts, entrypoint=[f"/{_PROGRAM}"], architecture=architecture)


def _system(packages: list[debian.Package]) -> dict[str, Entry]:
    found = debian.tree(packages)
    kept = {path: entry for path, entry in found.items() if not path.startswith(("etc/", "var/lib/redis"))}
    # The program goes by the name that it is called by.
    return {**kept, _PROGRAM: Link("/usr/bin/redis-check-rdb")}


KIND = Kind("valkey", "Redis, where pods name Valkey", _make, image("valkey"))
