"""A new cloud that is as small as a cloud can be. Its provider has labels where AWS has tags."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import model_validator

from functions.api import (
    Capacity,
    CloudFacts,
    ClusterSpec,
    NodeImage,
    ProviderConfigRef,
    Schema,
    contract,
)
from functions.base import Request, Resource
from functions.node_pools.created import SYSTEM, Cloud, Cluster, LivePool, LiveVersions, Parts, node_pool
from functions.node_pools.managed import Kinds
from functions.node_pools.pools.market import Market
from functions.node_pools.pools.pool import Pool

KINDS = Kinds("double.m.example.org/v1beta1", {"k8s": ("Cluster", "NodePool", "Login")}, tags="labels")


class DoubleSpec(Schema):
    region: str
    provider_config_ref: ProviderConfigRef = ProviderConfigRef()


class SpecWithDouble(ClusterSpec):
    double: DoubleSpec | None = None

    @model_validator(mode="after")
    def _one_place(self) -> SpecWithDouble:
        return self


def _labels(_: DoubleSpec, own: Mapping[str, str]) -> Mapping[str, str]:
    return {k.replace(".", "-").replace("/", "_"): v.replace("/", "_") for k, v in own.items()}


def _live_pool(request: Request, pool: str) -> LivePool | None:
    live = request.resource(node_pool(pool))
    if live is None:
        return None
    machine, spot = (live.text("spec", "forProvider", key) or "" for key in ("machine", "spot"))
    shared = live.text("spec", "forProvider", "nodeLabels", contract.DEVICE_PLUGIN_CONFIG)
    labels = {contract.DEVICE_PLUGIN_CONFIG: shared} if shared else {}
    return LivePool(machine, Capacity.SPOT if spot else Capacity.ON_DEMAND, labels=labels)


def _node_pool(plan: Cluster, pool: Pool) -> Resource:
    fields = {"clusterRef": {"name": plan.cluster_name}, "machine": pool.instance_type}
    spot = {"spot": "yes"} if pool.capacity is Capacity.SPOT else {}
    labels = {"nodeLabels": pool.node_labels}
    return KINDS.managed(
        plan, "NodePool", f"pool-{pool.name}", {**fields, **spot, **labels}, after=("cluster",)
    )


def _parts(request: Request, plan: Cluster) -> Parts:
    of = {"clusterRef": {"name": plan.cluster_name}}
    secret = {"writeConnectionSecretToRef": {"name": plan.object_name("kubeconfig")}}
    system = KINDS.managed(plan, "NodePool", SYSTEM, {**of, "machine": "small"}, after=("cluster",))
    cluster = KINDS.managed(plan, "Cluster", "cluster", {"version": plan.version.control_plane})
    return Parts(
        network=(),
        network_is="Double has one network for all",
        control_plane=(cluster, KINDS.managed(plan, "Login", "login", of, after=("cluster",), spec=secret)),
        node_pools=[system, *(_node_pool(plan, pool) for pool in plan.pools)],
        cluster=KINDS.identity(plan, "Cluster", "cluster"),
        kubeconfig="node-pools/login",
        answers_after=(f"node-pools/{SYSTEM}",),
        status={"cloud": CloudFacts(name="double", region="there").plain()},
        gone=plan.leftovers(request, node_pool("")),
    )


DOUBLE = Cloud(
    name="double",
    label="Double",
    spec=DoubleSpec,
    node_image=NodeImage(driver=False, container_toolkit=True),
    tags=_labels,
    market=lambda spec, _: Market("aws", "Double", spec.region, vouched=False),
    live_pool=_live_pool,
    versions=lambda live: LiveVersions(
        live.text("spec", "forProvider", "version") or "", live.text("status", "atProvider", "version") or ""
    ),
    plan=lambda _request, _spec, cluster: cluster,
    parts=_parts,
)
