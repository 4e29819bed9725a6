"""The agent of the control plane, as a process with what package/install.yaml gives it."""

import sys
from urllib.request import urlopen

from functions.api import contract
from tools import paths
from tools.control_plane.layout import Layout, free_ports
from tools.control_plane.processes import Processes
from tools.manifests import load

NAME = contract.DELIVERY_AGENT


def start(processes: Processes, layout: Layout) -> None:
    """Start the agent."""
    [port] = free_ports(1)
    [deployment] = [m for m in load(paths.INSTALL) if m["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    shipped = [argument for argument in container["args"] if not argument.startswith("--health")]
    own = [f"--kubeconfig={layout.kubeconfig(NAME)}", f"--health=127.0.0.1:{port}"]
    command = [sys.executable, *container["command"][1:], *shipped, *own]
    # The registry that has the charts is signed by an authority of this control plane's own.
    trusted = {"SSL_CERT_FILE": str(layout.certificates / "ca.crt")}
    processes.start(NAME, command, {"PYTHONPATH": str(paths.ROOT), **trusted})
    processes.wait(NAME, lambda: _ready(port))


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
