"""Crossplane packages: what Crossplane reads in them, and what they run."""

from __future__ import annotations

import base64
import re
import subprocess
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from functions.catalog import providers
from functions.main import FUNCTIONS
from functions.node_pools.place import Place
from tests.rootfs import command, needs_root, unpacked
from tests.test_server import Server, ask, calling, free_address, request
from tools import paths
from tools.images.command import build, install
from tools.images.kinds.clouds import CLOUDS, package_name
from tools.images.kinds.names import REGISTRY, version
from tools.images.kinds.packages import CONFIGURATION, configuration, object_name
from tools.images.store import Built, Store
from tools.manifests import Manifest, load, parse

ACTIVATION = "ManagedResourceActivationPolicy"
HELD = {"CompositeResourceDefinition", "Composition", ACTIVATION, "Operation"}
"""What a Configuration may hold (`xpkg build` of 2.4.0 refuses the rest)."""


def documents(built: Built) -> list[Manifest]:
    """Return the manifests of a package, found as Crossplane finds them."""
    [marked] = [
        layer for layer in built.layers if layer.get("annotations", {}).get("io.crossplane.xpkg") == "base"
    ]
    with tarfile.open(built.blob(marked["digest"])) as tar:
        assert tar.getnames() == ["package.yaml"]
        file = tar.extractfile("package.yaml")
        assert file is not None, "a regular file"
        return list(parse(file.read().decode()))


@pytest.mark.parametrize("short", FUNCTIONS)
def test_the_package_of_a_function_is_its_runtime(short: str) -> None:
    built, runtime = build(f"function-{short}"), build("functions")
    assert built.layers[:-1] == runtime.layers, "a node has them once"
    assert f"FUNCTION={short}" in built.config["config"]["Env"]
    meta, crd = documents(built)
    assert (meta["kind"], meta["metadata"]["name"]) == ("Function", f"function-{short}")
    assert meta["spec"]["capabilities"] == ["composition"]
    assert crd["kind"] == "CustomResourceDefinition"


def test_a_function_serves_what_its_package_says(tmp_path: Path) -> None:
    needs_root()
    built = build("function-vllm")
    root = unpacked(built, tmp_path)
    address = free_address()
    words = [*built.config["config"]["Entrypoint"], "--insecure", "--address", address]
    starts = command(built, root, *words)
    with subprocess.Popen(starts, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            with calling(Server(process, address)) as channel:
                answer = ask(channel, request())
        finally:
            process.terminate()
    assert answer.results[0].message.startswith("spec.model: is missing"), "as function-vllm says"


def test_a_configuration_holds_what_it_may_and_depends_on_the_rest() -> None:
    meta, *held = documents(build(CONFIGURATION))
    assert meta["kind"] == "Configuration"
    assert {each["kind"] for each in held} <= HELD
    wanted = {each["package"]: each["version"] for each in meta["spec"]["dependsOn"]}
    ours = {f"ghcr.io/freehold-dev/function-{short}": f">={version()}" for short in FUNCTIONS}
    others = {f"xpkg.crossplane.io/crossplane-contrib/provider-{name}" for name in ("kubernetes", "helm")}
    assert wanted.keys() == ours.keys() | others
    assert ours.items() <= wanted.items()


@pytest.mark.parametrize(
    ("registry", "prefix"), [("ghcr.io/freehold-dev", "freehold-dev"), ("r.example.org:5000/a/b.c", "a-b-c")]
)
def test_compositions_name_functions_as_crossplane_will(registry: str, prefix: str) -> None:
    assert object_name("function-vllm", registry) == f"{prefix}-function-vllm"
    held = documents(build(CONFIGURATION, registry=registry))
    steps = [step for each in held if each["kind"] == "Composition" for step in each["spec"]["pipeline"]]
    assert {step["functionRef"]["name"] for step in steps} == {
        f"{prefix}-function-{name}" for name in FUNCTIONS
    }
    agents = [step["input"].get("agent") for step in steps if step["step"] == "cluster-stack"]
    # Where the project's own is asked for, the function knows it.
    own = {"image": f"{registry}/agent:{version()}"}
    assert agents == [None if registry == REGISTRY else own]
    [meta] = [each for each in held if each["kind"] == "Configuration"]
    assert f"{registry}/function-vllm" in {each["package"] for each in meta["spec"]["dependsOn"]}


def test_the_compositions_are_the_shipped_ones_but_for_that() -> None:
    added = ("Configuration", ACTIVATION)
    held = [each for each in documents(build(CONFIGURATION)) if each["kind"] not in added]
    for each in held:
        for step in each["spec"].get("pipeline", []):
            step["functionRef"]["name"] = step["functionRef"]["name"].removeprefix("freehold-dev-")
    assert held == [*load(paths.XRDS), *load(paths.COMPOSITIONS)]


def test_a_next_version_asks_for_its_own_functions_and_agent(tmp_path: Path) -> None:
    """Whatever a platform team made of the compositions."""
    model, cluster = sorted(load(paths.COMPOSITIONS), key=lambda each: each["metadata"]["name"], reverse=True)
    model["spec"]["pipeline"][0]["input"]["weights"] = {"endpoint": "https://hub.example.org"}
    made = configuration([model, cluster], tag="v0.2.0")
    meta, *held = documents(Store(tmp_path).build(CONFIGURATION, made))
    wanted = {each["package"].rpartition("/")[2]: each["version"] for each in meta["spec"]["dependsOn"]}
    assert {f"function-{short}": ">=v0.2.0" for short in FUNCTIONS}.items() <= wanted.items()
    inputs = {s["step"]: s["input"] for each in held for s in each["spec"].get("pipeline", [])}
    assert inputs["cluster-stack"]["agent"] == {"image": "ghcr.io/freehold-dev/agent:v0.2.0"}
    assert inputs["vllm"]["weights"] == {"endpoint": "https://hub.example.org"}


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: str(cloud.name))
def test_the_configuration_of_a_cloud_brings_its_providers_and_activates_their_kinds(cloud: Place) -> None:
    meta, policy = documents(build(package_name(cloud), registry="r.example.org/own"))
    assert (meta["kind"], policy["kind"]) == ("Configuration", ACTIVATION)
    wanted = {each["package"]: each["version"] for each in meta["spec"]["dependsOn"]}
    assert wanted.pop(f"r.example.org/own/{CONFIGURATION}") == f">={version()}"
    assert wanted.keys() == {providers()[group].package for group in cloud.kinds}
    assert all(re.fullmatch(r">=v\d+\.\d+\.\d+, <v\d+\.0\.0", each) for each in wanted.values())
    assert {name.partition(".")[2] for name in policy["spec"]["activate"]} == set(cloud.kinds)


