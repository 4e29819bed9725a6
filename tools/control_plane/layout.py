"""The folder of one control plane: its files, ports and users."""

import base64
import fcntl
import json
import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import paths
from tools.control_plane.api import Api

NAMESPACE = "crossplane-system"
_LOWEST_PORT = 20000
_GIVEN_SECONDS = 600.0
"""For so long a port is not given out again; by then its server listens."""

ADMIN = "admin"
USERS = {
    ADMIN: ("freehold-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", ""),
    # The service accounts that Crossplane's chart makes, to which its roles are bound.
    "crossplane": (f"system:serviceaccount:{NAMESPACE}:crossplane", "system:serviceaccounts"),
    "provider-kubernetes": (
        f"system:serviceaccount:{NAMESPACE}:provider-kubernetes",
        "system:serviceaccounts",
    ),
    "provider-helm": (f"system:serviceaccount:{NAMESPACE}:provider-helm", "system:serviceaccounts"),
    # The agent of package/install.yaml, which binds its roles to it.
    "freehold-agent": (f"system:serviceaccount:{NAMESPACE}:freehold-agent", "system:serviceaccounts"),
    "leader-worker-set": ("leader-worker-set", ""),
    "kubelet": ("system:node:node-1", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", ""),
    "kube-router": ("kube-router", ""),
    "local-volumes": ("local-volumes", ""),
    "rbac-manager": (f"system:serviceaccount:{NAMESPACE}:rbac-manager", "system:serviceaccounts"),
}
"""By the name of a kubeconfig's file: the user and the user's group."""


@dataclass(frozen=True)
class Ports:
    """Free ports of 127.0.0.1."""

    etcd: int
    etcd_peer: int
    api_server: int
    controller_manager: int
    scheduler: int
    kwok: int
    webhooks: int
    metrics: int
    health: int
    provider_metrics: int
    provider_health: int
    provider_webhooks: int
    registry: int


@dataclass(frozen=True)
class Layout:
    """The folder of one control plane."""

    folder: Path

    @property
    def certificates(self) -> Path:
        """The folder of the certificate authority and its certificates."""
        return self.folder / "certificates"

    @property
    def tokens(self) -> Path:
        """The API server's file of tokens and users."""
        return self.folder / "tokens.csv"

    @property
    def signing_key(self) -> Path:
        """The key that signs service account tokens."""
        return self.folder / "service-accounts.key"

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """Return the path of a user's kubeconfig."""
        return self.folder / (f"{user}.kubeconfig" if user != ADMIN else "kubeconfig")

    def write_users(self, port: int) -> None:
        """Write a token and a kubeconfig for every user."""
        lines = []
        for name, (user, group) in USERS.items():
            token = secrets.token_hex(16)
            lines.append(f'{token},{user},{user},"{group}"\n')
            path = self.kubeconfig(name)
            path.touch(mode=0o600)
            path.write_text(json.dumps(self._kubeconfig(port, name, token), indent=1))
        self.tokens.touch(mode=0o600)
        self.tokens.write_text("".join(lines))

    def api(self, user: str = ADMIN) -> Api:
        """Return the API as a user sees it."""
        return Api.of(self.kubeconfig(user))

    def portable_kubeconfig(self, server: str = "") -> str:
        """Return the administrator's kubeconfig with the certificate in it, so that a Secret can hold it.

        Args:
            server: the API server's URL, where whoever reads the Secret is; by default as on this machine.
        """
        config = json.loads(self.kubeconfig().read_text())
        if server:
            config["clusters"][0]["cluster"]["server"] = server
        authority = Path(config["clusters"][0]["cluster"].pop("certificate-authority")).read_bytes()
        config["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(authority).decode()
        return json.dumps(config)

    def _kubeconfig(self, port: int, name: str, token: str) -> dict[str, object]:
        authority = str(self.certificates / "ca.crt")
        server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": authority}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "freehold", "cluster": server}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "freehold", "context": {"cluster": "freehold", "user": name}}],
            "current-context": "freehold",
        }


def default() -> Layout:
    """Return the control plane of `make control-plane`."""
    return Layout(paths.MADE / "control-plane")


def free_ports(count: int) -> list[int]:
    """Return different ports that nothing listens on, and that no other process was given just now.

    None is of the range from which the kernel takes ports for outgoing connections: such a port
    may be taken when a server that was killed wants it back.
    """
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = list(range(_LOWEST_PORT, max(first_outgoing, _LOWEST_PORT + 1000)))
    secrets.SystemRandom().shuffle(candidates)
    with _given_out() as given:
        found = _that_nobody_has([port for port in candidates if port not in given], count)
        given.update(dict.fromkeys(found, time.time()))
    return found


@contextmanager
def _given_out() -> Iterator[dict[int, float]]:
    """Give the ports that control planes of this user were given lately, and when; what is added is kept.

    A port is free until its server listens, which is some seconds later: of four control planes that start at
    once, two would now and then have one port.
    """
    file = paths.CACHE / "freehold" / "ports.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.seek(0)
        since = time.time() - _GIVEN_SECONDS
        given = {int(port): at for port, at in json.loads(held.read() or "{}").items() if at > since}
        yield given
        held.truncate(0)
        held.write(json.dumps(given))


def _that_nobody_has(candidates: Iterable[int], count: int) -> list[int]:
    """Return the first ports that nothing listens on."""
    probes: list[socket.socket] = []
    try:
        for port in candidates:
            if len(probes) == count:
                break
            probe = socket.socket()
            probes.append(probe)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                probes.remove(probe)
                probe.close()
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        _close(probes)


def _close(probes: Iterable[socket.socket]) -> None:
    for probe in probes:
        probe.close()
