"""`freehold scan`: what is read of the scanner's reports, and, where it was built, what it finds in a real image."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools.cli import main
from tools.errors import Exit
from tools.images import command
from tools.images.kinds.names import version
from tools.scan import SCANNER, Found, found


def affected(ecosystem: str, name: str, *fixed: str, type_: str = "ECOSYSTEM") -> dict[str, Any]:
    events = [{"introduced": "0"}, *({"fixed": each} for each in fixed)]
    return {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": type_, "events": events}],
    }


@pytest.mark.parametrize(
    ("of", "mended_in"),
    [
        ([affected("Debian:12", "openssl", "3.0.20-1")], "3.0.20-1"),
        ([affected("Debian:12", "openssl")], ""),
        ([affected("Debian:13", "openssl", "3.5.1-1"), affected("Debian:12", "openssl")], ""),
        ([affected("Debian:12", "openssl1", "1.1-1")], ""),
        ([affected("Debian:12", "openssl", "a0b1c2", type_="GIT")], ""),
    ],
    ids=["mended", "by nobody", "in another release", "in another package", "in its source alone"],
)
def test_a_vulnerability_is_mended_in_the_packages_own_release(
    of: list[dict[str, Any]], mended_in: str
) -> None:
    package = {
        "name": "openssl",
        "os_package_name": "libssl3",
        "version": "3.0.1-1",
        "ecosystem": "Debian:12",
    }
    vulnerabilities = [{"id": "CVE-1", "affected": of}]
    report = {"results": [{"packages": [{"package": package, "vulnerabilities": vulnerabilities}]}]}
    assert list(found(report)) == [Found("openssl", "3.0.1-1", "CVE-1", mended_in)]


def test_a_folder_without_images_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(tmp_path)]) == Exit.FAILED
    assert "has no images with packages in them: `make packages` writes them" in capsys.readouterr().err


def database(folder: Path, ecosystem: str, *vulnerabilities: dict[str, Any]) -> None:
    target = folder / "osv-scalibr" / ecosystem / "all.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as file:
        for number, each in enumerate(vulnerabilities):
            whole = {"id": f"CVE-{number}", "modified": "2026-01-01T00:00:00Z", "affected": [each]}
            file.writestr(f"{number}.json", json.dumps(whole))


def test_a_real_image_is_scanned_by_the_real_scanner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not SCANNER.path().is_file():
        pytest.skip("the scanner was not built: `make scan` builds it in four minutes")
    made, databases = tmp_path / "made", tmp_path / "databases"
    names = ["functions", "configuration-freehold"]
    command.run(names, ["amd64"], command.REGISTRY, version(), None, None, made)
    scan = ["scan", str(made), "--databases", str(databases)]
    database(databases, "PyPI", affected("PyPI", "nothing-has-this-name", "1.0"))
    database(databases, "Debian", affected("Debian:12", "zlib"))
    assert main(scan) == Exit.DONE
    assert "functions-amd64  zlib     1:1.2.13" in capsys.readouterr().out, "what nobody mends is listed"
    database(databases, "Debian", affected("Debian:12", "zlib", "9:0"))
    assert main(scan) == Exit.FAILED
    assert capsys.readouterr().out.rstrip().endswith("CVE-0          9:0")
