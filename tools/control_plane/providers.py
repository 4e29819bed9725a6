"""provider-kubernetes as a process, with the options that the functions count on."""

from tools import paths
from tools.control_plane.api import Api
from tools.control_plane.binaries import PROVIDER_KUBERNETES
from tools.control_plane.certificates import Authority
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import Layout, Ports
from tools.control_plane.modules import module_folder
from tools.control_plane.processes import Processes
from tools.manifests import load

NAME = "provider-kubernetes"


def start(processes: Processes, layout: Layout, ports: Ports, api: Api, authority: Authority) -> None:
    """Start the provider, under the role that the RBAC manager would give it."""
    # The folder of schemas holds only what is composed. The cluster-scoped kinds are not
    # used, and the package manager would have to give their CRDs a conversion webhook.
    for crd in load(module_folder(PROVIDER_KUBERNETES) / "package" / "crds"):
        if crd["spec"]["group"].endswith(".m.crossplane.io"):
            api.apply(crd)
    for manifest in load(paths.ROOT / "tools" / "control-plane" / "manifests" / f"{NAME}.yaml"):
        api.apply(manifest)
    certificates = authority.serve(NAME)
    environment = {"KUBECONFIG": str(layout.kubeconfig(NAME)), "WEBHOOK_TLS_CERT_DIR": str(certificates)}
    processes.start(NAME, command(ports), environment)
    processes.wait(NAME, lambda: listens(ports.provider_health))


def command(ports: Ports) -> list[str]:
    """Return the provider's command."""
    return [
        str(PROVIDER_KUBERNETES.path()),
        f"--metrics-bind-address=127.0.0.1:{ports.provider_metrics}",
        f"--health-probe-bind-addr=127.0.0.1:{ports.provider_health}",
        f"--webhook-port={ports.provider_webhooks}",
        *shipped_arguments(),
    ]


def shipped_arguments() -> list[str]:
    """Return the arguments that the package's runtime configuration gives the provider."""
    [config] = load(paths.ROOT / "package" / "provider-kubernetes-runtime.yaml")
    [container] = config["spec"]["deploymentTemplate"]["spec"]["template"]["spec"]["containers"]
    arguments: list[str] = container["args"]
    return arguments
