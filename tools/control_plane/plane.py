"""A whole control plane: started by one call, stopped by another; a start that fails leaves no process."""

import json
import shutil
import sys
import time
from dataclasses import asdict, fields
from typing import Protocol

from tools import paths
from tools.control_plane import (
    agent,
    charts,
    crossplane,
    extensions,
    functions,
    kubernetes,
    nodes,
    providers,
    registry,
)
from tools.control_plane.api import Api, condition
from tools.control_plane.certificates import Authority, signing_key
from tools.control_plane.kubernetes import Kubelets
from tools.control_plane.layout import Layout, Ports, free_ports
from tools.control_plane.processes import Processes
from tools.control_plane.waiting import wait_for
from tools.manifests import load

_XRD = "apiextensions.crossplane.io/v1"


class Nodes(Protocol):
    """The nodes of a control plane's own cluster."""

    @property
    def title(self) -> str:
        """What the steps of the start are called."""

    def prepare(self, processes: Processes, ports: Ports) -> None:
        """Make what has to be there before the first process of the control plane."""

    def kubelets(self, authority: Authority) -> Kubelets | None:
        """Return how the API server and the nodes' kubelets reach one another; None when they are played."""

    @property
    def runtime(self) -> str:
        """What runs packages, as core's argument has it."""

    def start(
        self, processes: Processes, layout: Layout, ports: Ports, api: Api, authority: Authority
    ) -> None:
        """Start the nodes, or what plays them."""

    def install(self, processes: Processes, layout: Layout, api: Api, authority: Authority) -> None:
        """Install Freehold; return when claims can be made."""

    def finish(self, processes: Processes, layout: Layout, api: Api) -> None:
        """Have the agent of package/install.yaml run; return when it does and pods can."""


class Played:
    """Nodes that kwok plays, as many and as large as a test likes."""

    title = "kwok"
    runtime = crossplane.OUTSIDE

    def prepare(self, processes: Processes, ports: Ports) -> None:
        """Do nothing."""

    def kubelets(self, authority: Authority) -> None:
        """There are none."""

    def start(
        self, processes: Processes, layout: Layout, ports: Ports, api: Api, authority: Authority
    ) -> None:
        """Start kwok."""
        del authority
        nodes.start(processes, layout, ports, api)

    def install(self, processes: Processes, layout: Layout, api: Api, authority: Authority) -> None:
        """Start the functions as processes; apply the rest as it stands in the clone."""
        functions.start(processes, api, authority)
        define(processes, api, mirror(layout))

    def finish(self, processes: Processes, layout: Layout, api: Api) -> None:
        """Start the agent as a process, since no pod does anything."""
        del api
        agent.start(processes, layout)


def up(layout: Layout, on: Nodes | None = None) -> Api:
    """Start a new control plane in a folder; return its API once claims can be made.

    Args:
        layout: the folder.
        on: the nodes of its own cluster; by default those that kwok plays.
    """
    processes = Processes(layout.folder)
    down(layout)
    shutil.rmtree(layout.folder, ignore_errors=True)
    layout.folder.mkdir(parents=True, mode=0o700)
    try:
        return _start(processes, layout, on or Played())
    except BaseException:
        # A Ctrl-C as well. The logs stay.
        processes.stop_all()
        raise


def down(layout: Layout) -> list[str]:
    """Stop the processes of a control plane; return the names of those that ran."""
    return Processes(layout.folder).stop_all()


def running(layout: Layout) -> bool:
    """Say whether all processes of a control plane run."""
    processes = Processes(layout.folder)
    listed = processes.all()
    return bool(listed) and all(processes.alive(name) for name in listed)


def ports_of(layout: Layout) -> Ports:
    """Return the ports of a control plane that was started."""
    return Ports(**json.loads((layout.folder / "ports.json").read_text()))


def mirror(layout: Layout) -> str:
    """Return the charts' repository of a control plane that was started."""
    return charts.repository(f"127.0.0.1:{ports_of(layout).registry}")


def _start(processes: Processes, layout: Layout, on: Nodes) -> Api:
    ports = Ports(*free_ports(len(fields(Ports))))
    (layout.folder / "ports.json").write_text(json.dumps(asdict(ports)))
    on.prepare(processes, ports)
    with _step("certificates"):
        authority = Authority(layout.certificates)
        signing_key(layout.signing_key)
        layout.write_users(ports.api_server)
        kubelets = on.kubelets(authority)
        own = [kubelets.address, kubernetes.SERVICE_ADDRESS] if kubelets else []
        serving = authority.serve("kube-apiserver", *kubernetes.NAMES, *own)
    with _step("etcd and Kubernetes"):
        api = kubernetes.start(processes, layout, ports, serving, kubelets)
    with _step("registry with charts"):
        # The agent upgrades CRDs to what the charts have: stand-ins would take the real ones' place.
        real = extensions.crds_of("lws", "node-feature-discovery")
        charts.push(registry.start(processes, layout, ports, authority), real)
    with _step(on.title):
        on.start(processes, layout, ports, api, authority)
    with _step("Crossplane"):
        crossplane.start(processes, layout, ports, api, authority, crossplane.Core(on.runtime))
    with _step("CRDs of providers and components"):
        extensions.install(api)
        wait_for("the CRDs to be established", lambda: extensions.established(api))
    with _step("provider-kubernetes"):
        providers.start(processes, layout, ports, api, authority)
    with _step("provider-helm"):
        providers.start_helm(processes, layout, api, authority)
    with _step("Freehold"):
        on.install(processes, layout, api, authority)
    with _step("agent"):
        on.finish(processes, layout, api)
    return api


def define(processes: Processes, api: Api, repository: str) -> None:
    """Apply what a platform team applies, with charts from a mirror; return when claims can be made."""
    for manifest in load(paths.INSTALL):
        api.apply(manifest)
    for path in sorted(paths.XRDS.glob("*.yaml")):
        for manifest in load(path):
            api.apply(manifest)
    for path in sorted(paths.COMPOSITIONS.glob("*.yaml")):
        for manifest in load(path):
            api.apply(charts.mirrored(manifest, repository))
    offered(processes, api)


def offered(processes: Processes, api: Api) -> None:
    """Return when there are XRDs, and claims can be made of all."""
    # A Crossplane core that CROSSPLANE_CORE names has an RBAC manager that ends when port 8080 is taken.
    processes.wait(crossplane.RBAC_MANAGER, lambda: crossplane.may_compose(api))
    for type_ in ("Established", "Offered"):
        wait_for(f"the XRDs to be {type_}", lambda type_=type_: _all(api, type_))  # type: ignore[misc]


def _all(api: Api, type_: str) -> bool:
    xrds = api.items(_XRD, "CompositeResourceDefinition")
    return xrds != [] and all(condition(xrd, type_).get("status") == "True" for xrd in xrds)


class _step:  # noqa: N801  (reads as a statement)
    """Prints how long a step took."""

    def __init__(self, title: str) -> None:
        self._title = title

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            seconds = time.monotonic() - self._started
            print(f"control plane: {self._title}: {seconds:.1f} s", file=sys.stderr, flush=True)
