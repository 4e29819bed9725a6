"""InferenceCluster: what a platform team claims."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from .forms import NamespacePattern
from .gateway import EXISTING_ORGANISATION, Gateway, Reach
from .node_keys import of_created, reserved
from .node_pool import NodePool
from .places import PLACES, one_of, stays
from .places import aws as aws_place
from .places import existing as existing_place
from .places.aws import Aws
from .places.existing import Existing
from .schema import Rule, Schema, rules

__all__ = ["ClusterSpec"]

_RESERVED = of_created([place.name for place in PLACES if place.created])
_DECLARED_GPU = Rule(
    "has(self.existing) || self.nodePools.all(p, !has(p.gpu) || !has(p.gpu.memoryGiB))",
    "gpu.memoryGiB and gpu.computeCapability declare GPUs of an existing cluster: a cloud's machines are in "
    "the catalog",
)
_UNIQUE_POOLS = Rule(
    "self.all(p, self.exists_one(q, q.name == p.name))", "every node pool needs a name of its own"
)


class ClusterSpec(Schema):
    """A Kubernetes cluster with GPU node pools, ready to serve Models."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            one_of(PLACES),
            stays(PLACES),
            *(rule for place in PLACES for rule in place.rules),
            _RESERVED,
            _DECLARED_GPU,
            EXISTING_ORGANISATION,
        )
    )

    aws: Aws | None = Field(None, description=aws_place.PLACE.about)
    existing: Existing | None = Field(None, description=existing_place.PLACE.about)
    kubernetes_version: str | None = Field(
        None,
        description="Kubernetes minor version of a cluster that is created, such as 1.35. "
        "Default: the platform's.",
        pattern=r"^1\.\d{2}$",
        max_length=4,
    )
    owner: str | None = Field(
        None,
        description="Who pays for it, as a tag or label of everything in the cloud. "
        "Default: the claim's namespace.",
        pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$",
        max_length=63,
    )
    node_pools: list[NodePool] = Field(
        description="GPU node pools, at least one.",
        min_length=1,
        max_length=32,
        json_schema_extra={
            **rules(_UNIQUE_POOLS),
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    allowed_namespaces: list[NamespacePattern] | None = Field(
        None,
        description="Namespaces whose Models may use this cluster; '*' stands for any characters. "
        "Default: the claim's own.",
        max_length=100,
    )
    gateway: Gateway | None = Field(
        None,
        description="Give the cluster's Models one host that clients reach over TLS, by Envoy Gateway. "
        "Taken away again, it leaves an existing cluster, but for its CRDs; of one that the claim created "
        "its load balancer goes, and the rest with the cluster. Default: no gateway.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        named = [place for place in PLACES if getattr(self, place.name) is not None]
        if len(named) != 1:
            raise ValueError(one_of(PLACES).message)
        named[0].check(self.node_pools)
        if self.existing is None and any(p.gpu and p.gpu.memory_gib for p in self.node_pools):
            raise ValueError(_DECLARED_GPU.message)
        self._check_gateway()
        keys = [k for p in self.node_pools for k in (*p.labels, *(taint.key for taint in p.taints))]
        if named[0].created and (ours := reserved(keys)):
            raise ValueError(f"{_RESERVED.message} (got {', '.join(ours)})")
        names = [pool.name for pool in self.node_pools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{_UNIQUE_POOLS.message}: {', '.join(twice)} is there twice")
        return self

    def _check_gateway(self) -> None:
        gateway = self.gateway
        if self.existing is None or gateway is None or gateway.reach is not Reach.ORGANISATION:
            return
        if gateway.service_annotations is None:
            raise ValueError(EXISTING_ORGANISATION.message)
