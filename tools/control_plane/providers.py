"""provider-kubernetes and provider-helm as processes, with the arguments that the package ships."""

from pathlib import Path

from tools import paths
from tools.control_plane.api import Api
from tools.control_plane.binaries import PROVIDER_HELM, PROVIDER_KUBERNETES
from tools.control_plane.certificates import Authority
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import Layout, Ports
from tools.control_plane.modules import module_folder
from tools.control_plane.processes import Processes
from tools.install import RUNTIME
from tools.manifests import Manifest, load
from tools.toolchain import Tool

NAME = "provider-kubernetes"
HELM = "provider-helm"
_SERVED = tuple(
    f'gvk is ready\t{{"gvk": "helm.m.crossplane.io/v1beta1, Kind={kind}"}}'
    for kind in ("ClusterProviderConfig", "ProviderConfig", "ProviderConfigUsage", "Release")
)
"""Lines of provider-helm's log, one for each kind, before it starts the kind's controller."""


def start(processes: Processes, layout: Layout, ports: Ports, api: Api, authority: Authority) -> None:
    """Start provider-kubernetes."""
    _install(api, PROVIDER_KUBERNETES)
    certificates = authority.serve(NAME)
    environment = {"KUBECONFIG": str(layout.kubeconfig(NAME)), "WEBHOOK_TLS_CERT_DIR": str(certificates)}
    processes.start(NAME, command(ports), environment)
    processes.wait(NAME, lambda: listens(ports.provider_health))


def start_helm(processes: Processes, layout: Layout, api: Api, authority: Authority) -> None:
    """Start provider-helm, which trusts registries with a certificate of the authority."""
    _install(api, PROVIDER_HELM)
    # The cache of charts: two Releases at once would both try to make the folder.
    (layout.folder / "charts").mkdir()
    environment = {
        "KUBECONFIG": str(layout.kubeconfig(HELM)),
        "SSL_CERT_FILE": str(authority.certificate),
        # Not the user's own folders, in which Helm would look for a registry's credentials.
        "HELM_CONFIG_HOME": str(layout.folder / "helm"),
        "DOCKER_CONFIG": str(layout.folder / "helm"),
    }
    # It has no health check. With --debug it logs the kinds that it has found.
    processes.start(HELM, [str(PROVIDER_HELM.path()), "--debug"], environment)
    processes.wait(HELM, lambda: _serves(processes.log(HELM)))


def command(ports: Ports) -> list[str]:
    """Return provider-kubernetes' command."""
    return [
        str(PROVIDER_KUBERNETES.path()),
        f"--metrics-bind-address=127.0.0.1:{ports.provider_metrics}",
        f"--health-probe-bind-addr=127.0.0.1:{ports.provider_health}",
        f"--webhook-port={ports.provider_webhooks}",
        *shipped_arguments(),
    ]


def shipped_arguments() -> list[str]:
    """Return the arguments that the package's runtime configuration gives provider-kubernetes."""
    [config] = [
        m
        for m in load(paths.INSTALL)
        if m["kind"] == "DeploymentRuntimeConfig" and m["metadata"]["name"] == RUNTIME
    ]
    [container] = config["spec"]["deploymentTemplate"]["spec"]["template"]["spec"]["containers"]
    arguments: list[str] = container["args"]
    return arguments


def crds(provider: Tool) -> list[Manifest]:
    """Return the CRDs of a provider's namespaced kinds, of the version that is built.

    Cluster-scoped kinds are not composed, and their CRDs need a conversion webhook.
    """
    found = load(module_folder(provider) / "package" / "crds")
    return [crd for crd in found if crd["spec"]["group"].endswith(".m.crossplane.io")]


def _install(api: Api, provider: Tool) -> None:
    """Apply a provider's CRDs, and the role that the RBAC manager would make for the provider."""
    for crd in crds(provider):
        api.apply(crd)
    for manifest in load(paths.ROOT / "tools" / "control_plane" / "manifests" / f"{provider.name}.yaml"):
        api.apply(manifest)


def _serves(log: Path) -> bool:
    text = log.read_text(errors="replace")
    return all(line in text for line in _SERVED)
