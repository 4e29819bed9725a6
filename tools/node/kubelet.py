"""The kubelet, and what it is told."""

import json
from collections.abc import Mapping
from pathlib import Path

from tools.control_plane.layout import Layout
from tools.machine import network
from tools.node import dns
from tools.node.binaries import KUBELET
from tools.node.containerd import SOCKET

NAME = "kubelet"
NODE = "node-1"
"""The node's name, also the kubelet's in tools/control_plane/layout.py."""
HEALTH = 10248


def command(layout: Layout, certificates: Path, labels: Mapping[str, str]) -> list[str]:
    """Write the kubelet's configuration; return its command.

    Args:
        layout: of the control plane.
        certificates: the folder of the certificate that it serves with.
        labels: what the node says of itself.
    """
    folder = layout.folder / NAME
    folder.mkdir(exist_ok=True)
    resolver = folder / "resolv.conf"
    # Of pods that use the node's name servers, such as the name server's own.
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    file = folder / "config.json"
    file.write_text(json.dumps(configuration(layout, certificates, resolver), indent=1))
    return [
        str(KUBELET.path()),
        f"--config={file}",
        f"--kubeconfig={layout.kubeconfig(NAME)}",
        f"--hostname-override={NODE}",
        f"--node-ip={network.ADDRESS}",
        f"--node-labels={','.join(f'{key}={value}' for key, value in labels.items())}",
        "--v=2",
    ]


def configuration(layout: Layout, certificates: Path, resolver: Path) -> dict[str, object]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        # Machines of CI have cgroups of version 1.
        "failCgroupV1": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.certificates / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificates / "tls.crt"),
        "tlsPrivateKeyFile": str(certificates / "tls.key"),
        "healthzPort": HEALTH,
        "clusterDNS": [dns.ADDRESS],
        "clusterDomain": dns.DOMAIN,
        "resolvConf": str(resolver),
        # What a machine in a container may not do: lower a score, raise a limit.
        "oomScoreAdj": 0,
        "maxOpenFiles": 20_000,
        "makeIPTablesUtilChains": False,
        "failSwapOn": False,
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",
        # The images' registry asks for no credentials.
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "serializeImagePulls": False,
        # The disk is this machine's, and its fill no test's doing.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
        # Seconds in which a test sees what changed.
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 40,
    }
