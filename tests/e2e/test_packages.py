"""Crossplane installs the packages itself: from a registry over TLS, with all that the Configuration depends on.

On a control plane that has nothing but Kubernetes, Crossplane and a registry. The registry stands in for those of
the world by an ImageConfig, as a platform team's mirror does. Providers are packages with the real CRDs. Packages
run outside of core here (`--package-runtime=External`): their pods are for a real node.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

import pytest

from functions.main import FUNCTIONS
from tools import paths
from tools.control_plane import crossplane, kubernetes, plane, registry
from tools.control_plane.api import Api, condition
from tools.control_plane.certificates import Authority, signing_key
from tools.control_plane.layout import Layout, Ports, free_ports
from tools.control_plane.processes import Processes
from tools.control_plane.waiting import wait_for
from tools.images.bytecode import host
from tools.images.image import Image
from tools.images.kinds.packages import CONFIGURATION, kinds, object_name, package
from tools.images.registry import Registry
from tools.images.store import Store
from tools.manifests import Manifest, load

PACKAGES = "pkg.crossplane.io/v1"
XRD = "apiextensions.crossplane.io/v1"
OURS, THEIRS = "ghcr.io/freehold-dev", "xpkg.crossplane.io/crossplane-contrib"
FIRST, NEXT = "v0.1.0", "v0.2.0"
INSTALL_SECONDS = 180
PROVIDERS = {"provider-kubernetes": "v1.3.0", "provider-helm": "v1.3.0"}


@dataclass(frozen=True)
class Empty:
    """A control plane where nothing is installed yet."""

    api: Api
    registry: Registry

    def push(self, tag: str) -> None:
        """Push our packages of a version."""
        for kind in kinds(tag=tag):
            self.registry.push(Store().build(kind.name, kind.make(host())), kind.repository, tag)

    def ask_for(self, kind: str, name: str, package: str) -> None:
        """Apply a package's object, as a platform team does to install and to upgrade it."""
        manifest = {"apiVersion": PACKAGES, "kind": kind, "metadata": {"name": name}}
        self.api.apply({**manifest, "spec": {"package": package}})

    def wait_healthy(self, kind: str, name: str, package: str) -> None:
        """Wait until a package is installed from an image, and healthy."""
        wait_for(f"{package} to be healthy", lambda: healthy(self.api, kind, name, package), INSTALL_SECONDS)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Empty]:
    """Start it, with our packages and those of the providers in its registry."""
    layout = Layout(paths.MADE / "e2e-packages")
    plane.down(layout)
    shutil.rmtree(layout.folder, ignore_errors=True)
    layout.folder.mkdir(parents=True, mode=0o700)
    processes, ports = Processes(layout.folder), Ports(*free_ports(len(fields(Ports))))
    (layout.folder / "ports.json").write_text(json.dumps(asdict(ports)))
    try:
        authority = Authority(layout.certificates)
        signing_key(layout.signing_key)
        layout.write_users(ports.api_server)
        serving = authority.serve("kube-apiserver", "kubernetes.default.svc")
        api = kubernetes.start(processes, layout, ports, serving)
        crossplane.start(processes, layout, ports, api, authority)
        remote = registry.start(processes, layout, ports, authority)
        running = Empty(api, remote)
        running.push(FIRST)
        for name, tag in PROVIDERS.items():
            built = Store(tmp_path_factory.mktemp(name)).build(name, provider(name))
            remote.push(built, f"{THEIRS.partition('/')[2]}/{name}", tag)
        for prefix in (OURS, THEIRS):
            api.apply(mirrored(prefix, remote.host))
        yield running
    finally:
        plane.down(layout)


def provider(name: str) -> Image:
    """Return a package with a provider's CRDs and nothing that runs."""
    meta: Manifest = {
        "apiVersion": "meta.pkg.crossplane.io/v1",
        "kind": "Provider",
        "metadata": {"name": name},
    }
    crds = [c for c in load(paths.schemas() / name) if c["kind"] == "CustomResourceDefinition"]
    return Image([package([meta, *crds])])


def mirrored(prefix: str, host: str) -> Manifest:
    """Return the ImageConfig that takes packages from a mirror."""
    mirror = f"{host}/{prefix.partition('/')[2]}"
    return {
        "apiVersion": "pkg.crossplane.io/v1beta1",
        "kind": "ImageConfig",
        "metadata": {"name": f"mirror-{prefix.rpartition('/')[2]}"},
        "spec": {"matchImages": [{"prefix": prefix}], "rewriteImage": {"prefix": mirror}},
    }


def healthy(api: Api, kind: str, name: str, package: str) -> bool:
    """Say whether a package is installed from an image, by its name in the world, and healthy."""
    found = api.find(PACKAGES, kind, name)
    if found is None or found["spec"]["package"] != package:
        return False
    revision = api.find(PACKAGES, f"{kind}Revision", found.get("status", {}).get("currentRevision", "none"))
    return (
        revision is not None
        and revision["spec"]["image"] == package
        and all(condition(found, type_).get("status") == "True" for type_ in ("Installed", "Healthy"))
    )


def offered(plural: str, api: Api) -> bool:
    """Say whether the XRD of a claim is established and its claim offered."""
    xrd = api.get(XRD, "CompositeResourceDefinition", f"x{plural}.freehold.dev")
    return all(condition(xrd, type_).get("status") == "True" for type_ in ("Established", "Offered"))


def configuration(version: str) -> str:
    return f"{OURS}/{CONFIGURATION}:{version}"


def test_one_configuration_installs_everything(empty: Empty) -> None:
    api = empty.api
    empty.ask_for("Configuration", CONFIGURATION, configuration(FIRST))
    empty.wait_healthy("Configuration", CONFIGURATION, configuration(FIRST))
    functions = {each["metadata"]["name"] for each in api.items(PACKAGES, "Function")}
    assert functions == {object_name(f"function-{short}") for short in FUNCTIONS}
    xrds = api.items(XRD, "CompositeResourceDefinition")
    assert {xrd["metadata"]["name"] for xrd in xrds} == {
        "xinferenceclusters.freehold.dev",
        "xmodels.freehold.dev",
    }
    wait_for(
        "claims can be made", lambda: all(offered(name, api) for name in ("models", "inferenceclusters"))
    )
    steps = [s for c in api.items(XRD, "Composition") for s in c["spec"]["pipeline"]]
    assert {step["functionRef"]["name"] for step in steps} == functions


def test_functions_are_upgraded_before_the_configuration(empty: Empty) -> None:
    """Newer compositions say what older functions refuse: core installs none of them before those are there."""
    api = empty.api
    empty.push(NEXT)
    empty.ask_for("Configuration", CONFIGURATION, configuration(NEXT))

    said = [
        f"existing package {OURS}/function-{short}@{FIRST} is incompatible with constraint >={NEXT}"
        for short in FUNCTIONS
    ]

    def refused() -> bool:
        found = api.get(PACKAGES, "Configuration", CONFIGURATION)
        return all(each in condition(found, "Healthy").get("message", "") for each in said)

    wait_for("the Configuration to want newer functions", refused, INSTALL_SECONDS)
    for short in FUNCTIONS:
        empty.ask_for("Function", object_name(f"function-{short}"), f"{OURS}/function-{short}:{NEXT}")
    empty.wait_healthy("Configuration", CONFIGURATION, configuration(NEXT))


def test_a_configuration_goes_back(empty: Empty) -> None:
    """To the older compositions, which newer functions understand."""
    empty.ask_for("Configuration", CONFIGURATION, configuration(FIRST))
    empty.wait_healthy("Configuration", CONFIGURATION, configuration(FIRST))
