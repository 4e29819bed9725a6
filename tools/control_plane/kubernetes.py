"""etcd and Kubernetes' own processes: the API server, its controllers and the scheduler."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from tools.control_plane.api import Api
from tools.control_plane.binaries import API_SERVER, CONTROLLER_MANAGER, ETCD, SCHEDULER
from tools.control_plane.layout import Layout, Ports
from tools.control_plane.processes import Processes
from tools.errors import ToolError

_HOST = "127.0.0.1"
NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
"""The API server's, in the cluster."""
SERVICES, SERVICE_ADDRESS = "10.96.0.0/16", "10.96.0.1"
"""The range of Services' addresses, and the address in it that is the API server's."""


@dataclass(frozen=True)
class Kubelets:
    """How the API server and real kubelets reach one another."""

    address: str
    """The API server's, as nodes and pods reach it."""
    client: Path
    """The folder of the certificate by which kubelets know the API server."""
    port: int = 16443
    """The API server's: MicroK8s', and not the usual 6443, so that a policy that assumes that fails."""


def start(
    processes: Processes, layout: Layout, ports: Ports, certificates: Path, kubelets: Kubelets | None = None
) -> Api:
    """Start everything, and return when the API server is ready; without kubelets, nodes are played."""
    processes.start("etcd", etcd(layout, ports))
    processes.wait("etcd", lambda: listens(ports.etcd))
    processes.start("kube-apiserver", api_server(layout, ports, certificates, kubelets))
    api = layout.api()
    processes.wait("kube-apiserver", lambda: ready(api))
    processes.start("kube-controller-manager", controller_manager(layout, ports))
    processes.start("kube-scheduler", scheduler(layout, ports))
    processes.wait("kube-controller-manager", lambda: listens(ports.controller_manager))
    processes.wait("kube-scheduler", lambda: listens(ports.scheduler))
    return api


def etcd(layout: Layout, ports: Ports) -> list[str]:
    """Return etcd's command: one member, without fsync, so a crash of the machine may lose its data."""
    client, peer = f"http://{_HOST}:{ports.etcd}", f"http://{_HOST}:{ports.etcd_peer}"
    return [
        str(ETCD.path()),
        "--name=freehold",
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=freehold={peer}",
        "--unsafe-no-fsync",
        # A request is given up after five seconds and two elections: a machine that is short of memory or CPU
        # keeps etcd waiting for longer than the default's seven. Of one member, nobody else is elected.
        "--heartbeat-interval=500",
        "--election-timeout=5000",
        "--log-level=warn",
    ]


def api_server(
    layout: Layout, ports: Ports, certificates: Path, kubelets: Kubelets | None = None
) -> list[str]:
    """Return the API server's command."""
    return [
        str(API_SERVER.path()),
        f"--etcd-servers=http://{_HOST}:{ports.etcd}",
        f"--tls-cert-file={certificates / 'tls.crt'}",
        f"--tls-private-key-file={certificates / 'tls.key'}",
        f"--token-auth-file={layout.tokens}",
        f"--admission-control-config-file={_admission(layout)}",
        # As every installer has it: device plugins and drivers are privileged pods.
        "--allow-privileged",
        f"--service-cluster-ip-range={SERVICES}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.signing_key}",
        f"--service-account-signing-key-file={layout.signing_key}",
        *(_for_played_nodes(ports) if kubelets is None else _for_kubelets(layout, kubelets)),
    ]


def _for_played_nodes(ports: Ports) -> list[str]:
    return [
        f"--bind-address={_HOST}",
        f"--advertise-address={_HOST}",
        f"--secure-port={ports.api_server}",
        "--authorization-mode=RBAC",
        # No kubelet mounts a service account's token, so pods need no service account.
        "--disable-admission-plugins=ServiceAccount",
        # The endpoints of the service `kubernetes` must not be a loopback address.
        "--endpoint-reconciler-type=none",
    ]


def _for_kubelets(layout: Layout, kubelets: Kubelets) -> list[str]:
    return [
        "--bind-address=0.0.0.0",
        f"--advertise-address={kubelets.address}",
        f"--secure-port={kubelets.port}",
        # A kubelet may do what its own node and pods need.
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={kubelets.client / 'tls.crt'}",
        f"--kubelet-client-key={kubelets.client / 'tls.key'}",
        f"--kubelet-certificate-authority={layout.certificates / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _admission(layout: Layout) -> Path:
    """Write how pods are admitted; JSON is YAML.

    As in a cluster whose administrators enforce the baseline level wherever a namespace says nothing:
    what needs more has to say so.
    """
    defaults = {"enforce": "baseline", "audit": "baseline", "warn": "baseline"}
    plugin = {
        "name": "PodSecurity",
        "configuration": {
            "apiVersion": "pod-security.admission.config.k8s.io/v1",
            "kind": "PodSecurityConfiguration",
            "defaults": defaults,
            "exemptions": {"namespaces": ["kube-system"]},
        },
    }
    file = layout.folder / "admission.json"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "AdmissionConfiguration",
                "plugins": [plugin],
            }
        )
    )
    return file


def controller_manager(layout: Layout, ports: Ports) -> list[str]:
    """Return the controller manager's command: garbage collection, and the controllers of workloads."""
    return [
        str(CONTROLLER_MANAGER.path()),
        f"--kubeconfig={layout.kubeconfig('controller-manager')}",
        f"--bind-address={_HOST}",
        f"--secure-port={ports.controller_manager}",
        f"--cert-dir={layout.certificates / 'controller-manager'}",
        f"--service-account-private-key-file={layout.signing_key}",
        "--use-service-account-credentials",
        f"--root-ca-file={layout.certificates / 'ca.crt'}",
        "--leader-elect=false",
    ]


def scheduler(layout: Layout, ports: Ports) -> list[str]:
    """Return the scheduler's command."""
    return [
        str(SCHEDULER.path()),
        f"--kubeconfig={layout.kubeconfig('scheduler')}",
        f"--bind-address={_HOST}",
        f"--secure-port={ports.scheduler}",
        f"--cert-dir={layout.certificates / 'scheduler'}",
        "--leader-elect=false",
    ]


def listens(port: int) -> bool:
    """Say whether a server listens at a port of this machine."""
    try:
        socket.create_connection((_HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def ready(api: Api) -> bool:
    """Say whether the API server is ready."""
    try:
        api.call("GET", "/readyz")
    except ToolError:
        return False
    return True
