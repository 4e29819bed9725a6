"""A new cloud that is as small as a cloud can be. Its provider has labels where AWS has tags."""

from __future__ import annotations

from pydantic import model_validator

from functions.api import Capacity, ClusterSpec, NodeImage, ProviderConfigRef, Schema
from functions.base import Request, Resource, View
from functions.node_pools.created import SYSTEM, Cloud, Cluster, LivePool, Parts, sharing_labels
from functions.node_pools.managed import Kinds
from functions.node_pools.pools.market import Market

KINDS = Kinds("double.m.example.org/v1beta1", {"k8s": ("Cluster", "NodePool")}, tags="labels")


class DoubleSpec(Schema):
    region: str
    provider_config_ref: ProviderConfigRef = ProviderConfigRef()


class SpecWithDouble(ClusterSpec):
    double: DoubleSpec | None = None

    @model_validator(mode="after")
    def _one_place(self) -> SpecWithDouble:
        return self


def _live_pool(_request: Request, _pool: str, live: View) -> LivePool:
    machine, capacity = (live.text("spec", "forProvider", key) or "" for key in ("machine", "capacity"))
    return LivePool(
        machine, Capacity(capacity), labels=sharing_labels(live, "spec", "forProvider", "nodeLabels")
    )


def _parts(_: Request, plan: Cluster) -> Parts:
    def pool(what: str, machine: str, **fields: object) -> Resource:
        of = {"clusterRef": {"name": plan.cluster_name}, "machine": machine, **fields}
        return KINDS.managed(plan, "NodePool", what, of, after=("cluster",))

    version = {"version": plan.version.control_plane}
    cluster = KINDS.managed(plan, "Cluster", "cluster", version, spec=plan.kubeconfig_secret)
    gpu_pools = (
        pool(f"pool-{p.name}", p.instance_type, capacity=p.capacity.value, nodeLabels=p.node_labels)
        for p in plan.pools
    )
    return Parts(control_plane=[cluster], node_pools=[pool(SYSTEM, "small"), *gpu_pools])


DOUBLE = Cloud(
    name="double",
    label="Double",
    spec=DoubleSpec,
    kinds=KINDS.composed,
    node_image=NodeImage(driver=False, container_toolkit=True),
    market=lambda spec, _: Market("aws", "Double", spec.region, vouched=False),
    live_pool=_live_pool,
    tags=lambda _, own: {k.replace(".", "-").replace("/", "_"): v.replace("/", "_") for k, v in own.items()},
    parts=_parts,
)