def test_what_is_activated_is_what_the_providers_call_it() -> None:
    """The names of the real CRDs, which Crossplane matches."""
    found = [crd for folder in paths.schemas().glob("provider-*") for crd in load(folder)]
    if not found:
        pytest.skip(f"{paths.schemas()} has no CRDs of providers")
    names = {crd["metadata"]["name"] for crd in found}
    for package in (CONFIGURATION, *map(package_name, CLOUDS)):
        [policy] = [each for each in documents(build(package)) if each["kind"] == ACTIVATION]
        assert set(policy["spec"]["activate"]) <= names


PACKAGES = [f"function-{short}" for short in FUNCTIONS] + [CONFIGURATION, *map(package_name, CLOUDS)]


@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_package_says_of_itself(name: str) -> None:
    meta = documents(build(name))[0]
    assert meta["metadata"]["name"] == name
    said = meta["metadata"]["annotations"]
    ours = {
        f"meta.crossplane.io/{key}" for key in ("maintainer", "source", "license", "description", "readme")
    }
    assert said.keys() == ours | {"meta.crossplane.io/iconURI", "friendly-name.meta.crossplane.io"}
    assert all(said.values())
    assert "\n" not in said["meta.crossplane.io/description"], "one sentence"
    kind, _, icon = said["meta.crossplane.io/iconURI"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert ElementTree.fromstring(base64.b64decode(icon)).tag.endswith("svg")
    # Crossplane copies them into the object of each revision.
    assert sum(map(len, said.values())) < 4000


def test_install_yaml_names_what_another_registry_has() -> None:
    text = install("r.example.org/own", "v9")
    assert "ghcr.io/freehold-dev" not in text
    pods = [each["spec"]["template"]["spec"] for each in parse(text) if each["kind"] == "Deployment"]
    assert [c["image"] for pod in pods for c in pod["containers"]] == ["r.example.org/own/agent:v9"]
    rules = [each["spec"]["matchImages"] for each in parse(text) if each["kind"] == "ImageConfig"]
    assert [{"type": "Prefix", "prefix": "r.example.org/own/function-"}] in rules
