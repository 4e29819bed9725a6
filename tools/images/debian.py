"""Debian packages, unpacked into images and not installed: none of their scripts runs, nothing needs root.

requirements/debian.txt pins version and SHA-256 of each for every architecture. `apt` downloads them, from
the sources of this machine or those that DEBIAN_SOURCES names, with an index of its own: other
architectures need no set-up. Debian's archive drops a version when the next point release has a newer one.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from tools.console import say, working
from tools.errors import ToolError, last_lines
from tools.images.tree import Entry, File, Link, merged
from tools.paths import CACHE, ROOT

__all__ = ["ARCHITECTURES", "LOCK", "RELEASE", "STATUS", "Package", "lock", "locked", "resolve", "tree"]

ARCHITECTURES = ("amd64", "arm64")
RELEASE = "bookworm"
"""The release of Debian that the packages are of; its Python is 3.11."""
LOCK = ROOT / "requirements" / "debian.txt"
STATUS = "var/lib/dpkg/status.d/"
"""Where an image says which packages it is made of, a file each: distroless images do the same."""
_CACHE = CACHE / "freehold" / "debian"
_HEADER = (
    "# Debian packages of the images, unpacked and not installed. Written by `freehold images --lock`.\n"
)
_SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
_NOT_SHIPPED = re.compile(r"usr/share/(doc|man|info|locale|lintian|bug|gdb|pixmaps|applications|doc-base)/")
"""What a container does not need. Licences stay: /usr/share/doc/*/copyright is kept."""
_DOC_DEPTH = "usr/share/doc/NAME".count("/")


@dataclass(frozen=True)
class Package:
    """One package for one architecture."""

    name: str
    architecture: str
    version: str
    sha256: str

    @property
    def file(self) -> Path:
        """Where it is kept on this machine."""
        return _CACHE / f"{self.sha256}.deb"

    @property
    def purl(self) -> str:
        """As a package URL."""
        name, version = quote(self.name), quote(self.version, safe="")
        return f"pkg:deb/debian/{name}@{version}?arch={self.architecture}&distro={RELEASE}"

    def __str__(self) -> str:
        """As its line in the lock."""
        return f"{self.name} {self.architecture} {self.version} sha256:{self.sha256}"


@cache
def locked() -> dict[tuple[str, str], Package]:
    """Return the packages that are pinned, by name and architecture."""
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    rows = [line.split() for line in lines]
    return {
        (name, architecture): Package(name, architecture, version, digest.removeprefix("sha256:"))
        for name, architecture, version, digest in rows
    }


def resolve(names: Sequence[str], architecture: str, *, strict: bool = False) -> list[Package]:
    """Download what is pinned, unless it is here already, and return it.

    Where the archive no longer has a pinned version its newest is taken, and said; with `strict` that is
    an error. Raises ToolError without apt, or when a download fails or is not what was pinned.
    """
    wanted = [_pinned(name, architecture) for name in names]
    missing = [package for package in wanted if not package.file.is_file()]
    if not missing:
        return wanted
    with working(f"downloading {len(missing)} Debian packages for {architecture}"):
        apt = _Apt.ready(architecture)
        gone = {package.name for package in missing if not apt.has(package.name, package.version)}
        if gone and strict:
            raise ToolError(
                f"Debian's archive no longer has the pinned version of {', '.join(sorted(gone))} "
                f"({architecture}). `freehold images --lock` pins what it has now"
            )
        words = [p.name if p.name in gone else f"{p.name}={p.version}" for p in missing]
        got = {package.name: package for package in apt.download(words)}
    for package in missing:
        found = got[package.name]
        if package.name in gone:
            say(
                f"Debian no longer has {package.name} {package.version}: took {found.version} "
                "(`freehold images --lock` pins it)"
            )
        elif found.sha256 != package.sha256:
            raise ToolError(
                f"{package.name} {package.version} ({architecture}) has SHA-256 {found.sha256}, and "
                f"{LOCK.name} pins {package.sha256}: somebody changed the archive or the file"
            )
    return [got.get(package.name, package) for package in wanted]


def lock(names: Iterable[str]) -> None:
    """Pin the newest version of each package for every architecture in requirements/debian.txt."""
    found: list[Package] = []
    for architecture in ARCHITECTURES:
        with working(f"asking Debian for the packages of {architecture}"):
            found += _Apt.ready(architecture).download(sorted(names))
    rows = sorted(map(str, found))
    LOCK.write_text(_HEADER + "\n".join(rows) + "\n")
    locked.cache_clear()


def tree(packages: Iterable[Package]) -> dict[str, Entry]:
    """Return what packages install, but for manuals and translations, and what each says of itself.

    The latter is in a file each below STATUS: there scanners look for packages that no dpkg installed.
    """
    return merged({**dict(_unpacked(package.file)), **_said(package)} for package in packages)


def _said(package: Package) -> dict[str, Entry]:
    return {f"{STATUS}{package.name}": File(_control(package.file))}


def _pinned(name: str, architecture: str) -> Package:
    try:
        return locked()[name, architecture]
    except KeyError:
        raise ToolError(
            f"{LOCK} does not pin {name} for {architecture}: `freehold images --lock` does"
        ) from None


def _unpacked(file: Path) -> Iterator[tuple[str, Entry]]:
    with tarfile.open(fileobj=io.BytesIO(_member(file, "data.tar"))) as tar:
        for member in tar:
            path = member.name.removeprefix("./").rstrip("/")
            if not path or (_NOT_SHIPPED.match(path) and not _is_licence(path, member)):
                continue
            if member.issym():
                yield path, Link(member.linkname)
            elif member.islnk():
                yield path, _file(tar, tar.getmember(member.linkname))
            elif member.isreg():
                yield path, _file(tar, member)


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    content = tar.extractfile(member)
    assert content is not None, "a regular file"
    # A file that becomes its owner when it is run would be a way to become root.
    return File(content.read(), executable=bool(member.mode & 0o100))


def _is_licence(path: str, member: tarfile.TarInfo) -> bool:
    """Tell whether it is a package's copyright, or the link to a folder that has it."""
    return path.endswith("/copyright") or (member.issym() and path.count("/") == _DOC_DEPTH)


def _control(file: Path) -> bytes:
    """Return the file `control` of a package: name, version, source, maintainer."""
    with tarfile.open(fileobj=io.BytesIO(_member(file, "control.tar"))) as tar:
        control = tar.extractfile("./control")
        assert control is not None, "a regular file"
        return control.read()


def _member(file: Path, wanted: str) -> bytes:
    """Return the member of a package, which is an ar archive, whose name begins so."""
    content = file.read_bytes()
    at = len(b"!<arch>\n")
    while at < len(content):
        name, size = content[at : at + 16].decode().strip(), int(content[at + 48 : at + 58])
        at += 60
        if name.startswith(wanted):
            return content[at : at + size]
        at += size + size % 2
    raise ToolError(f"{file} is no Debian package: it has no {wanted}")


@dataclass(frozen=True)
class _Apt:
    """apt with an index of its own for one architecture."""

    options: tuple[str, ...]
    architecture: str

    @classmethod
    def ready(cls, architecture: str) -> _Apt:
        """Return it with the index of today."""
        if not shutil.which("apt-get"):
            raise ToolError("images are made of Debian packages, and there is no apt-get here: use Debian")
        folder = _CACHE / f"apt-{architecture}"
        for each in ("state/lists/partial", "cache/archives/partial"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        settings = {
            "Dir::State": folder / "state",
            "Dir::Cache": folder / "cache",
            "Dir::State::status": os.devnull,
            "Dir::Etc::SourceList": _sources(),
            "Dir::Etc::SourceParts": os.devnull,
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Acquire::Retries": "3",
        }
        options = tuple(f"-o{name}={value}" for name, value in settings.items())
        apt = cls(options, architecture)
        apt._run("apt-get", "-q", "update")
        return apt

    def has(self, name: str, version: str) -> bool:
        """Tell whether the archive has a version of a package."""
        answer = self._run("apt-cache", "madison", name)
        return any(line.split("|")[1].strip() == version for line in answer.splitlines() if "|" in line)

    def download(self, words: Sequence[str]) -> list[Package]:
        """Download packages, each NAME or NAME=VERSION, and keep them by their digest."""
        _CACHE.mkdir(parents=True, exist_ok=True)
        found = []
        with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
            self._run("apt-get", "-q", "download", *words, folder=Path(folder))
            for path in sorted(Path(folder).glob("*.deb")):
                name, version, _ = path.stem.split("_")
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                package = Package(name, self.architecture, version.replace("%3a", ":"), digest)
                path.replace(package.file)
                found.append(package)
        return found

    def _run(self, *command: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            [command[0], *self.options, *command[1:]], capture_output=True, text=True, check=False, cwd=folder
        )
        if done.returncode != 0:
            raise ToolError(
                f"`{' '.join(command[:3])}` failed for {self.architecture}. Images are made of packages of "
                f"Debian {RELEASE}; DEBIAN_SOURCES names another file of apt sources than this machine's:\n"
                + last_lines(done.stdout + done.stderr, 8)
            )
        return done.stdout


def _sources() -> str:
    named = os.environ.get("DEBIAN_SOURCES")
    return named or next((path for path in _SOURCES if Path(path).is_file()), _SOURCES[-1])
