"""Kubeconfigs that the agent uses: those that hold all they need, and have it run, read or ask nothing.

A kubeconfig may name commands to run and files to read, which would be the agent's own. provider-kubernetes
takes these, and so trusts whoever writes the Secret with its own credentials; the agent does not.
"""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["UnusableKubeconfig", "usable"]

_CLUSTER = {
    "server",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "extensions",
}
_USER = {"token", "client-certificate-data", "client-key-data", "extensions"}


class UnusableKubeconfig(Exception):  # noqa: N818  (what it says is a part of a sentence)
    """Why a kubeconfig is not used; it says nothing of what stands there but the names of fields."""


def usable(text: str) -> dict[str, Any]:
    """Return the present context of a kubeconfig, and what it names.

    Raises:
        UnusableKubeconfig: as a part of a sentence.
    """
    try:
        config = yaml.safe_load(text)
        [context] = [c["context"] for c in config["contexts"] if c["name"] == config["current-context"]]
        [cluster] = [c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"]]
        [user] = [u["user"] for u in config["users"] if u["name"] == context["user"]]
        fields = [(cluster, _CLUSTER), (user, _USER)]
        unknown = sorted({str(key) for part, known in fields for key in part if key not in known})
        server = str(cluster["server"])
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Not the error itself: it may quote a token.
        raise UnusableKubeconfig("has no present context with a cluster and a user") from None
    if unknown:
        raise UnusableKubeconfig(
            f"uses {', '.join(unknown)}, which the agent does not: put a token, or a certificate with its "
            "key, and the authority's certificate into the kubeconfig"
        )
    if not server.startswith("https://"):
        raise UnusableKubeconfig("names a server that is not https")
    return {
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": user}],
        "current-context": "c",
    }
