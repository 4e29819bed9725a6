"""The images that a node pulls: put into the control plane's registry under the names that pods ask for.

Blobs are linked from where images are made into the registry's storage, in the layout of the registry that is
pinned: vLLM's largest layer has 2.5 GB, which would be written and hashed once more.
"""

import os
import shutil
from pathlib import Path

from functions.catalog import chart
from functions.cluster_stack.registry import COMPONENTS
from tools.control_plane.layout import Layout
from tools.control_plane.registry import storage
from tools.images.command import build
from tools.images.image import Image, Part
from tools.images.kinds import KINDS
from tools.images.store import Built, Store
from tools.images.tree import Entry, File
from tools.node import dns
from tools.node.binaries import DNS
from tools.pinned_versions.facts import chart_facts

ALWAYS = ("pause", "app", "agent")
"""What every node has: the process that holds a pod's namespaces, Python for pods of tests, the agent."""


def offer(layout: Layout, *names: str) -> None:
    """Have the registry offer images by their names in tools/images, each made unless it was before."""
    for name in names:
        kind = KINDS[name]
        place(storage(layout), build(name), kind.repository, kind.tag)


def offer_stand_ins(layout: Layout) -> None:
    """Have the registry offer what the pods of the charts' stand-ins name: programs that wait."""
    kept = build("pause")
    for component in COMPONENTS:
        for workload in chart_facts(chart(component.name).name).workloads:
            place(storage(layout), kept, f"library/{workload.name}", "stand-in")


def offer_name_server(layout: Layout) -> None:
    """Have the registry offer the cluster's name server: its one program, as it is built for this machine."""
    program = DNS.path()
    part = Part(DNS.name, [program.read_bytes()], lambda: _only(program.read_bytes()))
    repository, _, tag = dns.IMAGE.partition("/")[2].rpartition(":")
    # Ports below 1024 are for root, whom the pod's capabilities leave nothing else.
    image = Image([part], entrypoint=[f"/{DNS.name}"], user="0:0")
    place(storage(layout), Store().build(DNS.name, image), repository, tag)


def _only(content: bytes) -> dict[str, Entry]:
    return {DNS.name: File(content, executable=True)}


def place(storage: Path, built: Built, repository: str, tag: str) -> None:
    """Put an image into a registry's storage; the registry may be running.

    Args:
        storage: the folder of the registry's storage.
        built: the image.
        repository: its name within the registry, such as vllm/vllm-openai.
        tag: such as v0.27.1.
    """
    root = storage / "docker" / "registry" / "v2"
    own = root / "repositories" / repository
    for path in built.blobs:
        _link_content(root, path)
        _write(own / "_layers" / "sha256" / path.name / "link", f"sha256:{path.name}")
    digest = built.digest
    name = digest.removeprefix("sha256:")
    _write(_data(root, name), built.manifest.content.decode())
    for folder in (
        f"revisions/sha256/{name}",
        f"tags/{tag}/index/sha256/{name}",
        # Last: from here on it can be pulled.
        f"tags/{tag}/current",
    ):
        _write(own / "_manifests" / folder / "link", digest)


def _link_content(root: Path, content: Path) -> None:
    target = _data(root, content.name)
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(content)
    except OSError:
        # On another file system.
        partial = target.with_suffix(f".{os.getpid()}")
        shutil.copyfile(content, partial)
        partial.replace(target)


def _data(root: Path, name: str) -> Path:
    return root / "blobs" / "sha256" / name[:2] / name / "data"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
