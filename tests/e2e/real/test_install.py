"""Freehold as Crossplane has installed it on the machine: from packages of a registry, the functions as pods.

The providers are processes beside core, which it does not run; their packages are installed like any other's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.main import FUNCTIONS
from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed, wait_ready
from tests.e2e.real import pods
from tests.e2e.real.inside import processes_of, reaches_from
from tests.e2e.real.policies import calling
from tools.check import command
from tools.control_plane import packages
from tools.control_plane.api import Api, identity
from tools.control_plane.crossplane import shipped_arguments
from tools.control_plane.layout import NAMESPACE
from tools.control_plane.registry import at, storage
from tools.control_plane.waiting import wait_for
from tools.errors import Exit
from tools.images.command import build
from tools.images.kinds.names import published, version
from tools.images.kinds.packages import CONFIGURATION, object_name
from tools.manifests import Manifest
from tools.node import images
from tools.toolchain import CORE, pinned_version

USER = 65532
PORT = 9443
"""At which core calls every function."""
NAMES = [f"function-{short}" for short in FUNCTIONS]


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


def pod_of(api: Api, name: str) -> Manifest:
    """Return the one pod of a function."""
    selector = f"pkg.crossplane.io/function={object_name(name)}"
    found = [
        p for p in api.items("v1", "Pod", NAMESPACE, selector) if "deletionTimestamp" not in p["metadata"]
    ]
    assert len(found) == 1, [pod["metadata"]["name"] for pod in found]
    return found[0]


def process_of(real: Plane, pod: Manifest) -> int:
    """Return the process of a function's container."""
    [found] = [p for p in processes_of(real, pod) if "functions" in Path(f"/proc/{p}/cmdline").read_text()]
    return found


def test_one_configuration_has_installed_everything(api: Api) -> None:
    assert [each["metadata"]["name"] for each in api.items(packages.API, "Configuration")] == [CONFIGURATION]
    live = {
        (each["kind"], each["metadata"]["name"], each["spec"]["package"])
        for kind in ("Function", "Provider")
        for each in api.items(packages.API, kind)
    }
    ours = {("Function", object_name(name), published(name)) for name in NAMES}
    theirs = {
        ("Provider", f"crossplane-contrib-{each.name}", f"{each.package}:v{each.since}")
        for each in packages.PROVIDERS
    }
    assert live == ours | theirs
    assert all(packages.healthy(api, *each) for each in live)
    definitions = api.items("apiextensions.crossplane.io/v1", "CompositeResourceDefinition")
    owners = {o["kind"] for xrd in definitions for o in xrd["metadata"]["ownerReferences"]}
    assert "ConfigurationRevision" in owners
    endpoints = {
        each["status"]["endpoint"]
        for each in api.items(packages.API, "FunctionRevision")
        if each["spec"]["desiredState"] == "Active"
    }
    assert endpoints == {f"dns:///{object_name(name)}.{NAMESPACE}:{PORT}" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_function_runs_from_its_own_image_and_may_do_nothing(real: Plane, api: Api, name: str) -> None:
    """As the kernel has it, not as the pod's spec says."""
    pod = pod_of(api, name)
    # The status has any name of those that the node knows the image by.
    assert [each["image"] for each in pod["spec"]["containers"]] == [published(name)]
    [container] = pod["status"]["containerStatuses"]
    digest = at(real.layout).digest(published(name).partition("/")[2].rpartition(":")[0], version())
    assert container["imageID"].endswith(f"@{digest}")
    process = process_of(real, pod)
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{process}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert {*status["Uid"].split(), *status["Gid"].split()} == {str(USER)}
    assert int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    mounts = [line.split() for line in Path(f"/proc/{process}/mountinfo").read_text().splitlines()]
    [root] = [line for line in mounts if line[4] == "/"]
    assert "ro" in root[5].split(",")
    assert [line[4] for line in mounts if "serviceaccount" in line[4]] == []


def test_a_function_calls_nobody_and_is_called_from_crossplanes_namespace_alone(
    real: Plane, api: Api
) -> None:
    pod = pod_of(api, NAMES[0])
    process, address = process_of(real, pod), pod["status"]["podIP"]
    name_server = api.get("v1", "Service", "kube-dns", "kube-system")["spec"]["clusterIP"]
    assert not reaches_from(process, "10.96.0.1", 443)
    assert not reaches_from(process, name_server, 53)
    with calling(api, pods.namespace(api, "real-strangers"), address, PORT) as reached:
        assert not any(reached() for _ in range(3))
    with calling(api, NAMESPACE, address, PORT) as reached:
        wait_for("a pod of Crossplane's namespace to be let in", reached, 30)


def test_a_composition_of_the_package_is_put_back(api: Api) -> None:
    """So a platform team sets inputs in a Configuration of its own."""
    composition = api.get("apiextensions.crossplane.io/v1", "Composition", "model")
    pipeline = copy.deepcopy(composition["spec"]["pipeline"])
    pipeline[0]["input"]["weights"]["endpoint"] = "https://hub.example.org"
    api.patch(composition, {"spec": {"pipeline": pipeline}})
    revision = packages.installed(api, api.get(packages.API, "Configuration", CONFIGURATION))
    assert revision
    # As any change of any package does.
    api.patch(revision, {"metadata": {"annotations": {"freehold.dev/looked": "at"}}})
    wait_for(
        "the Composition to be put back", lambda: refreshed(api, composition)["spec"] == composition["spec"]
    )


@pytest.fixture
def core(real: Plane, api: Api) -> Iterator[None]:
    """Crossplane's Deployment as its chart makes it, whose pod waits: core is a process here."""
    image, labels = f"xpkg.crossplane.io/crossplane/crossplane:{pinned_version(CORE)}", {"app": "crossplane"}
    images.place(storage(real.layout), build("pause"), "crossplane/crossplane", pinned_version(CORE))
    container = {"name": "crossplane", "image": image, "command": ["/pause"], "args": shipped_arguments()}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "crossplane", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    api.apply(deployment)
    wait_for(
        "its pod", lambda: api.get(*identity(deployment)).get("status", {}).get("availableReplicas") == 1
    )
    yield
    api.delete(deployment)


@pytest.mark.usefixtures("core")
def test_freehold_check_finds_all_of_it(real: Plane, capsys: pytest.CaptureFixture[str]) -> None:
    """What it says before an install is in tests/e2e/test_packages.py."""
    exits = command.run(real.layout.kubeconfig(), None, gpu=False, json_output=False)
    said = capsys.readouterr().out
    assert exits is Exit.DONE, said
    assert "Function function-vllm is healthy, ghcr.io/freehold-dev/function-vllm" in said


def test_a_cluster_is_claimed_and_ready_by_them(api: Api, cluster: Manifest) -> None:
    wait_ready(api, cluster, 1)
