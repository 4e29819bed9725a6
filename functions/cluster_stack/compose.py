"""function-cluster-stack: from a cluster whose API answers to one that Models run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.api import ClusterStatus, Distribution, Gateway, NodeImage, Schema, contract
from functions.base import (
    Condition,
    Function,
    Outcome,
    Progress,
    Request,
    Resource,
    Status,
    View,
    Whose,
    condition_true,
)
from functions.catalog import kubernetes

from . import agent, crds, gateway, own
from .cluster import Cluster, before_the_mark
from .component import Auxiliary, Component
from .facts import Facts
from .input import ClusterStackInput, given
from .leaving import leaving
from .registry import AUXILIARIES, COMPONENTS
from .render import (
    Rendered,
    auxiliary_names,
    auxiliary_workload,
    release_name,
    render,
    render_auxiliary,
)

__all__ = ["FUNCTION"]

_BARE = NodeImage(driver=False, container_toolkit=False)
"""Nodes of which nothing is known: the GPU Operator installs what they lack."""


class _Spec(Schema):
    """What function-cluster-stack reads of the spec; all else of it comes by the status."""

    gateway: Gateway | None = None


@dataclass(frozen=True)
class Installed:
    """A component of this cluster, and its composed resources."""

    component: Component
    rendered: Rendered

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All that must be ready for it to work."""
        return self.rendered.resources

    def exists(self, request: Request) -> bool:
        """Tell whether its Release exists."""
        return request.resource(release_name(self.component.name)) is not None

    def works(self, request: Request) -> bool:
        """Tell whether everything of it is ready."""
        return all(
            (seen := request.resource(resource.name)) is not None and resource.ready(seen)
            for resource in self.resources
        )


def compose(request: Request) -> Outcome:
    """Compose the components; until the cluster and its node pools are known, leave all as they are.

    Raises:
        Invalid: for an input of another shape.
    """
    parameters = request.parameters(ClusterStackInput)
    status = request.status(ClusterStatus)
    if status is None or status.access is None or status.node_pools is None:
        return Outcome()
    if status.deleted_with_claim is None:
        return Outcome()
    if status.held_by is not None:
        return _left_alone(status.held_by)
    cluster = Cluster(request.name, status.access, status.deleted_with_claim, request.claim.namespace)
    wanted_gateway = _gateway(request, status)
    facts = Facts(
        cloud=status.cloud,
        node_image=status.node_image or _BARE,
        distribution=status.distribution or Distribution.OTHER,
        kubernetes=status.kubernetes_version or kubernetes(),
        pools=tuple(status.node_pools),
        autoscaler=status.autoscaler,
        api_server_ports=agent.api_server_ports(request),
        gateway=wanted_gateway,
        former=gateway.former(request, wanted_gateway),
        gateway_authorities=_authorities(request, status),
        valkey_image=gateway.valkey_image(given(parameters, gateway.COMPONENT)),
    )
    needed = [
        c
        for c in COMPONENTS
        if c.wanted(facts) or (c.stays and request.resource(release_name(c.name)) is not None)
    ]
    installed = [Installed(c, render(request, cluster, c, facts, given(parameters, c))) for c in needed]
    resources = [resource for each in installed for resource in each.resources]
    releases = [r for r in resources if r.manifest and r.manifest["kind"] == "Release"]
    upgrades = [each.rendered.upgrade for each in installed if each.rendered.upgrade]
    kept = {resource.name for resource in (*resources, *upgrades)}
    reached = gateway.addresses(request) if facts.gateway else []
    auxiliary = [
        r for a in AUXILIARIES for r in render_auxiliary(cluster, a, getattr(parameters, a.name), facts)
    ]
    asked = {resource.name for resource in auxiliary}
    wanted = [a for a in AUXILIARIES if auxiliary_workload(a) in asked]
    running = [a for a in wanted if _runs(request, auxiliary_workload(a))]
    warnings = [f"{c.label}: {said}" for c in needed if (said := c.warning(request))]
    ready = (
        f"{_listed([*(each.component.label for each in installed), *(a.label for a in running)])} run"
        + (f". {facts.gateway.host} has to lead to {reached[0]}" if facts.gateway and reached else "")
        + "".join(_without(a) for a in wanted if a not in running)
        + "".join(f". {warning[0].upper()}{warning[1:]}" for warning in warnings)
    )
    held = [each.rendered.held for each in installed if each.rendered.held]
    all_work = all(each.works(request) for each in installed)
    return Outcome(
        resources=[
            *resources,
            *auxiliary,
            *upgrades,
            *before_the_mark(cluster, releases),
            *(r for c in needed for r in own.order_of_deletion(cluster, c, facts, resources)),
        ],
        conditions=(
            _broken(request, installed)
            or (crds.told("ComponentsReady", ready, held) if all_work else None)
            or Progress(
                "ComponentsReady",
                tuple(resource.name for resource in resources),
                ready,
                hint=". ".join(
                    [
                        *(each.text for each in held),
                        *filter(None, [_hint(request, cluster, facts, installed)]),
                    ]
                ),
            ),
        ),
        status={
            "components": [*usable(request, installed), *_ever_ran(request, wanted)],
            "gatewayAddresses": reached or None,
        },
        notes=warnings,
        gone=[
            *(name for c in needed for name in own.own_names(c) if name not in kept),
            *(crds.upgrade_name(c.name) for c in needed if not given(parameters, c).upgrade_crds),
            *(name for c in COMPONENTS if c not in needed for name in leaving(request, cluster, c)),
            *(name for a in AUXILIARIES for name in auxiliary_names(a) if name not in asked),
        ],
    )


