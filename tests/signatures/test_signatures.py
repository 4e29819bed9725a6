"""Packages are signed by the script of the release, and Crossplane installs what is signed and nothing else.

Cosign, Crossplane core and the registry are real; what stands behind cosign's signatures in the world is played
(sigstore.py). The ImageConfigs are those of docs/install.md, with the names of the registry here.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from functions.main import FUNCTIONS
from tests.e2e.empty_plane import Empty, mirrored, started
from tests.signatures import sigstore
from tools import paths
from tools.control_plane import packages
from tools.control_plane.binaries import COSIGN
from tools.control_plane.crossplane import Core
from tools.control_plane.layout import NAMESPACE, Layout
from tools.control_plane.packages import API as PACKAGES
from tools.control_plane.waiting import wait_for
from tools.images import command
from tools.images.kinds.packages import CONFIGURATION, object_name
from tools.manifests import Manifest, parse
from tools.toolchain import built, provide

OURS, OWN = "ghcr.io/freehold-dev", "registry.example.org/platform"
"""The registries that the document names: of releases, and of a platform team."""
TAG = "v0.1.0"
NAMES = (*(f"function-{short}" for short in FUNCTIONS), CONFIGURATION)
RELEASE = "freehold-dev/freehold/.github/workflows/release.yml@refs/tags/v0.1.0"
FEATURE = "--enable-signature-verification"
REFUSES_SECONDS = 60
ARCHITECTURES = ("amd64", "arm64")
DOCUMENT = (paths.ROOT / "docs" / "install.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Signing:
    """A control plane that knows signatures, and packages to sign."""

    plane: Empty
    services: sigstore.Services
    folder: Path
    """Of the key pairs, and of what `freehold images` wrote."""

    @property
    def environment(self) -> dict[str, str]:
        """What cosign is run with: in the world it needs no variable but the key's password."""
        return os.environ | {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "COSIGN_PASSWORD": "",
            "SSL_CERT_FILE": str(self.plane.layout.certificates / "ca.crt"),
            "SIGSTORE_REKOR_PUBLIC_KEY": str(self.folder / "log.pub"),
            "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": str(self.folder / "certificates.pub"),
            "SIGSTORE_ROOT_FILE": str(self.folder / "authority.pem"),
        }

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command with cosign on the PATH."""
        return subprocess.run(
            arguments, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )

    def key(self, name: str) -> Path:
        """Return a new private key; its public one is beside it, as `.pub`."""
        self.run("cosign", "generate-key-pair", "--output-key-prefix", name)
        return self.folder / f"{name}.key"

    def publish(self, registry: str, *names: str) -> Path:
        """Push packages as the release does; return the table of them."""
        remote = self.plane.registry
        table = self.folder / f"{registry.rpartition('/')[2]}-{'-'.join(names)}"
        with table.open("w") as output, redirect_stdout(output):
            command.run(
                names, ARCHITECTURES, registry, TAG, remote.host, remote.authority, self.folder / "made"
            )
        return table

    def sign(self, table: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the release's script."""
        script = paths.ROOT / ".github" / "sign.sh"
        return self.run("sh", script, table, self.folder / "made", "--rekor-url", self.services.url, *options)

    def documented(self, name: str) -> Manifest:
        """Return an ImageConfig as docs/install.md has it, with the registry's name here."""
        found = [each for block in blocks("yaml") for each in parse(self.here(block))]
        [config] = [each for each in found if each["metadata"]["name"] == name]
        return config

    def here(self, text: str) -> str:
        """Return a text with the registry's name here."""
        host = self.plane.registry.host
        return text.replace("registry.example.org", host).replace("ghcr.io", host)

    def ask(self, registry: str, name: str) -> str:
        """Ask Crossplane for a package; return the name of its object."""
        own = object_name(name, self.here(registry))
        kind = "Configuration" if name == CONFIGURATION else "Function"
        packages.ask(self.plane.api, kind, own, self.here(f"{registry}/{name}:{TAG}"))
        return own

    def refused(self, name: str, says: str) -> None:
        """Wait until Crossplane says why it does not install a function."""
        wait_for(f"{name} to be refused: {says}", lambda: says in self.message(name), REFUSES_SECONDS)
        assert packages.installed(self.plane.api, self.plane.api.get(PACKAGES, "Function", name)) is None

    def installed(self, name: str) -> None:
        """Wait until a function is installed; core runs none here, for which its revision waits."""
        api = self.plane.api

        def unpacked() -> bool:
            return packages.installed(api, api.get(PACKAGES, "Function", name)) is not None

        wait_for(f"{name} to be installed", unpacked, packages.INSTALL_SECONDS)

    def remove(self, name: str) -> None:
        """Remove a function; return when it is gone."""
        api = self.plane.api
        api.delete(api.get(PACKAGES, "Function", name))
        wait_for(f"{name} to be gone", lambda: api.find(PACKAGES, "Function", name) is None)

    def message(self, name: str) -> str:
        """Return what Crossplane says of a function."""
        found = self.plane.api.get(PACKAGES, "Function", name)
        return "\n".join(each.get("message", "") for each in found.get("status", {}).get("conditions", ()))


