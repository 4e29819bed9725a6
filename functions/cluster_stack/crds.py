"""CRDs of a component's chart, upgraded by the agent of the control plane before Helm upgrades the chart.

Helm installs a chart's folder `crds` once. So a CRDUpgrade names the chart that is asked for, and a live
Release keeps its chart and values until the agent says that the chart's CRDs are in the cluster. The first
installation waits for nobody: Helm brings them, and a cluster needs no agent for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from functions.api import Chart, CRDUpgrade, contract
from functions.base import (
    Condition,
    Reason,
    Request,
    Resource,
    Status,
    Unanswered,
    View,
    Whose,
    exists,
    unique_name,
)

from .cluster import Cluster
from .component import Component

__all__ = ["Held", "hold", "told", "upgrade", "upgrade_name"]

_CRDS = "-crds"
"""Ends the name of the CRDUpgrade of a component."""


@dataclass(frozen=True)
class Held:
    """A live Release that keeps its chart, since the CRDs of the next one are not in the cluster."""

    text: str
    """Which, and what it waits for."""
    fails: bool
    """Whether the agent has said why it cannot upgrade them."""


def upgrade_name(component: str) -> str:
    """Return the name in the composition of a component's CRDUpgrade."""
    return f"cluster-stack/{component}{_CRDS}"


def upgrade(
    request: Request, cluster: Cluster, component: Component, given: Chart, release: Resource
) -> Resource | None:
    """Compose the CRDUpgrade of a component's chart; None where the CRDs are not ours to upgrade.

    None too where the control plane does not know the kind: Crossplane applies nothing of a composite then.

    Args:
        request: of the cluster.
        cluster: where the component is installed.
        component: whose chart.
        given: what the platform team says of the chart.
        release: of the chart that is asked for.
    """
    name = upgrade_name(component.name)
    if not component.upgrades_crds or not given.upgrade_crds or not _is_known(request, name):
        return None
    asked = _chart(release)
    secret = given.pull_secret_ref
    spec: dict[str, Any] = {
        "chart": {key: asked[key] for key in ("repository", "name", "version")},
        **({"pullSecretRef": {"namespace": cluster.helm_namespace, "name": secret.name}} if secret else {}),
        "providerConfigRef": {"kind": "ProviderConfig", "name": cluster.access.kubernetes_provider_config},
    }
    CRDUpgrade.model_validate(spec)
    manifest = {
        "apiVersion": contract.UPGRADE_API_VERSION,
        "kind": contract.UPGRADE_KIND,
        "metadata": {
            "name": unique_name(cluster.composite, f"{component.name}{_CRDS}"),
            "namespace": cluster.access.namespace,
        },
        "spec": spec,
    }
    # Whatever becomes of it, the composite is ready: the chart that is installed works.
    label = f"the CRDs of {component.label}"
    return Resource(name, manifest, (contract.REACHABLE,), exists, label=label)


def _is_known(request: Request, name: str) -> bool:
    """Tell whether the control plane knows the kind of upgrades."""
    if name in request.observed:
        return True
    try:
        return request.require_kind(contract.UPGRADE_API_VERSION, contract.UPGRADE_KIND)
    except Unanswered:
        return True  # a Crossplane that cannot say so goes on as ever


def _chart(release: Resource) -> dict[str, str]:
    assert release.manifest, "a Release waits for nothing that is not known"
    chart: dict[str, str] = release.manifest["spec"]["forProvider"]["chart"]
    return chart


def hold(
    request: Request, cluster: Cluster, component: Component, given: Chart, release: Resource
) -> Held | None:
    """Tell why a component's live Release keeps its chart; None where it gets the one that is asked for.

    Args:
        request: of the cluster.
        cluster: where the component is installed.
        component: whose Release.
        given: what the platform team says of the chart.
        release: of the chart that is asked for.
    """
    live = request.resource(release.name)
    if not component.upgrades_crds or not given.upgrade_crds or live is None:
        return None
    asked = _chart(release)["version"]
    present = live.text("spec", "forProvider", "chart", "version")
    seen = request.resource(upgrade_name(component.name))
    if present in (None, asked) or (seen is not None and _has_applied(seen, _chart(release))):
        return None
    said = seen.condition("Synced") if seen is not None and _is_of(seen, asked) else None
    label = component.label
    stays = f"{label} stays at chart {present}: "
    if said is not None and said.text("status") == "False":
        why = (said.text("message") or said.text("reason") or "no word why").rstrip(". ")
        return Held(f"{stays}the CRDs of chart {asked} are not in the cluster: {why}", fails=True)
    if not _is_known(request, upgrade_name(component.name)):
        return Held(f"{stays}nothing upgrades the CRDs to those of chart {asked}: {_INSTALL}", fails=True)
    where = (
        f"Deployment {contract.DELIVERY_AGENT} in namespace {cluster.access.namespace} of the control plane"
    )
    wait = (
        f"the agent has not upgraded the CRDs to those of chart {asked} yet: if this lasts, look why {where}"
    )
    return Held(f"{stays}{wait} does not run", fails=False)


_INSTALL = (
    "apply package/install.yaml of this version to the control plane, which brings the kind CRDUpgrade and "
    "the agent, or set upgradeCRDs of the component's input to false and apply them yourself"
)


def _has_applied(seen: View, asked: dict[str, str]) -> bool:
    """Tell whether the agent says that the CRDs of a chart are in the cluster."""
    return all(seen.text("status", "applied", key) == asked[key] for key in ("name", "version"))


def _is_of(seen: View, version: str) -> bool:
    """Tell whether what the agent says is of a version, and not of the one before."""
    looked_at = seen.number("status", "observedGeneration") or 0
    return seen.text("spec", "chart", "version") == version and looked_at >= (
        seen.number("metadata", "generation") or 0
    )


def told(type_: str, ready: str, held: Sequence[Held]) -> Condition | None:
    """Return the condition of a cluster whose components work, some with the chart of before; None for none.

    Args:
        type_: of the condition.
        ready: what else is to be said.
        held: those that wait.
    """
    if not held:
        return None
    fails = any(each.fails for each in held)
    reason = Reason.UPDATE_FAILING if fails else Reason.UPDATING
    text = ". ".join([*(each.text for each in held), f"As before, {ready}"])
    return Condition(type_, Status.TRUE, reason.value, text, Whose.PLATFORM)
