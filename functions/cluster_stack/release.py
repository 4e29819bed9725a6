"""What every Helm Release here has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.base import DIES_WITH_CLUSTER, HELM_RELEASE, Resource, goes_after

from .plan import Plan

__all__ = ["REACHABLE", "release", "uninstalled_first"]

REACHABLE = "node-pools/reachable"
"""Ready once the cluster's API answers."""

# A failed Release is tried again this often, and after that, or without a limit, never
# (shouldRollBack in provider-helm v1.4.0): a cluster that was away for an hour would
# stay without its stack until somebody changes the spec. One try a poll, so a week's worth.
_RETRIES = 1000


def release(
    plan: Plan, component: str, namespace: str, values: Mapping[str, Any], after: tuple[str, ...] = ()
) -> Resource:
    """Compose a Helm Release.

    Args:
        plan: the stack.
        component: what is installed; its name in the composition after the function's.
        namespace: its namespace in the cluster, which Helm creates.
        values: of the chart, as the package sets them.
        after: what must be ready before, beside the cluster.
    """
    # A name of our own: a Release adopts, and changes, an installation of the same name.
    helm_name = f"freehold-{component}"
    assert len(helm_name) <= HELM_RELEASE, helm_name
    chart = plan.chart(component)
    spec: dict[str, Any] = {
        "forProvider": {
            "chart": {"name": chart.name, "repository": chart.repository, "version": chart.version},
            "namespace": namespace,
            # No `wait`: pods that come up slowly would make the Release a failed one.
            "values": plan.values(component, values),
        },
        "rollbackLimit": _RETRIES,
        "providerConfigRef": {"kind": "ProviderConfig", "name": plan.access.helm_provider_config},
    }
    if plan.owned:
        spec["managementPolicies"] = list(DIES_WITH_CLUSTER)
    manifest = {
        "apiVersion": "helm.m.crossplane.io/v1beta1",
        "kind": "Release",
        "metadata": {
            "name": plan.object_name(component),
            "namespace": _namespace(plan),
            "annotations": {"crossplane.io/external-name": helm_name},
        },
        "spec": spec,
    }
    return Resource(f"cluster-stack/{component}", manifest, (REACHABLE, *after))


def uninstalled_first(plan: Plan, resources: Sequence[Resource]) -> list[Resource]:
    """Compose what keeps the way into a cluster until its Releases are uninstalled.

    The provider's own usages of its ProviderConfig go first when a composite goes, and a
    Release without one could never be uninstalled. In a cluster that goes too, they are not.
    """
    if plan.owned:
        return []
    way_in = {
        "apiVersion": "helm.m.crossplane.io/v1beta1",
        "kind": "ProviderConfig",
        "metadata": {"name": plan.access.helm_provider_config, "namespace": _namespace(plan)},
    }
    return [
        # With the Release, not once it is ready: it may be deleted before.
        goes_after(f"{r.name}-first", plan.composite, way_in, r.manifest, r.after)
        for r in resources
        if r.manifest and r.manifest["kind"] == "Release"
    ]


def _namespace(plan: Plan) -> str:
    return plan.access.helm_namespace or plan.access.namespace