def blocks(language: str) -> list[str]:
    """Return the blocks of docs/install.md."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def written(made: Path, type_: str) -> object:
    """Return what `freehold images` wrote of an image, as it is attested."""
    if type_ == "cyclonedx":
        return json.loads(made.with_name(f"{made.name}.cdx.json").read_text())
    return json.loads(made.with_name(f"{made.name}.provenance.json").read_text())["predicate"]


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    """Start it; nothing is published."""
    provide(COSIGN)
    folder = tmp_path_factory.mktemp("signing")
    (folder / "bin").mkdir()
    (folder / "bin" / "cosign").symlink_to(built(COSIGN).resolve())
    with sigstore.run() as services:
        (folder / "log.pub").write_bytes(services.public(services.log_key))
        (folder / "certificates.pub").write_bytes(services.public(services.certificates_key))
        (folder / "authority.pem").write_bytes(services.authority_pem)
        root = services.repository(folder / "repository")

        def core(layout: Layout) -> Core:
            # Where core keeps what it knows of Sigstore.
            known = layout.folder / "xpkg" / ".sigstore" / "root"
            known.mkdir(parents=True)
            trust = ("initialize", "--mirror", root.parent.as_uri(), "--root", str(root))
            told = subprocess.run(
                [built(COSIGN), *trust],
                env=os.environ | {"TUF_ROOT": str(known)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert told.returncode == 0, told.stderr
            environment = {
                "SSL_CERT_FILE": str(layout.certificates / "ca.crt"),
                "SIGSTORE_REKOR_PUBLIC_KEY": str(folder / "log.pub"),
            }
            return Core(arguments=[FEATURE], environment=environment)

        with started("signatures", core) as plane:
            packages.push(plane.registry, *packages.dependencies())
            plane.api.apply(mirrored("xpkg.crossplane.io/crossplane-contrib", plane.registry.host))
            yield Signing(plane, services, folder)


def test_only_what_the_release_workflow_has_signed_is_installed(signing: Signing) -> None:
    """By the ImageConfig for releases: nothing that another workflow signed, though the same authority vouches for it."""
    api, name = signing.plane.api, NAMES[0]
    table = signing.publish(signing.here(OURS), name)
    api.apply(signing.documented("signed-releases"))
    own = signing.ask(OURS, name)
    signing.refused(own, "signature verification failed")
    keyless = ("--fulcio-url", signing.services.url, "--identity-token")
    other = RELEASE.replace("freehold-dev/", "somebody/")
    done = signing.sign(table, *keyless, sigstore.token(other))
    assert done.returncode == 0, done.stderr
    signing.refused(own, "none of the expected identities matched")
    done = signing.sign(table, *keyless, sigstore.token(RELEASE))
    assert done.returncode == 0, done.stderr
    signing.installed(own)
    [verify] = re.findall(r"^    (cosign verify ghcr\.io(?:.*\\\n)*.*)", DOCUMENT, re.MULTILINE)
    verify = signing.here(verify.replace("function-vllm", name))
    verified = signing.run("sh", "-c", verify)
    assert verified.returncode == 0, verified.stderr
    refused = signing.run("sh", "-c", verify.replace("freehold-dev/freehold", "nobody/freehold"))
    assert refused.returncode != 0
    signing.remove(own)


UNSIGNED, STRANGE, UNLOGGED = (f"function-{short}" for short in FUNCTIONS)


def test_what_nobody_or_somebody_else_has_signed_is_refused(signing: Signing) -> None:
    """With a key: nor what is in no log, which Crossplane 2.4 always asks for."""
    api = signing.plane.api
    key = signing.key("cosign")
    data = {"cosign.pub": base64.b64encode(key.with_suffix(".pub").read_bytes()).decode()}
    metadata = {"name": "signer", "namespace": NAMESPACE}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    api.apply(signing.documented("signed-by-platform"))
    own = signing.here(OWN)
    signing.publish(own, UNSIGNED)
    strange = signing.sign(signing.publish(own, STRANGE), "--key", signing.key("another"))
    assert strange.returncode == 0, strange.stderr
    unlogged = signing.sign(signing.publish(own, UNLOGGED), "--key", key, "--tlog-upload=false")
    assert unlogged.returncode == 0, unlogged.stderr
    signing.publish(own, CONFIGURATION)
    for name, says in (
        (UNSIGNED, "no signatures found"),
        (STRANGE, "comparing public key PEMs"),
        (UNLOGGED, "rekor client not provided for online verification"),
    ):
        signing.refused(signing.ask(OWN, name), says)


def test_what_is_signed_as_cosign_3_signs_by_default_is_refused(signing: Signing) -> None:
    """Which is why the script says otherwise; where Crossplane finds it, the script may leave that to cosign."""
    other = f"{OWN}-newer"
    table = signing.publish(signing.here(other), NAMES[0])
    newer = ("--new-bundle-format=true", "--tlog-upload=false")
    done = signing.sign(table, "--key", signing.folder / "cosign.key", *newer)
    assert done.returncode == 0, done.stderr
    own = signing.ask(other, NAMES[0])
    signing.refused(own, "no signatures found")
    signing.remove(own)


def test_what_the_platform_team_has_signed_is_installed(signing: Signing) -> None:
    """The same packages, with all that the Configuration depends on."""
    table = signing.publish(signing.here(OWN), *NAMES)
    done = signing.sign(table, "--key", signing.folder / "cosign.key")
    assert done.returncode == 0, done.stderr
    own = signing.ask(OWN, CONFIGURATION)
    packages.wait_healthy(
        signing.plane.api, "Configuration", own, signing.here(f"{OWN}/{CONFIGURATION}:{TAG}")
    )
    for name in (UNSIGNED, STRANGE, UNLOGGED):
        signing.installed(object_name(name, signing.here(OWN)))


@pytest.mark.parametrize("type_", ["cyclonedx", "slsaprovenance1"])
def test_what_is_in_an_image_and_where_it_comes_from_is_attested(type_: str, signing: Signing) -> None:
    rows = [
        line.split() for line in (signing.folder / f"platform-{'-'.join(NAMES)}").read_text().splitlines()[1:]
    ]
    images = {
        f"{name.rpartition('/')[2].partition(':')[0]}-{architecture}": f"{name.rpartition(':')[0]}@{digest}"
        for name, architecture, digest, *_ in rows
        if architecture in ARCHITECTURES
    }
    assert len(images) == len(NAMES) * len(ARCHITECTURES)
    verify = ("cosign", "verify-attestation", "--type", type_, "--key")
    for made, image in images.items():
        done = signing.run(*verify, "cosign.pub", image)
        assert done.returncode == 0, done.stderr
        said = json.loads(base64.b64decode(json.loads(done.stdout.splitlines()[-1])["payload"]))
        assert said["subject"][0]["digest"]["sha256"] == image.partition("@sha256:")[2]
        assert said["predicate"] == written(signing.folder / "made" / made, type_)
    assert signing.run(*verify, "another.pub", image).returncode != 0


def test_a_table_without_images_is_refused(signing: Signing) -> None:
    empty = signing.folder / "empty"
    empty.write_text("IMAGE  ARCHITECTURE  DIGEST  SIZE\n")
    done = signing.sign(empty, "--key", signing.folder / "cosign.key")
    assert done.returncode == 1
    assert done.stderr == f"sign.sh: {empty} lists no image: nothing is signed\n"
