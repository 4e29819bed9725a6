"""What a control plane consists of, beside the Crossplane core of tools/toolchain.py."""

from tools.toolchain import Tool

_KUBERNETES_VERSION = (
    "k8s.io/component-base/version.gitVersion={version}",
    "k8s.io/component-base/version.gitMajor={major}",
    "k8s.io/component-base/version.gitMinor={minor}",
)


def _kubernetes(name: str, variable: str, minutes: int) -> Tool:
    return Tool(
        name=name,
        title=name,
        folder="control-plane/kubernetes",
        variable=variable,
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        ask=("version", "--client") if name == "kubectl" else ("--version",),
        answer=r"v\d+\.\d+\.\d+",
        # The schemas that output is validated against are those of 1.35.
        oldest=(1, 35, 0),
        minutes=minutes,
        variables=_KUBERNETES_VERSION,
    )


ETCD = Tool(
    name="etcd",
    title="etcd",
    folder="control-plane/etcd",
    variable="ETCD",
    module="go.etcd.io/etcd/server/v3",
    package="go.etcd.io/etcd/server/v3",
    ask=("--version",),
    answer=r"etcd Version: 3\.",
    oldest=(3, 5, 0),
    minutes=1,
    variables=(),
)
API_SERVER = _kubernetes("kube-apiserver", "KUBE_APISERVER", 8)
CONTROLLER_MANAGER = _kubernetes("kube-controller-manager", "KUBE_CONTROLLER_MANAGER", 3)
SCHEDULER = _kubernetes("kube-scheduler", "KUBE_SCHEDULER", 1)
KUBECTL = _kubernetes("kubectl", "KUBECTL", 1)
PROVIDER_KUBERNETES = Tool(
    name="provider-kubernetes",
    title="provider-kubernetes",
    folder="control-plane/provider-kubernetes",
    variable="PROVIDER_KUBERNETES",
    module="github.com/crossplane-contrib/provider-kubernetes",
    package="github.com/crossplane-contrib/provider-kubernetes/cmd/provider",
    ask=("--help",),
    answer=r"sanitize-secrets",
    oldest=(1, 2, 0),
    minutes=4,
    variables=("github.com/crossplane-contrib/provider-kubernetes/internal/version.Version={version}",),
)
KWOK = Tool(
    name="kwok",
    title="kwok",
    folder="control-plane/kwok",
    variable="KWOK",
    module="sigs.k8s.io/kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    ask=("--version",),
    answer=r"kwok",
    oldest=(0, 7, 0),
    minutes=3,
    variables=("sigs.k8s.io/kwok/pkg/consts.Version={version}",),
)

TOOLS = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KUBECTL, PROVIDER_KUBERNETES, KWOK)
