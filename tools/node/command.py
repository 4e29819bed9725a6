"""What `freehold up --node` and `freehold down --node` do: a Model that answers, on this machine."""

from __future__ import annotations

import time

from tools import paths
from tools.console import say
from tools.control_plane import binaries as control_plane
from tools.control_plane import envoy_gateway, plane
from tools.control_plane.api import Api, condition, identity
from tools.control_plane.layout import Layout, free_ports
from tools.control_plane.processes import Processes
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError
from tools.machine import machine, needs
from tools.manifests import Manifest
from tools.node import served
from tools.node.binaries import TOOLS
from tools.node.real import end
from tools.servers import SigtermAsExit
from tools.toolchain import ADMISSION, CORE, provide
from tools.vllm_cpu import environment, models

_TEAM = "team-a"
_READY_SECONDS = 600
_ENDPOINT = "endpoint"


def layout() -> Layout:
    """Return the control plane of `make up`."""
    return Layout(paths.MADE / "node")


def build() -> None:
    """Build what the tests run on a control plane with a real node, where one can be made."""
    missing = needs.missing()
    if missing:
        say(f"no real node here, so its programs are not built; missing: {'; '.join(missing)}")
        return
    with SigtermAsExit():
        provide(ADMISSION, CORE, *control_plane.TOOLS, *TOOLS, envoy_gateway.PROGRAM, envoy_gateway.COUNTS)


def up() -> None:
    """Start a control plane with a real node and a served Model; print how to ask it."""
    needs.check()
    where = layout()
    with SigtermAsExit():
        provide(CORE, *control_plane.TOOLS, *TOOLS)
        environment.provide()
        models.provide()
        if plane.running(where):
            say("a control plane with a node runs already: `freehold down --node` ends it")
        else:
            began = time.monotonic()
            try:
                _serve(where, plane.up(where, served.node()))
            except BaseException:
                down()
                raise
            say(f"a Model answers after {time.monotonic() - began:.0f} s; logs in {where.folder / 'logs'}")
    _tell(where)


def down() -> None:
    """End it, and everything that it made but its logs."""
    where = layout()
    with SigtermAsExit():
        stopped = end(where)
    say("ended" if stopped else "nothing ran")


def _serve(where: Layout, api: Api) -> None:
    served.offer_images(where)
    for name in (served.OWNER, _TEAM):
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for manifest in (*served.hub(), *served.cluster(where, "here"), served.model(_TEAM, "tiny")):
        api.apply(manifest)
    claim = served.model(_TEAM, "tiny")
    say("a Model is claimed: its pods download it, and vLLM starts, in a minute or two")
    try:
        wait_for("the Model to be Ready", lambda: _is_ready(api, claim), _READY_SECONDS)
    except ToolError as error:
        conditions = api.get(*identity(claim)).get("status", {}).get("conditions", ())
        told = "\n".join(
            f"  {each['type']}={each['status']}: {each.get('message', '')}" for each in conditions
        )
        raise ToolError(f"{error}; the claim says:\n{told}") from error
    service = served.service(api, claim)
    [port] = free_ports(1)
    address, inside = service["spec"]["clusterIP"], service["spec"]["ports"][0]["port"]
    processes = Processes(where.folder)
    machine.forward(processes, {port: (address, inside)}, _ENDPOINT)
    (where.folder / _ENDPOINT).write_text(str(port))


def _is_ready(api: Api, claim: Manifest) -> bool:
    return condition(api.get(*identity(claim)), "Ready").get("status") == "True"


def _tell(where: Layout) -> None:
    port = (where.folder / _ENDPOINT).read_text()
    body = f'{{"model": "{served.MODEL}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    print(f"export KUBECONFIG={where.kubeconfig()}")
    print(f"curl http://127.0.0.1:{port}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'")
