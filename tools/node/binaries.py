"""The programs of a node. Kubernetes' own are of the module that the control plane's are built from."""

from tools.control_plane.binaries import kubernetes
from tools.toolchain import Tool

KUBELET = kubernetes("kubelet", "KUBELET", 5)
KUBE_PROXY = kubernetes("kube-proxy", "KUBE_PROXY", 1)


def _containerd(name: str, variable: str, minutes: int, asked: str = "--version") -> Tool:
    return Tool(
        name=name,
        title=name,
        folder="containerd",
        variable=variable,
        module="github.com/containerd/containerd/v2",
        package=f"github.com/containerd/containerd/v2/cmd/{name}",
        ask=(asked,),
        answer=r"v\d+\.\d+\.\d+",
        # The configuration is of version 3.
        oldest=(2, 0, 0),
        minutes=minutes,
        variables=("github.com/containerd/containerd/v2/version.Version={version}",),
    )


CONTAINERD = _containerd("containerd", "CONTAINERD", 3)
SHIM = _containerd("containerd-shim-runc-v2", "CONTAINERD_SHIM", 1, "-v")
"""containerd looks for it by its name on the PATH."""
CTR = _containerd("ctr", "CTR", 1)


def _plugin(name: str, folder: str) -> Tool:
    return Tool(
        name=name,
        title=f"CNI plugin {name}",
        folder="cni",
        variable=f"CNI_{name.upper().replace('-', '_')}",
        module="github.com/containernetworking/plugins",
        package=f"github.com/containernetworking/plugins/plugins/{folder}/{name}",
        # Without a CNI command in its environment it says what it is.
        ask=("--version",),
        answer=rf"CNI {name} plugin v\d+\.\d+\.\d+",
        oldest=(1, 5, 0),
        minutes=1,
        variables=("github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion={version}",),
    )


PLUGINS = (
    _plugin("bridge", "main"),
    _plugin("loopback", "main"),
    _plugin("host-local", "ipam"),
    _plugin("portmap", "meta"),
)
KUBE_ROUTER = Tool(
    name="kube-router",
    title="kube-router",
    folder="kube-router",
    variable="KUBE_ROUTER",
    module="github.com/cloudnativelabs/kube-router/v2",
    package="github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
    ask=("--version",),
    answer=r"v\d+\.\d+\.\d+",
    oldest=(2, 1, 0),
    minutes=4,
    variables=("github.com/cloudnativelabs/kube-router/v2/pkg/version.Version={version}",),
)
"""Only for network policies."""
DNS = Tool(
    name="coredns",
    title="CoreDNS",
    folder="coredns",
    variable="COREDNS",
    module="github.com/coredns/coredns",
    # Its own main, of the plugins that a cluster's DNS needs: the others are clouds, and minutes of building.
    package=".",
    ask=("-version",),
    answer=r"CoreDNS-\d+\.\d+\.\d+",
    oldest=(0, 0, 0),
    minutes=3,
    variables=(),
)

TOOLS = (CONTAINERD, SHIM, CTR, *PLUGINS, KUBELET, KUBE_PROXY, DNS, KUBE_ROUTER)
"""What every node runs."""
