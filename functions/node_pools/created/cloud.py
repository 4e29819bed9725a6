"""What a cloud says of itself, and of one cluster in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, cast

from functions.api import NodeImage, NodePool, ProviderConfigRef, Reach
from functions.base import Request, Resource, View, remote, unique_name

from .. import reach
from ..pools.market import Market
from ..pools.pool import Pool
from .pools import LivePool
from .versions import LiveVersions, Versions, live_versions

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
    region: str
    """The cloud's region."""
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

    @property
    def kubeconfig_secret(self) -> dict[str, Any]:
        """Fields of the spec by which a managed resource writes that Secret."""
        return {"writeConnectionSecretToRef": {"name": self.object_name("kubeconfig")}}


@dataclass(frozen=True)
class Parts:
    """The composed resources of one cluster, and what a user reads of them."""

    control_plane: Sequence[Resource]
    """Among them the cluster itself, CLUSTER."""
    node_pools: Sequence[Resource]
    """Among them the system pool, SYSTEM, and each GPU pool under the name that `node_pool` returns."""
    network: Sequence[Resource] = ()
    """Empty where the network existed before the cluster."""
    network_is: str = "the cloud's own network is used"
    """What the network consists of, for a message."""
    kubeconfig: str = CLUSTER
    """Name in the composition of what writes the kubeconfig."""
    answers_after: tuple[str, ...] = (f"node-pools/{SYSTEM}",)
    """Names in the composition of what must be ready before the cluster counts as reachable."""
    status: Mapping[str, Any] = field(default_factory=dict)
    """The cloud's keys of the composite's status: network, autoscaler, storage, and facts of the cloud."""
    gone: Sequence[str] = ()
    """Names in the composition of live resources that the spec no longer asks for, beside node pools."""
    outlives_cluster: tuple[str, ...] = ()
    """Names in the composition of resources that are deleted only once the cluster is gone."""
    cluster: Mapping[str, Any] = field(default_factory=dict)
    """apiVersion, kind and metadata of the cluster itself, which `outlives_cluster` needs."""
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
    kinds: Mapping[str, Sequence[str]]
    """Kinds of managed resources that are composed there, by API group."""
    node_image: NodeImage
    """What the image of GPU nodes contains."""
    market: Callable[[S, Sequence[NodePool]], Market]
    """Returns where machines come from; raises Invalid for node pools that the cloud cannot have."""
    live_pool: Callable[[Request, str, View], LivePool]
    """Returns what a live node pool is, by the pool's name and its composed resource `node_pool`."""
    parts: Callable[[Request, P], Parts]
    """Composes the cluster."""
    tags: Callable[[S, Mapping[str, str]], Mapping[str, str]] = lambda _, own: own
    """Adds the user's tags or labels to the package's own, in the cloud's spelling."""
    load_balancers: Mapping[Reach, Mapping[str, str]] = field(default_factory=dict)
    """Annotations of a Service, by whom its load balancer is to be reached."""
    versions: Callable[[View], LiveVersions] = live_versions
    """Returns the Kubernetes versions of a live cluster object."""
    plan: Callable[[Request, S, Cluster], P] = lambda _request, _own, cluster: cast("Any", cluster)
    """Decides what is the cloud's own; raises Invalid for what cloud or live cluster cannot give."""
