"""What is known of a cluster, as far as its components may depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.api import Autoscaler, CloudFacts, Distribution, Gateway, NodeImage, PoolStatus, contract

__all__ = ["Facts", "Former"]


@dataclass(frozen=True)
class Former:
    """What a gateway has its certificate from, until it has the one that the spec asks for."""

    gateway: Gateway | None
    """As it was asked for, as far as what makes the certificate; None: nothing makes it any more."""
    serves: bool
    """Whether the listener goes on with that certificate: the other is not in the cluster yet."""


@dataclass(frozen=True)
class Facts:
    """A cluster and its node pools."""

    cloud: CloudFacts | None
    """The cloud in which the cluster was created; None: the cluster existed before its claim."""
    node_image: NodeImage
    """What of NVIDIA's software the GPU nodes come with."""
    distribution: Distribution
    """Of Kubernetes, where that changes how containers come to GPUs."""
    kubernetes: str
    """Kubernetes minor version, such as 1.35."""
    pools: tuple[PoolStatus, ...]
    autoscaler: Autoscaler | None
    """What is to size the node pools; None: nothing does."""
    api_server_ports: tuple[int, ...] = ()
    """TCP ports of Service default/kubernetes and of where it leads; empty while they are not known."""
    gateway: Gateway | None = None
    """The gateway that the spec asks for; None: it asks for none."""
    former: Former | None = None
    """Of the gateway's certificate; None: the listener has the one that the spec asks for, or none yet."""
    gateway_authorities: str = ""
    """Certificates of those that vouch for the gateway, as PEM, as Models hand them out; empty: none."""
    valkey_image: str = ""
    """Image of what keeps the counters of a gateway's limits."""

    @property
    def taints(self) -> list[tuple[str, str, str]]:
        """Key, value and effect of every taint that users give their node pools, in order."""
        return sorted({(t.key, t.value, t.effect) for pool in self.pools for t in pool.taints or ()})

    @property
    def tolerations(self) -> list[dict[str, Any]]:
        """Tolerations of pods that have to run on every GPU node."""
        return [
            {"key": contract.GPU, "operator": "Exists", "effect": "NoSchedule"},
            *({"key": k, "operator": "Equal", "value": v, "effect": e} for k, v, e in self.taints),
        ]
