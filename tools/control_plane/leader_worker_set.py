"""LeaderWorkerSet's controller as a process, for tests of Models on several nodes."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.control_plane.api import Api
from tools.control_plane.binaries import LEADER_WORKER_SET
from tools.control_plane.certificates import Authority
from tools.control_plane.layout import USERS, Layout, free_ports
from tools.control_plane.modules import module_folder
from tools.control_plane.processes import Processes
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest, load

NAME = "leader-worker-set"
_ITS_PODS = {"matchExpressions": [{"key": "leaderworkerset.sigs.k8s.io/name", "operator": "Exists"}]}
"""The module's manifests select every pod; its own kustomization patches this selector in."""


@contextmanager
def running(layout: Layout) -> Iterator[None]:
    """Run the controller on a running control plane, and remove it afterwards."""
    processes, api = Processes(layout.folder), layout.api()
    folder, port = layout.folder / NAME, free_ports(1)[0]
    shutil.rmtree(folder, ignore_errors=True)
    authority = Authority(folder)
    # The CRD of LeaderWorkerSet itself is installed already, in the version that is composed.
    kinds = _of(module_folder(LEADER_WORKER_SET) / "config" / "crd" / "bases", "disaggregatedsets")
    webhooks = _webhooks(port, authority)
    try:
        for kind in kinds:
            _remove_stand_in(api, kind)
        for manifest in (*kinds, *_access()):
            api.apply(manifest)
        processes.start(NAME, command(folder, port, authority), {"KUBECONFIG": str(layout.kubeconfig(NAME))})
        processes.wait(NAME, lambda: processes.listens(port))
        for manifest in webhooks:
            api.apply(manifest)
        yield
    finally:
        for manifest in webhooks:
            if api.find(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]):
                api.delete(manifest)
        processes.stop(NAME)


def command(folder: Path, port: int, authority: Authority) -> list[str]:
    """Write the controller's configuration and certificates; return its command."""
    certificates = authority.serve("webhooks")
    configuration = folder / "configuration.json"
    configuration.write_text(
        json.dumps(
            {
                "apiVersion": "config.lws.x-k8s.io/v1alpha1",
                "kind": "Configuration",
                "webhook": {"host": "127.0.0.1", "port": port, "certDir": str(certificates)},
                "metrics": {"bindAddress": "0"},
                "health": {"healthProbeBindAddress": "0"},
                "leaderElection": {"leaderElect": False},
                "internalCertManagement": {"enable": False},
            }
        )
    )
    return [str(LEADER_WORKER_SET.path()), f"--config={configuration}", "--leader-elect=false"]


def _of(folder: Path, plural: str) -> list[Manifest]:
    return [crd for crd in load(folder) if crd["spec"]["names"]["plural"] == plural]


def _remove_stand_in(api: Api, crd: Manifest) -> None:
    """Remove the CRD of the same name that a stand-in chart left, whose kind and scope cannot change."""
    found = crd["apiVersion"], crd["kind"], crd["metadata"]["name"]
    if api.find(*found) is not None:
        api.delete(crd)
        wait_for(f"CRD {found[-1]} to be gone", lambda: api.find(*found) is None)


def _access() -> list[Manifest]:
    """Return the controller's role and the role's binding."""
    [role] = load(module_folder(LEADER_WORKER_SET) / "config" / "rbac" / "role.yaml")
    role["metadata"]["name"] = NAME
    binding: Manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": USERS[NAME][0]}],
    }
    return [role, binding]


def _webhooks(port: int, authority: Authority) -> list[Manifest]:
    """Return the controller's webhooks, served at a port of this machine."""
    bundle = base64.b64encode(authority.certificate.read_bytes()).decode()
    found = load(module_folder(LEADER_WORKER_SET) / "config" / "webhook" / "manifests.yaml")
    for configuration in found:
        configuration["metadata"]["name"] = f"lws-{configuration['metadata']['name']}"
        for webhook in configuration["webhooks"]:
            path = webhook["clientConfig"].pop("service")["path"]
            webhook["clientConfig"] |= {"url": f"https://127.0.0.1:{port}{path}", "caBundle": bundle}
            if any("pods" in rule["resources"] for rule in webhook["rules"]):
                webhook["objectSelector"] = _ITS_PODS
    return found
