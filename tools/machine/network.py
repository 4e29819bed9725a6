"""The network of a machine: its own addresses, no way out."""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.errors import ToolError, last_lines

ADDRESS = "10.10.0.2"
"""The machine's own, on which its servers are reached from its pods. Every machine has the same."""
_NOBODY = "10.10.0.1"
_COMMANDS = (
    "link set lo up",
    # One end of a pair of virtual cables: not every kernel has dummy devices.
    "link add node0 type veth peer name node0-end",
    f"address add {ADDRESS}/24 dev node0",
    "link set node0 up",
    "link set node0-end up",
    # Servers look for the address of the default route. It leads to nobody.
    f"route add default via {_NOBODY} dev node0",
)
_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/ipv6/conf/all/disable_ipv6": "1",
}


def up(name: str, redirects: Sequence[str]) -> None:
    """Set up the network of this process' namespace.

    Args:
        name: the machine's.
        redirects: PORT=OTHER, for servers that are called at one port of 127.0.0.1 and listen at another.
    """
    socket.sethostname(name)
    for command in _COMMANDS:
        _run("ip", *command.split())
    for redirect in redirects:
        _redirect(*redirect.split("="))
    for name_, value in _SETTINGS.items():
        file = Path("/proc/sys") / name_
        if file.exists():
            file.write_text(value)


def _redirect(port: str, other: str) -> None:
    hook = "{ type nat hook output priority -100; policy accept; }"
    table = ("ip", f"machine-{port}")
    _run("nft", "add", "table", *table)
    _run("nft", "add", "chain", *table, "output", hook)
    rule = f"ip daddr 127.0.0.1 tcp dport {port} redirect to :{other}"
    _run("nft", "add", "rule", *table, "output", *rule.split())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"`{' '.join(command)}` failed: {last_lines(done.stderr)}")
