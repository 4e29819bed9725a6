"""Crossplane installs the packages itself: from a registry over TLS, with all that the Configuration depends on.

On a control plane that has nothing but Kubernetes, Crossplane and a registry. The registry stands in for those of
the world by an ImageConfig, as a platform team's mirror does. Providers are stand-ins: packages with the names, the
capabilities and the CRDs of the real ones (of the AWS providers some, more than are composed). Packages
run outside of core here (`--package-runtime=External`): `tests/e2e/real` has their pods. What is missing before an
install, `freehold check` says, and it is installed by the commands that it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from functions.catalog import providers
from functions.main import FUNCTIONS
from tests.e2e import empty_plane
from tools import paths
from tools.check import command
from tools.control_plane import packages
from tools.control_plane.api import Api, condition
from tools.control_plane.packages import API as PACKAGES
from tools.control_plane.waiting import wait_for
from tools.errors import Exit
from tools.images.image import Image
from tools.images.kinds.clouds import CLOUDS, package_name, providers_of
from tools.images.kinds.packages import CONFIGURATION, kinds, object_name, package
from tools.images.store import Store
from tools.manifests import Manifest, load, parse
from tools.toolchain import CORE, pinned_version

XRD = "apiextensions.crossplane.io/v1"
OURS = "ghcr.io/freehold-dev"
FIRST, NEXT, TOO_NEW = "v0.1.0", "v0.2.0", "v0.3.0"
[AWS] = [cloud for cloud in CLOUDS if cloud.name == "aws"]
INSTALL_SECONDS = 180
OBJECT = object_name(CONFIGURATION)
LATE = "function-vllm"
"""The package that the registry does not have at first."""


@dataclass(frozen=True)
class Empty(empty_plane.Empty):
    """A control plane where nothing is installed yet, with our packages in its registry."""

    def push(self, tag: str, *names: str) -> None:
        """Push our packages of a version: some, or all."""
        packages.push(self.registry, *(kind for kind in kinds(tag=tag) if not names or kind.name in names))

    def ask_for(self, tag: str) -> None:
        """Ask for a version of the Configuration."""
        packages.ask(self.api, "Configuration", OBJECT, configuration(tag))

    def wait_healthy(self, tag: str) -> None:
        """Wait until a version of the Configuration is installed."""
        packages.wait_healthy(self.api, "Configuration", OBJECT, configuration(tag))


@pytest.fixture(scope="module")
def empty() -> Iterator[Empty]:
    """Start it, with our packages but one, and those of the providers, in its registry."""
    with empty_plane.started("packages") as plane:
        api, remote = plane.api, plane.registry
        running = Empty(plane.layout, api, remote)
        running.push(FIRST, *(kind.name for kind in kinds() if kind.name != LATE))
        packages.push(remote, *packages.dependencies(*providers().values()))
        for prefix in {OURS, *(each.package.rpartition("/")[0] for each in providers().values())}:
            api.apply(empty_plane.mirrored(prefix, remote.host))
        yield running


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
        found = api.get(PACKAGES, "Configuration", OBJECT)
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
        found = api.get(PACKAGES, "Configuration", OBJECT)
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


def test_a_package_for_a_newer_crossplane_is_refused_and_changes_nothing(
    empty: Empty, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [meta] = load(paths.PACKAGE / CONFIGURATION / "crossplane.yaml")
    meta["spec"]["crossplane"]["version"] = ">=v9.0.0-0"
    built = Store(tmp_path).build("too-new", Image([package([meta])]))
    empty.registry.push(built, f"{OURS.partition('/')[2]}/{CONFIGURATION}", TOO_NEW)
    before = {each["metadata"]["name"] for each in empty.api.items(XRD, "Composition")}
    empty.ask_for(TOO_NEW)
    running = pinned_version(CORE)

    def refused() -> bool:
        found = condition(empty.api.get(PACKAGES, "Configuration", OBJECT), "Healthy")
        return f"not compatible with Crossplane version ({running})" in found.get("message", "")

    wait_for("the package to be refused", refused, INSTALL_SECONDS)
    assert {each["metadata"]["name"] for each in empty.api.items(XRD, "Composition")} == before
    assert all(offered(name, empty.api) for name in ("models", "inferenceclusters"))
    _, missing = checked(empty, capsys)
    says, mend = missing[f"Configuration {CONFIGURATION}"]
    assert f"not compatible with Crossplane version ({running})" in says
    assert mend.startswith("kubectl ")
    empty.ask_for(FIRST)
    empty.wait_healthy(FIRST)


def test_a_cloud_brings_its_providers_and_only_kinds_that_are_composed(empty: Empty) -> None:
    api, name = empty.api, package_name(AWS)
    packages.ask(api, "Configuration", name, f"{OURS}/{name}:{FIRST}")
    packages.wait_healthy(api, "Configuration", name, f"{OURS}/{name}:{FIRST}")
    installed = {each["spec"]["package"] for each in api.items(PACKAGES, "Provider")}
    assert {f"{each.package}:v{each.since}" for each in providers_of(AWS)} <= installed
    for each in providers_of(AWS):
        packages.run_outside(api, each.name, empty.layout.certificates / "registry")
    shipped = kinds_of([crd for each in providers_of(AWS) for crd in packages.crds(each)])
    composed = {(group, kind) for group, kinds in AWS.kinds.items() for kind in kinds}
    assert composed < shipped, "the stand-ins have kinds that nobody composes"

    def served() -> set[tuple[str, str]]:
        return kinds_of(api.items("apiextensions.k8s.io/v1", "CustomResourceDefinition")) & shipped

    wait_for("the kinds that are composed to be served", lambda: served() >= composed, INSTALL_SECONDS)
    assert served() == composed


def test_what_others_depend_on_is_upgraded_in_its_place(empty: Empty) -> None:
    """Its object has the name that core gives a dependency: under another one core would install it twice."""
    empty.ask_for(NEXT)
    empty.wait_healthy(NEXT)
    name = package_name(AWS)
    packages.wait_healthy(empty.api, "Configuration", name, f"{OURS}/{name}:{FIRST}")
    found = sorted(each["spec"]["package"] for each in empty.api.items(PACKAGES, "Configuration"))
    assert found == sorted([configuration(NEXT), f"{OURS}/{name}:{FIRST}"])


def kinds_of(crds: Sequence[Manifest]) -> set[tuple[str, str]]:
    return {(each["spec"]["group"], each["spec"]["names"]["kind"]) for each in crds}
