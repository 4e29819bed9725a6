"""The real node: pods as Kubernetes promises them, Services, names, network policies, GPUs, faults."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.real import pods
from tests.e2e.real.policies import calling, policy, server
from tools.control_plane.api import Api, ApiError, condition, identity
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import kubelet, provisioner
from tools.node.device_plugin import RESOURCE

_ABOUT_ITSELF = """
import json, os, socket
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
def writes(path):
    try:
        open(path + "/file", "w").write("x")
        return True
    except OSError as error:
        return error.strerror
print(json.dumps({
    "user": os.getuid(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": status["NoNewPrivs"],
    "seccomp": status["Seccomp"],
    "root": writes("/usr"), "scratch": writes("/scratch"), "given": writes("/given"),
    "secret": open("/given/key").read(),
    "api": socket.gethostbyname("kubernetes.default.svc.cluster.local"),
    "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount"),
}))
"""


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.fixture(scope="module")
def team(api: Api) -> str:
    return pods.namespace(api, "real-pods")


def test_a_restricted_pod_is_what_it_should_be(api: Api, team: str) -> None:
    secret = {"name": "given", "namespace": team}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"key": "value"}})
    mounts = [
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "given", "mountPath": "/given", "readOnly": True},
    ]
    manifest = pods.pod(team, "itself", _ABOUT_ITSELF, volumeMounts=mounts)
    manifest["spec"]["volumes"] = [
        {"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": "given", "projected": {"sources": [{"secret": {"name": "given"}}]}},
    ]
    assert json.loads(pods.run(api, manifest)) == {
        "user": 1000,
        "capabilities": 0,
        "no_new_privileges": "1",
        "seccomp": "2",
        "root": "Read-only file system",
        "scratch": True,
        "given": "Read-only file system",
        "secret": "value",
        "api": "10.96.0.1",
        "token": False,
    }


def test_a_pod_that_is_not_restricted_is_refused(api: Api, team: str) -> None:
    manifest = pods.pod(team, "root", "print()")
    manifest["spec"]["securityContext"] = {"runAsUser": 0}
    with pytest.raises(ApiError, match='violates PodSecurity "restricted:latest"'):
        api.create(manifest)


def test_a_service_is_reached_by_its_name_and_policies_say_by_whom(api: Api) -> None:
    team, others = (pods.namespace(api, name) for name in ("real-services", "real-others"))
    serving = server(team)
    pods.started(api, serving)
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "server", "namespace": team},
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8000}]},
        }
    )
    name = f"server.{team}.svc.cluster.local"
    with calling(api, team, name, 80) as ours, calling(api, others, name, 80) as theirs:
        for reached in (ours, theirs):
            wait_for("the Service to be reached", reached, 30)
        api.apply(policy(team, "default-deny", policyTypes=["Ingress", "Egress"]))
        for reached in (ours, theirs):
            wait_for("everybody to be refused", lambda reached=reached: not reached(), 30)  # type: ignore[misc]
        caller = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": others}}}
        allowed = {"from": [caller], "ports": [{"protocol": "TCP", "port": 8000}]}
        api.apply(policy(team, "serving", podSelector={"matchLabels": {"app": "server"}}, ingress=[allowed]))
        wait_for("the allowed namespace to be let in", theirs, 30)
        assert not ours(), "the deny holds for others"
    pods.remove(api, serving)


def test_the_node_is_reached_by_nobody_outside_and_reaches_nobody(api: Api, team: str) -> None:
    # Addresses of documentation, of a cloud's metadata, and of this machine's own default route's neighbour.
    for address in ("192.0.2.1", "169.254.169.254"):
        with calling(api, team, address, 80) as reached:
            assert not reached()


def gpu_pod(team: str, name: str, gpus: int) -> Manifest:
    code = "import os, time; print(os.environ['NVIDIA_VISIBLE_DEVICES'], flush=True); time.sleep(3600)"
    return pods.pod(team, name, code, resources={"limits": {RESOURCE: str(gpus)}})


def test_pods_get_gpus_of_their_own_until_there_are_none(api: Api, team: str) -> None:
    two, six, one = gpu_pod(team, "two", 2), gpu_pod(team, "six", 6), gpu_pod(team, "one", 1)
    for each in (two, six):
        pods.started(api, each)
    given = [pods.log(api, each).strip().split(",") for each in (two, six)]
    assert [len(names) for names in given] == [2, 6]
    assert len({name for names in given for name in names}) == 8
    api.create(one)
    waiting = f"0/1 nodes are available: 1 Insufficient {RESOURCE}"

    def told() -> str:
        return str(condition(api.get(*identity(one)), "PodScheduled").get("message"))

    wait_for("the third pod to be told why it waits", lambda: waiting in told())
    pods.remove(api, two)
    wait_for("the third pod to run", lambda: pods.phase(api, one) == "Running")
    pods.remove(api, six, one)


def test_a_kubelet_that_restarts_keeps_pods_and_gets_its_gpus_again(real: Plane, api: Api, team: str) -> None:
    serving = server(team, "lasting")
    pods.started(api, serving)
    real.processes.restart(kubelet.NAME)
    wait_for("the kubelet", lambda: real.processes.listens(kubelet.HEALTH))
    run = gpu_pod(team, "after", 8)

    def has_gpus() -> bool:
        """A kubelet refuses pods with GPUs until the plugin has registered again."""
        api.create(run)
        wait_for("the pod to run or be refused", lambda: pods.phase(api, run) in {"Running", "Failed"})
        runs = pods.phase(api, run) == "Running"
        pods.remove(api, run)
        return runs

    wait_for("a pod to get all GPUs", has_gpus)
    [status] = api.get(*identity(serving))["status"]["containerStatuses"]
    assert status["restartCount"] == 0
    pods.remove(api, serving)


def test_a_pod_that_takes_too_much_memory_is_killed(api: Api, team: str) -> None:
    limits = {"limits": {"memory": "48Mi"}}
    manifest = pods.pod(team, "greedy", "x = b'1' * (200 << 20); print(len(x))", resources=limits)
    api.create(manifest)
    wait_for("the pod to be killed", lambda: pods.phase(api, manifest) == "Failed")
    [status] = api.get(*identity(manifest))["status"]["containerStatuses"]
    assert status["state"]["terminated"]["reason"] == "OOMKilled"
    pods.remove(api, manifest)


def test_an_image_that_is_not_there_is_told_within_seconds(api: Api, team: str) -> None:
    manifest = pods.pod(team, "lost", "print()", image="docker.io/nobody/nothing:v1")
    api.create(manifest)

    def waiting() -> Manifest:
        statuses = api.get(*identity(manifest)).get("status", {}).get("containerStatuses") or [{}]
        found: Manifest = statuses[0].get("state", {}).get("waiting", {})
        return found

    wait_for("the pull to fail", lambda: waiting().get("reason") in {"ErrImagePull", "ImagePullBackOff"}, 20)
    assert re.search(r"docker\.io/nobody/nothing:v1.*not found", waiting()["message"])
    pods.remove(api, manifest)


def test_a_volume_is_made_for_the_first_pod_and_goes_with_its_claim(real: Plane, api: Api, team: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "kept", "namespace": team},
        "spec": {
            "storageClassName": provisioner.CLASS,
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    api.create(claim)
    write, read = "open('/kept/x', 'w').write('written')", "print(open('/kept/x').read())"
    manifests = [mounting(pods.pod(team, "volume", code), "kept") for code in (write, read)]
    assert [pods.run(api, manifest).strip() for manifest in manifests] == ["", "written"]
    folder = real.layout.folder / "volumes"
    assert [path.name for path in folder.rglob("x")] == ["x"]
    api.delete(claim)
    wait_for("the volume to be gone", lambda: api.items("v1", "PersistentVolume") == [])
    assert list(folder.iterdir()) == []


def mounting(manifest: Manifest, claim: str) -> Manifest:
    """Return a pod that mounts a claim's volume, which its group may write."""
    [container] = manifest["spec"]["containers"]
    container["volumeMounts"] = [{"name": "kept", "mountPath": "/kept"}]
    manifest["spec"]["volumes"] = [{"name": "kept", "persistentVolumeClaim": {"claimName": claim}}]
    manifest["spec"]["securityContext"]["fsGroup"] = 1000
    return manifest
