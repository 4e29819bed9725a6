"""The programs of a control plane, beside Crossplane core, which tools/toolchain.py has."""

from tools.toolchain import Tool

_KUBERNETES_VERSION = (
    "k8s.io/component-base/version.gitVersion={version}",
    "k8s.io/component-base/version.gitMajor={major}",
    "k8s.io/component-base/version.gitMinor={minor}",
)


def kubernetes(name: str, variable: str, minutes: int) -> Tool:
    """Return one of Kubernetes' own programs, all of one pinned module."""
    return Tool(
        name=name,
        title=name,
        folder="kubernetes",
        variable=variable,
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        ask=("--version",),
        answer=r"v\d+\.\d+\.\d+",
        # The schemas that output is validated against are those of 1.35.
        oldest=(1, 35, 0),
        minutes=minutes,
        variables=_KUBERNETES_VERSION,
    )


ETCD = Tool(
    name="etcd",
    title="etcd",
    folder="etcd",
    variable="ETCD",
    module="go.etcd.io/etcd/server/v3",
    package="go.etcd.io/etcd/server/v3",
    ask=("--version",),
    answer=r"etcd Version: 3\.",
    oldest=(3, 5, 0),
    minutes=1,
    variables=(),
)
API_SERVER = kubernetes("kube-apiserver", "KUBE_APISERVER", 8)
CONTROLLER_MANAGER = kubernetes("kube-controller-manager", "KUBE_CONTROLLER_MANAGER", 3)
SCHEDULER = kubernetes("kube-scheduler", "KUBE_SCHEDULER", 1)
PROVIDER_KUBERNETES = Tool(
    name="provider-kubernetes",
    title="provider-kubernetes",
    folder="provider-kubernetes",
    variable="PROVIDER_KUBERNETES",
    module="github.com/crossplane-contrib/provider-kubernetes",
    package="github.com/crossplane-contrib/provider-kubernetes/cmd/provider",
    ask=("--help",),
    answer=r"sanitize-secrets",
    oldest=(1, 3, 0),
    minutes=4,
    variables=("github.com/crossplane-contrib/provider-kubernetes/internal/version.Version={version}",),
)
PROVIDER_HELM = Tool(
    name="provider-helm",
    title="provider-helm",
    folder="provider-helm",
    variable="PROVIDER_HELM",
    module="github.com/crossplane-contrib/provider-helm",
    package="github.com/crossplane-contrib/provider-helm/cmd/provider",
    ask=("--help",),
    answer=r"Helm support for Crossplane",
    oldest=(1, 3, 0),
    minutes=4,
    variables=(
        "github.com/crossplane-contrib/provider-helm/pkg/version.Version={version}",
        # No flag changes either. The cache keeps charts by name and version alone, so one control
        # plane's must not outlive it: a relative path is in the control plane's own folder.
        "github.com/crossplane-contrib/provider-helm/pkg/clients/helm.chartCache=charts",
        "sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress=0",
    ),
)
CROSSPLANE_CLI = Tool(
    name="crossplane-cli",
    title="Crossplane CLI",
    folder="crossplane-cli",
    variable="CROSSPLANE_CLI",
    module="github.com/crossplane/crossplane/v2",
    package="github.com/crossplane/crossplane/v2/cmd/crank",
    ask=("version", "--client"),
    answer=r"v2\.\d+\.\d+",
    oldest=(2, 0, 0),
    minutes=3,
    variables=("github.com/crossplane/crossplane/v2/internal/version.version={version}",),
)
"""No part of a control plane: a test has it build our packages. Newer ones are in a module of their own."""
REGISTRY = Tool(
    name="registry",
    title="OCI registry",
    folder="registry",
    variable="REGISTRY",
    module="github.com/distribution/distribution/v3",
    package="github.com/distribution/distribution/v3/cmd/registry",
    ask=("--version",),
    answer=r"distribution/v3 v3\.",
    oldest=(3, 0, 0),
    minutes=2,
    variables=("github.com/distribution/distribution/v3/version.version={version}",),
)
COSIGN = Tool(
    name="cosign",
    title="cosign",
    folder="cosign",
    variable="COSIGN",
    module="github.com/sigstore/cosign/v3",
    package="github.com/sigstore/cosign/v3/cmd/cosign",
    ask=("version",),
    answer=r"GitVersion: +v3\.",
    oldest=(3, 0, 0),
    minutes=5,
    variables=("sigs.k8s.io/release-utils/version.gitVersion={version}",),
)
"""No part of a control plane: tests sign packages by it. It is of the version that core verifies with."""
KWOK = Tool(
    name="kwok",
    title="kwok",
    folder="kwok",
    variable="KWOK",
    module="sigs.k8s.io/kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    ask=("--version",),
    answer=r"kwok",
    oldest=(0, 7, 0),
    minutes=3,
    variables=("sigs.k8s.io/kwok/pkg/consts.Version={version}",),
)
LEADER_WORKER_SET = Tool(
    name="lws",
    title="LeaderWorkerSet",
    folder="lws",
    variable="LEADER_WORKER_SET",
    module="sigs.k8s.io/lws",
    package="sigs.k8s.io/lws/cmd",
    ask=("--version",),
    answer=r"Version: v\d+\.\d+\.\d+",
    oldest=(0, 8, 0),
    minutes=3,
    variables=("sigs.k8s.io/lws/pkg/version.GitVersion={version}",),
)
HELM = Tool(
    name="helm",
    title="Helm",
    folder="helm",
    variable="HELM",
    module="helm.sh/helm/v3",
    package="helm.sh/helm/v3/cmd/helm",
    ask=("version", "--short"),
    answer=r"v3\.\d+\.\d+",
    # What provider-helm is built with.
    oldest=(3, 21, 0),
    minutes=2,
    variables=("helm.sh/helm/v3/internal/version.version={version}",),
)
"""Templates charts for `freehold versions` and the tests; no control plane runs it."""

TOOLS = (
    ETCD,
    API_SERVER,
    CONTROLLER_MANAGER,
    SCHEDULER,
    PROVIDER_KUBERNETES,
    PROVIDER_HELM,
    REGISTRY,
    KWOK,
)
"""What every control plane runs."""
