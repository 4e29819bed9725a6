"""The pods' network: addresses on a bridge, Services by kube-proxy, network policies by kube-router."""

import json
from pathlib import Path

from tools.control_plane.kubernetes import SERVICES
from tools.control_plane.layout import Layout
from tools.node.binaries import KUBE_PROXY, KUBE_ROUTER
from tools.node.kubelet import NODE

PODS = "10.244.0.0/24"
PROXY, POLICIES = "kube-proxy", "kube-router"
POLICIES_HEALTH = 10244


def configure(folder: Path) -> Path:
    """Write the configuration of the pods' network in a folder for containerd; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        # Nothing outside of the machine is there to be reached.
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/pod-addresses",
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    content = {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]}
    (folder / "10-pods.conflist").write_text(json.dumps(content, indent=1))
    return folder


def proxy(layout: Layout) -> list[str]:
    """Write kube-proxy's configuration; return its command."""
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig(PROXY))},
        "clusterCIDR": PODS,
        "hostnameOverride": NODE,
        "oomScoreAdj": 0,
        # The whole kernel's, not this machine's to set.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    file = layout.folder / "kube-proxy.json"
    file.write_text(json.dumps(content, indent=1))
    return [str(KUBE_PROXY.path()), f"--config={file}"]


def policies(layout: Layout) -> list[str]:
    """Return kube-router's command: network policies alone."""
    return [
        str(KUBE_ROUTER.path()),
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--run-loadbalancer=false",
        f"--kubeconfig={layout.kubeconfig(POLICIES)}",
        f"--hostname-override={NODE}",
        f"--service-cluster-ip-range={SERVICES}",
        "--metrics-port=0",
        f"--health-port={POLICIES_HEALTH}",
    ]
