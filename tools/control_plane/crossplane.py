"""Crossplane's processes, core and the RBAC manager, with the roles of Crossplane's chart."""

import base64
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from tools import paths
from tools.control_plane.api import Api, ApiError
from tools.control_plane.certificates import Authority
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import NAMESPACE, Layout, Ports
from tools.control_plane.modules import module_folder
from tools.control_plane.processes import Processes
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError, last_lines
from tools.manifests import load
from tools.toolchain import CORE

RBAC_MANAGER = "crossplane-rbac-manager"
OUTSIDE = "External"
"""Packages run outside of core."""
MANIFESTS = paths.ROOT / "tools" / "control_plane" / "manifests"
VALUES = paths.ROOT / "package" / "crossplane-values.yaml"
_ROOT_CA, _SERVER, _CLIENT = "crossplane-root-ca", "crossplane-tls-server", "crossplane-tls-client"
_INIT_SECONDS = 120
_INIT_TRIES = 5
"""`core init` does not wait for the CRDs that it installs; Kubernetes would restart the init container."""


@dataclass(frozen=True)
class Core:
    """How core is run, beside what its chart does with our values."""

    runtime: str = OUTSIDE
    """What runs packages, as core's argument has it; by default nothing of core's."""
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def start(
    processes: Processes,
    layout: Layout,
    ports: Ports,
    api: Api,
    authority: Authority,
    own: Core | None = None,
) -> None:
    """Start core and the RBAC manager, and return when core is ready.

    The RBAC manager has no health check: `may_compose` tells once there are XRDs.

    Args:
        processes: of the control plane.
        layout: its folder.
        ports: its ports.
        api: its API.
        authority: its certificate authority, which becomes Crossplane's.
        own: how core is run, where that is not as everywhere.
    """
    own = own or Core()
    for manifest in load(MANIFESTS / "crossplane.yaml"):
        api.apply(manifest)
    # Core takes an authority that exists instead of making one, so the functions' certificates can be of it.
    api.apply(_tls_secret(_ROOT_CA, authority))
    # The controller manager gathers the rules of aggregated roles, which takes a moment.
    wait_for("Crossplane's role to be aggregated", lambda: _may_read_secrets(layout))
    _initialize(layout, ports)
    for secret in (_SERVER, _CLIENT):
        _write_secret(api, secret, layout.certificates / secret)
    # What stands in for the registries of the world is here, and no proxy reaches it.
    environment = {"KUBECONFIG": str(layout.kubeconfig("crossplane")), "NO_PROXY": "*", **own.environment}
    command = [*core(layout, ports, own.runtime), *own.arguments]
    processes.start("crossplane", command, environment)
    environment = {"KUBECONFIG": str(layout.kubeconfig("rbac-manager"))}
    processes.start(RBAC_MANAGER, [_binary(), "rbac", "start"], environment)
    processes.wait("crossplane", lambda: ready(ports))


def core(layout: Layout, ports: Ports, runtime: str) -> list[str]:
    """Return core's command, as its chart sets it with our values."""
    return [
        *(_binary(), "core", "start", f"--namespace={NAMESPACE}"),
        f"--package-runtime={runtime}",
        # Of the registry of this control plane, too.
        f"--ca-bundle-path={layout.certificates / 'ca.crt'}",
        f"--webhook-port={ports.webhooks}",
        f"--metrics-port={ports.metrics}",
        f"--health-probe-port={ports.health}",
        f"--tls-server-secret-name={_SERVER}",
        f"--tls-server-certs-dir={layout.certificates / _SERVER}",
        f"--tls-client-secret-name={_CLIENT}",
        f"--tls-client-certs-dir={layout.certificates / _CLIENT}",
        f"--xpkg-cache-dir={_made(layout.folder / 'xpkg')}",
        f"--xfn-cache-dir={_made(layout.folder / 'xfn')}",
        *shipped_arguments(),
    ]


def shipped_arguments() -> list[str]:
    """Return the arguments that our values for Crossplane's chart give core."""
    return list(_values()["args"])


def _values() -> dict[str, Any]:
    return dict(yaml.safe_load(VALUES.read_text()))


def ready(ports: Ports) -> bool:
    """Say whether core and its webhooks answer."""
    try:
        with urlopen(f"http://127.0.0.1:{ports.health}/readyz", timeout=2) as answer:
            return answer.status == 200 and listens(ports.webhooks)
    except (URLError, OSError):
        return False


def may_compose(api: Api) -> bool:
    """Say whether the RBAC manager has made core's role for the XRs of every XRD."""
    xrds = api.items("apiextensions.crossplane.io/v1", "CompositeResourceDefinition")
    roles = (f"crossplane:composite:{xrd['metadata']['name']}:aggregate-to-crossplane" for xrd in xrds)
    return all(api.find("rbac.authorization.k8s.io/v1", "ClusterRole", role) for role in roles)


def _initialize(layout: Layout, ports: Ports) -> None:
    """Run `core init`, as the init container of Crossplane's chart does."""
    cluster = module_folder(CORE) / "cluster"
    command = [
        *(_binary(), "core", "init", f"--namespace={NAMESPACE}"),
        f"--cr-ds-path={cluster / 'crds'}",
        f"--webhook-configurations-path={cluster / 'webhookconfigurations'}",
        "--webhook-service-name=crossplane-webhooks",
        f"--webhook-service-namespace={NAMESPACE}",
        f"--webhook-service-port={ports.webhooks}",
        f"--tlsca-secret-name={_ROOT_CA}",
        f"--tls-server-secret-name={_SERVER}",
        f"--tls-client-secret-name={_CLIENT}",
        *(f"--activation={each}" for each in _values()["provider"]["defaultActivations"]),
    ]
    environment = os.environ | {"KUBECONFIG": str(layout.kubeconfig("crossplane"))}
    for _ in range(_INIT_TRIES):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=_INIT_SECONDS
        )
        if done.returncode == 0:
            return
    raise ToolError(f"`crossplane core init` failed:\n{last_lines(done.stdout + done.stderr)}")


def _binary() -> str:
    return str(CORE.path())


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _may_read_secrets(layout: Layout) -> bool:
    try:
        return layout.api("crossplane").find("v1", "Secret", _ROOT_CA, NAMESPACE) is not None
    except ApiError:
        return False


def _tls_secret(name: str, authority: Authority) -> dict[str, object]:
    files = {"tls.crt": authority.certificate, "tls.key": authority.key, "ca.crt": authority.certificate}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {key: base64.b64encode(path.read_bytes()).decode() for key, path in files.items()},
    }


def _write_secret(api: Api, name: str, folder: Path) -> None:
    """Write a Secret's entries as files, as a pod would mount them."""
    folder.mkdir()
    for key, value in api.get("v1", "Secret", name, NAMESPACE)["data"].items():
        (folder / key).write_bytes(base64.b64decode(value))
