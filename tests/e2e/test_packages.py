"""Crossplane installs the packages itself: from a registry over TLS, with all that the Configuration depends on.

On a control plane that has nothing but Kubernetes, Crossplane and a registry. The registry stands in for those of
the world by an ImageConfig, as a platform team's mirror does. Providers are packages with the real CRDs. Packages
run outside of core here (`--package-runtime=External`): `tests/e2e/real` has their pods. What is missing before an
install, `freehold check` says, and it is installed by the commands that it names.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

import pytest

from functions.main import FUNCTIONS
from tools import paths
from tools.check import command
from tools.control_plane import crossplane, kubernetes, packages, plane, registry
from tools.control_plane.api import Api, condition
from tools.control_plane.certificates import Authority, signing_key
from tools.control_plane.layout import Layout, Ports, free_ports
from tools.control_plane.packages import API as PACKAGES
from tools.control_plane.processes import Processes
from tools.control_plane.waiting import wait_for
from tools.errors import Exit
from tools.images.kinds.packages import CONFIGURATION, kinds, object_name
from tools.images.registry import Registry
from tools.manifests import Manifest, load, parse

XRD = "apiextensions.crossplane.io/v1"
OURS, THEIRS = "ghcr.io/freehold-dev", "xpkg.crossplane.io/crossplane-contrib"
FIRST, NEXT = "v0.1.0", "v0.2.0"
INSTALL_SECONDS = 180
LATE = "function-vllm"
"""The package that the registry does not have at first."""


@dataclass(frozen=True)
class Empty:
    """A control plane where nothing is installed yet."""

    layout: Layout
    api: Api
    registry: Registry

    def push(self, tag: str, *names: str) -> None:
        """Push our packages of a version: some, or all."""
        packages.push(self.registry, *(kind for kind in kinds(tag=tag) if not names or kind.name in names))

    def ask_for(self, tag: str) -> None:
        """Ask for a version of the Configuration."""
        packages.ask(self.api, "Configuration", CONFIGURATION, configuration(tag))

    def wait_healthy(self, tag: str) -> None:
        """Wait until a version of the Configuration is installed."""
        packages.wait_healthy(self.api, "Configuration", CONFIGURATION, configuration(tag))


@pytest.fixture(scope="module")
def empty() -> Iterator[Empty]:
    """Start it, with our packages but one, and those of the providers, in its registry."""
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
        running = Empty(layout, api, remote)
        running.push(FIRST, *(kind.name for kind in kinds() if kind.name != LATE))
        packages.push(remote, *packages.dependencies())
        for prefix in (OURS, THEIRS):
            api.apply(mirrored(prefix, remote.host))
        yield running
    finally:
        plane.down(layout)


def mirrored(prefix: str, host: str) -> Manifest:
    """Return the ImageConfig that takes packages from a mirror."""
    mirror = f"{host}/{prefix.partition('/')[2]}"
    return {
        "apiVersion": "pkg.crossplane.io/v1beta1",
        "kind": "ImageConfig",
        "metadata": {"name": f"mirror-{prefix.rpartition('/')[2]}"},
        "spec": {"matchImages": [{"prefix": prefix}], "rewriteImage": {"prefix": mirror}},
    }


def offered(plural: str, api: Api) -> bool:
    """Say whether the XRD of a claim is established and its claim offered."""
    xrd = api.get(XRD, "CompositeResourceDefinition", f"x{plural}.freehold.dev")
    return all(condition(xrd, type_).get("status") == "True" for type_ in ("Established", "Offered"))


def configuration(version: str) -> str:
    return f"{OURS}/{CONFIGURATION}:{version}"


def checked(empty: Empty, capsys: pytest.CaptureFixture[str]) -> tuple[Exit, dict[str, tuple[str, str]]]:
    """Return what `freehold check` exits with, and what it says is missing: by subject, what and what mends it."""
    capsys.readouterr()
    found = command.run(empty.layout.kubeconfig(), None, gpu=False, json_output=True)
    findings = json.loads(capsys.readouterr().out)["findings"]
    missing = [each for each in findings if each["state"] == "missing"]
    return found, {each["subject"]: (each["says"], each["mend"]) for each in missing}


def test_what_is_missing_before_an_install_is_told_with_what_mends_it(
    empty: Empty, capsys: pytest.CaptureFixture[str]
) -> None:
    """Core itself is a process here, whose Deployment is missing; so it is in all of these tests."""
    exits, missing = checked(empty, capsys)
    assert exits is Exit.FAILED
    wanted = ["Crossplane", "Configuration configuration-freehold", "Composition of XModel"]
    wanted += [f"Function function-{short}" for short in FUNCTIONS]
    wanted += ["Provider provider-helm", "Provider provider-kubernetes", "XRD xmodels.freehold.dev"]
    wanted += ["ImageConfig freehold-functions", "ValidatingAdmissionPolicy freehold-claims"]
    assert set(wanted) <= missing.keys()
    assert [subject for subject, (_, mend) in missing.items() if not mend] == []
    kubectl = f"kubectl --kubeconfig {empty.layout.kubeconfig()} apply"
    first = missing["ImageConfig freehold-functions"][1]
    assert first == f"{kubectl} --server-side --force-conflicts -f {paths.INSTALL}"
    then = missing["Configuration configuration-freehold"][1]
    found = re.fullmatch(rf"echo '(.*)' \| {re.escape(kubectl)} -f -", then)
    assert found, then
    for manifest in (*load(paths.INSTALL), *parse(found[1])):
        empty.api.apply(manifest)
    _, left = checked(empty, capsys)
    assert "ImageConfig freehold-functions" not in left
    assert " describe configurations." in left["Configuration configuration-freehold"][1], "it is on its way"


def test_an_install_waits_for_a_package_that_is_missing_and_goes_on(empty: Empty) -> None:
    api = empty.api

    def told() -> bool:
        found = api.get(PACKAGES, "Configuration", CONFIGURATION)
        lock = api.find(f"{PACKAGES}beta1", "Lock", "lock") or {}
        waits = condition(found, "Healthy").get("message", "")
        return f"{OURS}/{LATE}" in waits and LATE in condition(lock, "Resolved").get("message", "")

    wait_for("the Configuration and the lock to name what is missing", told, INSTALL_SECONDS)
    assert api.items(XRD, "CompositeResourceDefinition") == []
    empty.push(FIRST, LATE)
    empty.wait_healthy(FIRST)


def test_one_configuration_has_installed_everything(empty: Empty) -> None:
    api = empty.api
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
    empty.ask_for(NEXT)

    said = [
        f"existing package {OURS}/function-{short}@{FIRST} is incompatible with constraint >={NEXT}"
        for short in FUNCTIONS
    ]

    def refused() -> bool:
        found = api.get(PACKAGES, "Configuration", CONFIGURATION)
        return all(each in condition(found, "Healthy").get("message", "") for each in said)

    wait_for("the Configuration to want newer functions", refused, INSTALL_SECONDS)
    for short in FUNCTIONS:
        name = f"function-{short}"
        packages.ask(api, "Function", object_name(name), f"{OURS}/{name}:{NEXT}")
    empty.wait_healthy(NEXT)


def test_a_configuration_goes_back(empty: Empty) -> None:
    """To the older compositions, which newer functions understand."""
    empty.ask_for(FIRST)
    empty.wait_healthy(FIRST)
