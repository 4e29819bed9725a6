"""What a cloud says of itself, and of one cluster in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from functions.api import NodeImage, NodePool, ProviderConfigRef
from functions.base import Request, Resource, View, remote, unique_name

from .. import reach
from ..pools.market import Market
from ..pools.pool import Pool
from .pools import LivePool
from .versions import LiveVersions, Versions

__all__ = ["CLUSTER", "SYSTEM", "Cloud", "CloudSpec", "Cluster", "Parts"]

CLUSTER = "node-pools/cluster"
"""Name of the cluster itself in the composition, in every cloud."""
SYSTEM = "system-pool"
"""Name of the node pool without GPUs in the composition, after the function's, in every cloud."""


@dataclass(frozen=True)
class Cluster:
    """What every cloud decides alike of a cluster."""

    composite: str
    """The composite's name: part of every name."""
    namespace: str
    """The platform namespace, where everything is composed."""
    tags: Mapping[str, str]
    """Tags of everything in the cloud that takes tags, in the cloud's spelling."""
    provider_config: ProviderConfigRef
    """The provider's configuration, so the account."""
    version: Versions
    pools: tuple[Pool, ...]
    kept_pools: tuple[str, ...]
    """Names of node pools that the spec no longer has and Models use: they stay as they are."""

    def leftovers(self, request: Request, prefix: str) -> tuple[str, ...]:
        """Return the live resources, named by a prefix and a node pool, of pools that may go."""
        return request.others(prefix, [*(pool.name for pool in self.pools), *self.kept_pools])

    def object_name(self, *what: str) -> str:
        """Name an object, and by that what the object stands for in the cloud."""
        return unique_name(self.composite, *what)

    @cached_property
    def provider_config_ref(self) -> dict[str, Any]:
        """The provider's configuration, as every managed resource refers to it."""
        return self.provider_config.plain()

    @property
    def cluster_name(self) -> str:
        """Name of the cluster in the cloud."""
        return self.object_name("cluster")

    @property
    def access(self) -> reach.ClusterAccess:
        """By the kubeconfig that the cloud's provider writes into a Secret."""
        return reach.ClusterAccess(
            composite=self.composite,
            namespace=self.namespace,
            kubeconfig=remote.SecretKey(self.namespace, self.object_name("kubeconfig"), "kubeconfig"),
            created=True,
        )


@dataclass(frozen=True)
class Parts:
    """The composed resources of one cluster, and what a user reads of them."""

    network: Sequence[Resource]
    """Empty where the network existed before the cluster."""
    network_is: str
    """What the network consists of, for a message."""
    control_plane: Sequence[Resource]
    node_pools: Sequence[Resource]
    cluster: Mapping[str, Any]
    """apiVersion, kind and metadata of the cluster itself."""
    kubeconfig: str
    """Name in the composition of what writes the kubeconfig."""
    answers_after: tuple[str, ...]
    """Names in the composition of what must be ready before the cluster counts as reachable."""
    status: Mapping[str, Any]
    """The cloud's keys of the composite's status: network, autoscaler, cloud and storage."""
    gone: Sequence[str] = ()
    """Names in the composition of live resources that the spec no longer asks for."""
    outlives_cluster: tuple[str, ...] = ()
    """Names in the composition of resources that are deleted only once the cluster is gone."""
    network_hint: str = ""
    """What to do where the network fails."""
    control_plane_hint: str = ""
    """What to do while the control plane is not ready."""
    node_pools_hint: str = ""
    """What to do where a node pool fails that has no hint of its own."""
    pool_hints: Mapping[str, str] = field(default_factory=dict)
    """What to do where a node pool fails, by the pool's name."""
    notes: Sequence[str] = ()
    """Warnings for the claim."""


class CloudSpec(Protocol):
    """What the field of every cloud has in the spec."""

    @property
    def provider_config_ref(self) -> ProviderConfigRef:
        """The provider's configuration, so the account."""


S = TypeVar("S", bound=CloudSpec)
P = TypeVar("P", bound=Cluster)


@dataclass(frozen=True)
class Cloud(Generic[S, P]):
    """What a cloud says of itself: the only value that a cloud's package exports."""

    name: str
    """Field of the spec, and the catalog's name of the cloud, such as aws."""
    label: str
    """The cloud's name in messages, such as AWS."""
    spec: type[S]
    """Model of the cloud's field in the spec."""
    node_image: NodeImage
    """What the image of GPU nodes contains."""
    tags: Callable[[S, Mapping[str, str]], Mapping[str, str]]
    """Adds the user's tags or labels to the package's own, in the cloud's spelling."""
    market: Callable[[S, Sequence[NodePool]], Market]
    """Returns where machines come from; raises Invalid for node pools that the cloud cannot have."""
    live_pool: Callable[[Request, str], LivePool | None]
    """Returns a live node pool, by the pool's name; None where there is none."""
    versions: Callable[[View], LiveVersions]
    """Returns the Kubernetes versions of a live cluster object."""
    plan: Callable[[Request, S, Cluster], P]
    """Decides what is the cloud's own; raises Invalid for what cloud or live cluster cannot give."""
    parts: Callable[[Request, P], Parts]
    """Composes the cluster."""
