"""What a cluster offers to the Models placed on it: the part of its status that they depend on.

It lives in a ConfigMap of its own in the platform namespace, where tenants cannot write, so
that what changes often in a cluster's status (conditions, GPUs in use) wakes no placed Model.
"""

from __future__ import annotations

from pydantic import Field

from .cluster_status import Access, OfferedGateway, PoolStatus
from .schema import Schema

__all__ = ["Offer", "OfferedBy"]


class OfferedBy(Schema):
    """The claim whose cluster it is."""

    namespace: str = Field("", description="Namespace of the claim; empty for a composite without one.")
    name: str = Field(description="Name of the claim, or of a composite without one.")


class Offer(Schema):
    """Where and what a placed Model may be on a cluster."""

    claim: OfferedBy = Field(description="The claim whose cluster it is.")
    allowed_namespaces: list[str] | None = Field(
        None, description="Namespaces whose Models may use it. Default: the claim's own."
    )
    access: Access = Field(description="How the control plane reaches into the cluster.")
    node_pools: list[PoolStatus] = Field(
        description="The GPU node pools, without what changes while they stay the same."
    )
    storage_class_name: str | None = Field(None, description="StorageClass for model weights.")
    shared_storage: bool = Field(False, description="Whether several nodes read volumes of that class.")
    shared_storage_class_name: str | None = Field(
        None, description="StorageClass whose volumes several nodes read, where it is another."
    )
    gateway: OfferedGateway | None = Field(
        None, description="The cluster's gateway, once it has worked; none: Models have no address outside."
    )
