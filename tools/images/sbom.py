"""The software in an image as a bill of materials (SBOM) in CycloneDX, read from the image's layers.

Debian packages are found by what each says of itself below `debian.STATUS`, Python packages by their
METADATA: what other scanners look at too. No time stamp: the same image has the same bill.
"""

from __future__ import annotations

import re
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from email.parser import BytesParser
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from tools.errors import ToolError
from tools.images.debian import RELEASE, STATUS
from tools.images.kinds.names import version
from tools.images.store import Built

__all__ = ["bill", "files", "licences"]

_METADATA = re.compile(r"\.dist-info/METADATA$")
_COPYRIGHT = re.compile(r"^usr/share/doc/[^/]+/copyright$")
_DOC = "usr/share/doc/"
_READABLE = b"Format:"
"""Begins a copyright file that a machine can read (Debian's copyright format 1.0); older ones are prose."""
_LICENCE = re.compile(r"^License: *(\S.*)$", re.MULTILINE)
_CLASSIFIER = "License :: OSI Approved :: "
_LONGEST_NAME = 80
"""Characters; some wheels put the whole text where the licence's name belongs."""


def bill(built: Built, reference: str) -> dict[str, Any]:
    """Return the bill of materials of an image that is made.

    Args:
        built: the image.
        reference: its whole name, such as ghcr.io/freehold-dev/agent:v0.1.0.

    Raises:
        ToolError: when a package in the image comes without a licence.
    """
    found = files(built)
    components = [*_debian(found), *_python(found), _own()]
    bare = [each["name"] for each in components if not each["licenses"]]
    if bare:
        raise ToolError(f"the image {built.name} ({built.architecture}) has no licence of {', '.join(bare)}")
    repository, _, tag = reference.rpartition(":")
    query = f"repository_url={quote(repository, safe='')}&tag={tag}&arch={built.architecture}"
    image = f"pkg:oci/{quote(built.name)}@{quote(built.digest, safe='')}?{query}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, image)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": image,
                "name": repository,
                "version": built.digest,
                "purl": image,
            }
        },
        "components": components,
        "dependencies": [{"ref": image, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def licences(bills: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return name, version and licences of every component of some bills, each once, by name."""
    rows = {
        (each["name"], each["version"], " and ".join(map(_words, each["licenses"])))
        for one in bills
        for each in one["components"]
    }
    return sorted(rows)


def files(built: Built) -> dict[str, bytes]:
    """Return the files of an image that say what it is made of: metadata and licences, by their path.

    Links to a folder with a licence are given as their target's content.
    """
    found: dict[str, bytes] = {}
    links: dict[str, str] = {}
    for layer in built.layers:
        with tarfile.open(built.blob(layer["digest"])) as tar:
            for member in tar:
                name = member.name
                if member.issym() and name.startswith(_DOC):
                    links[name] = str(PurePosixPath(name).parent / member.linkname)
                elif member.isreg() and (
                    name.startswith(STATUS) or _METADATA.search(name) or _COPYRIGHT.match(name)
                ):
                    file = tar.extractfile(member)
                    assert file is not None, "a regular file"
                    found[name] = file.read()
    for link, target in links.items():
        content = found.get(f"{target}/copyright")
        if content is not None:
            found[f"{link}/copyright"] = content
    return found


def _debian(found: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    for path, content in sorted(found.items()):
        if not path.startswith(STATUS):
            continue
        said = _read(content)
        name, number = said["Package"], said["Version"]
        copyright_ = found.get(f"{_DOC}{name}/copyright")
        purl = (
            f"pkg:deb/debian/{quote(name)}@{quote(number, safe='')}"
            f"?arch={said['Architecture']}&distro={RELEASE}"
        )
        yield _component(name, number, purl, _debian_licences(name, copyright_))


def _debian_licences(name: str, content: bytes | None) -> list[dict[str, Any]]:
    if content is None:
        return []
    if not content.startswith(_READABLE):
        return [_named(f"see /{_DOC}{name}/copyright")]
    return [_named(each) for each in sorted({each.strip() for each in _LICENCE.findall(content.decode())})]


def _python(found: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    for path, content in sorted(found.items()):
        if _METADATA.search(path):
            said = _read(content)
            name, number = said["Name"], said["Version"]
            purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(number, safe='')}"
            yield _component(name, number, purl, _python_licences(said))


def _python_licences(said: Message) -> list[dict[str, Any]]:
    expression, text = said.get("License-Expression"), (said.get("License") or "").strip()
    if expression:
        return [{"expression": expression}]
    if text and len(text) <= _LONGEST_NAME and "\n" not in text:
        return [_named(text)]
    classifiers = [str(each) for each in said.get_all("Classifier") or ()]
    names = [each.removeprefix(_CLASSIFIER) for each in classifiers if each.startswith(_CLASSIFIER)]
    return [_named(each) for each in names]


def _own() -> dict[str, Any]:
    number = version()
    purl = f"pkg:github/freehold-dev/freehold@{number}"
    return {**_component("freehold", number, purl, [{"expression": "Apache-2.0"}]), "type": "application"}


def _component(name: str, number: str, purl: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": number,
        "licenses": found,
        "purl": purl,
    }


def _named(name: str) -> dict[str, Any]:
    return {"license": {"name": name}}


def _words(licence: Mapping[str, Any]) -> str:
    return str(licence.get("expression") or licence["license"]["name"])


def _read(content: bytes) -> Message:
    return BytesParser().parsebytes(content, headersonly=True)
