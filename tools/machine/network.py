"""The network of a machine: its own addresses, no way out."""

import socket
import subprocess
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


def up(name: str) -> None:
    """Set up the network of this process' namespace."""
    socket.sethostname(name)
    for command in _COMMANDS:
        done = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolError(f"`ip {command}` failed: {last_lines(done.stderr)}")
    for name_, value in _SETTINGS.items():
        file = Path("/proc/sys") / name_
        if file.exists():
            file.write_text(value)