def _gateway(request: Request, status: ClusterStatus) -> Gateway | None:
    """Return the gateway that the spec asks for, with the host that Models are told of.

    That is another only where the spec's is another cluster's: what has an address keeps it.
    """
    asked, offered = request.spec(_Spec).gateway, status.gateway
    if asked is None or offered is None or asked.host == offered.host:
        return asked
    return asked.model_copy(update={"host": offered.host})


def _authorities(request: Request, status: ClusterStatus) -> str:
    """Return the authorities that Models hand out, or will: new ones once the certificate is theirs."""
    asked, offered = request.spec(_Spec).gateway, status.gateway
    return (offered.ca if offered else asked.authorities if asked else None) or ""


def _broken(request: Request, installed: Sequence[Installed]) -> Condition | None:
    """Return what the first component that does not work says of itself; None where it says nothing."""
    broken = (each for each in installed if each.exists(request) and not each.works(request))
    each = next(broken, None)
    said = each.component.trouble(request) if each else None
    if each is None or said is None:
        return None
    label = each.component.label
    text = f"{label[0].upper()}{label[1:]} does not work: {said.text}"
    return Condition("ComponentsReady", Status.FALSE, said.reason, text, Whose.PLATFORM)


def _ever_ran(request: Request, wanted: Sequence[Auxiliary]) -> list[str]:
    """Name what a cluster is ready without, each from when it first ran, as `usable` does."""
    before = View(request.composite).texts("status", "components")
    workloads = ((each.name, auxiliary_workload(each)) for each in wanted)
    return [
        name
        for name, workload in workloads
        if _runs(request, workload) or (name in before and request.resource(workload) is not None)
    ]


def _runs(request: Request, workload: str) -> bool:
    seen = request.resource(workload)
    return seen is not None and condition_true()(seen)


def _without(auxiliary: Auxiliary) -> str:
    """Say, behind what runs, that something does not which the cluster is ready without."""
    where = f"look at the pods in namespace {auxiliary.namespace.name} of the cluster"
    return f". {auxiliary.label.capitalize()} does not run yet: {auxiliary.without}. If this lasts, {where}"


def usable(request: Request, installed: Sequence[Installed]) -> list[str]:
    """Name the components that Models can count on: each from when it first worked.

    A pod of theirs that restarts is no news to Models that look for a place, which this would wake.
    """
    before = View(request.composite).texts("status", "components")
    return [
        each.component.name
        for each in installed
        if each.works(request) or (each.component.name in before and each.exists(request))
    ]


def _hint(request: Request, cluster: Cluster, facts: Facts, installed: Sequence[Installed]) -> str:
    """Say where to look for what is installed and does not work, and what else may be the reason."""
    broken = [each.component for each in installed if each.exists(request) and not each.works(request)]
    if not broken:
        return ""
    namespaces = sorted({component.namespace.name for component in broken})
    where = "namespace" if len(namespaces) == 1 else "namespaces"
    clauses = [f"Look at the pods in {where} {_listed(namespaces)} of the cluster"]
    if not cluster.deleted_with_claim:
        labels = _listed([c.label for c in broken])
        clauses.append(f"where {labels} was installed before, or by another claim, remove that first")
    return "; ".join([*clauses, *(advice for c in broken if (advice := c.advice(facts)))])


def _left_alone(holder: str) -> Outcome:
    """Change nothing in a cluster that another claim has taken, whenever this claim is deleted, too."""
    message = f"InferenceCluster {holder} has taken this cluster: see the condition Planned"
    said = Condition("ComponentsReady", Status.FALSE, "ClusterTaken", message, Whose.PLATFORM)
    return Outcome(conditions=[said], unreachable=True)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


FUNCTION = Function(
    name="cluster-stack",
    conditions=("ComponentsReady",),
    status=("components", "gatewayAddresses"),
    author=Whose.PLATFORM,
    compose=compose,
    labels={
        contract.REACHABLE: contract.REACHABLE_LABEL,
        **dict.fromkeys(contract.ORDER_OF_DELETION, "the order in which it is deleted"),
    },
)
