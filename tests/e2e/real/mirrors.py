"""A registry of a company without the internet: TLS, a password, and what was copied there under a name of its own."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.conftest import Plane
from tools.control_plane import registry
from tools.control_plane.binaries import REGISTRY as PROGRAM
from tools.control_plane.certificates import Authority
from tools.control_plane.layout import NAMESPACE, free_ports
from tools.images.command import install
from tools.images.kinds import Kind
from tools.images.kinds.names import REGISTRY
from tools.images.store import Store
from tools.manifests import Manifest, parse
from tools.node import containerd, images

_NAME = "mirror"
PREFIXES = {REGISTRY: "freehold", "xpkg.crossplane.io/crossplane-contrib": "crossplane-contrib"}
"""Where in the mirror packages are, by how their names begin in the world."""
_USER, _PASSWORD = "platform", "a password"
_PASSWORDS = f"{_USER}:$2b$04$dERMjDdMYPxhNO32D6YweecvqhCtoyS3hooJEBImjKUHEwsaLbeT.\n"
"""The registry's file of passwords, of bcrypt."""


@dataclass(frozen=True)
class Mirror:
    """A mirror that runs."""

    host: str
    """HOST:PORT, as packages are named."""
    folder: Path
    """Of what it has."""
    log: Path

    def copy(self, *kinds: Kind) -> None:
        """Have packages there, as a tool that copies images would."""
        for kind in kinds:
            built = Store().build(kind.name, kind.make("amd64"))
            images.place(
                self.folder, built, self.name(kind.reference).partition("/")[2].rpartition(":")[0], kind.tag
            )

    def name(self, package: str) -> str:
        """Return what a package of the world, or a prefix of such, is called in the mirror."""
        [(prefix, own)] = [each for each in PREFIXES.items() if package.startswith(each[0])]
        return f"{self.host}/{own}{package.removeprefix(prefix)}"

    def install(self, tag: str) -> list[Manifest]:
        """Return install.yaml of a version, with the mirror's name beside each that an ImageConfig matches."""
        found = list(parse(install(REGISTRY, tag)))
        for config in (each for each in found if each["kind"] == "ImageConfig"):
            matched = config["spec"]["matchImages"]
            matched += [{**each, "prefix": self.name(each["prefix"])} for each in matched]
        return found

    def rules(self) -> list[Manifest]:
        """Return what takes packages from the mirror, as docs/install.md has it: ImageConfigs, a pull secret."""
        auth = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
        content = json.dumps({"auths": {self.host: {"auth": auth}}})
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": _NAME, "namespace": NAMESPACE},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": base64.b64encode(content.encode()).decode()},
        }
        return [secret, *(self._rule(prefix) for prefix in PREFIXES)]

    def _rule(self, prefix: str) -> Manifest:
        mirrored = self.name(prefix)
        return {
            "apiVersion": "pkg.crossplane.io/v1beta1",
            "kind": "ImageConfig",
            "metadata": {"name": f"{_NAME}-{PREFIXES[prefix]}"},
            "spec": {
                "matchImages": [{"prefix": prefix}, {"prefix": mirrored}],
                "rewriteImage": {"prefix": mirrored},
                "registry": {"authentication": {"pullSecretRef": {"name": _NAME}}},
            },
        }


@contextmanager
def opened(real: Plane) -> Iterator[Mirror]:
    """Run a mirror in the machine for a while, with nothing in it."""
    [port] = free_ports(1)
    host, folder = f"127.0.0.1:{port}", real.layout.folder / _NAME
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.write_text(_PASSWORDS)
    certificates = Authority.of(real.layout.certificates).serve(_NAME)
    settings = registry.configuration(folder, port, certificates)
    settings["auth"] = {"htpasswd": {"realm": _NAME, "path": str(passwords)}}
    file = folder / "registry.json"
    file.write_text(json.dumps(settings))
    real.processes.start(_NAME, [str(PROGRAM.path()), "serve", str(file)], {"OTEL_TRACES_EXPORTER": "none"})
    try:
        real.processes.wait(_NAME, lambda: real.processes.listens(port))
        # The machine's nodes ask one registry for all images; they ask this one for its own.
        containerd.ask(real.layout, host, host)
        yield Mirror(host, folder, real.processes.log(_NAME))
    finally:
        real.processes.stop(_NAME)
        shutil.rmtree(folder)
        shutil.rmtree(certificates)
