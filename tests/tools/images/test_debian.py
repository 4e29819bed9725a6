"""Debian packages, without Debian's archive: their files, and what the lock says."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.images import debian
from tools.images.kinds import DEBIAN_PACKAGES
from tools.images.tree import File, Link


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No package of another test or command."""
    monkeypatch.setattr(debian, "_CACHE", tmp_path)


CONTROL = b"Package: x\nVersion: 1\n"


def deb(*members: tuple[str, bytes | str, int]) -> debian.Package:
    """Write a package of files (bytes) and links (str)."""
    archive = b"!<arch>\n"
    for name, data in (
        ("debian-binary", b"2.0"),
        ("control.tar.xz", tar_of(("./control", CONTROL, 0o644))),
        ("data.tar.xz", tar_of(*members)),
    ):
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        archive += data + b"\n" * (len(data) % 2)
    package = debian.Package("x", "amd64", "1", hashlib.sha256(archive).hexdigest())
    package.file.write_bytes(archive)
    return package


def tar_of(*members: tuple[str, bytes | str, int]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        for name, content, mode in members:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_the_files_of_a_package() -> None:
    package = deb(
        ("./bin/su", b"1", 0o4755),
        ("./usr/lib/a.so.1", b"22", 0o644),
        ("./usr/lib/a.so", "a.so.1", 0o777),
        ("./usr/share/doc/x/copyright", b"GPL", 0o644),
        ("./usr/share/doc/x/changelog.gz", b"-", 0o644),
        ("./usr/share/doc/x/README", "COPYING", 0o777),
        ("./usr/share/doc/y", "x", 0o777),
        ("./usr/share/man/man1/su.1.gz", b"-", 0o644),
    )
    assert debian.tree([package]) == {
        # Nothing becomes its owner when it is run.
        "usr/bin/su": File(b"1", executable=True),
        "bin": Link("usr/bin"),
        "lib": Link("usr/lib"),
        "usr/lib/a.so.1": File(b"22"),
        "usr/lib/a.so": Link("a.so.1"),
        "usr/share/doc/x/copyright": File(b"GPL"),
        # Its licence is the other package's file.
        "usr/share/doc/y": Link("x"),
        "var/lib/dpkg/status.d/x": File(CONTROL),
    }


def test_a_file_that_is_no_package_is_told() -> None:
    package = debian.Package("x", "amd64", "1", "0" * 64)
    package.file.write_bytes(b"!<arch>\n")
    with pytest.raises(ToolError, match=r"0\.deb is no Debian package"):
        debian.tree([package])


def test_what_is_here_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    package = deb(("./usr/a", b"1", 0o644))
    monkeypatch.setattr(debian, "locked", lambda: {("x", "amd64"): package})
    monkeypatch.setenv("PATH", "")
    assert debian.resolve(["x"], "amd64") == [package]
    package.file.unlink()
    with pytest.raises(ToolError, match="there is no apt-get here"):
        debian.resolve(["x"], "amd64")


def test_a_package_that_is_not_pinned_is_told() -> None:
    with pytest.raises(ToolError, match="does not pin emacs for arm64: `freehold images --lock` does"):
        debian.resolve(["emacs"], "arm64")


def test_the_lock_has_what_images_are_made_of_and_nothing_else() -> None:
    wanted = {(name, arch) for name in DEBIAN_PACKAGES for arch in debian.ARCHITECTURES}
    assert set(debian.locked()) == wanted
    assert "http" not in debian.LOCK.read_text()
