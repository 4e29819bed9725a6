"""What the agent of the control plane is asked to upgrade: the CRDs of a chart's folder `crds`.

Helm installs those once and never upgrades them. function-cluster-stack composes a `CRDUpgrade` in the
platform namespace for each chart that has such a folder, and keeps the chart's live version until the CRDs of
the next one are in the cluster.
"""

from __future__ import annotations

from pydantic import Field

from .schema import Schema
from .secret_delivery import ProviderConfigRef

__all__ = ["AppliedCRDs", "CRDUpgrade", "CRDUpgradeStatus"]

_NAME, _LABEL, _VERSION = 253, 63, 64


class ChartOfCRDs(Schema):
    """A Helm chart at a version."""

    repository: str = Field(
        max_length=1024, pattern="^(https|oci)://", description="Chart repository, https:// or oci://."
    )
    name: str = Field(max_length=_NAME, description="Name of the chart.")
    version: str = Field(max_length=_VERSION, description="Version of the chart.")


class PullSecretRef(Schema):
    """A Secret with username and password of a chart repository."""

    namespace: str = Field(max_length=_LABEL, description="Namespace: the upgrade's own, or the claim's.")
    name: str = Field(max_length=_NAME, description="Name.")


class CRDUpgrade(Schema):
    """CRDs of a chart, which the agent of the control plane upgrades in a GPU cluster, and Helm does not."""

    chart: ChartOfCRDs = Field(description="The chart that has the CRDs.")
    pull_secret_ref: PullSecretRef | None = Field(
        None, description="Credentials of the repository. Default: none are needed."
    )
    provider_config_ref: ProviderConfigRef = Field(description="The GPU cluster.")


class AppliedCRDs(Schema):
    """The CRDs that are in the cluster."""

    name: str = Field(max_length=_NAME, description="Name of the chart.")
    version: str = Field(max_length=_VERSION, description="Version of the chart.")
    crds: list[str] = Field(max_length=128, description="Names of its CRDs.")


class UpgradeCondition(Schema):
    """A condition of an upgrade."""

    type: str = Field(
        max_length=_LABEL,
        description="Ready: the CRDs of the chart are in the cluster. Synced: the last try succeeded.",
    )
    status: str = Field(max_length=7, description="True or False.")
    reason: str = Field(max_length=_LABEL, description="Applied, or why not.")
    message: str = Field(
        "", max_length=1024, description="What is wrong, and what to do; what was left alone."
    )
    last_transition_time: str = Field(max_length=32, description="When the status changed last.")


class CRDUpgradeStatus(Schema):
    """What the agent says of an upgrade."""

    observed_generation: int = Field(description="Generation that the agent looked at last.")
    applied: AppliedCRDs | None = Field(
        None, description="The chart whose CRDs were applied last; none: none yet."
    )
    conditions: list[UpgradeCondition] = Field(
        default_factory=list, max_length=8, description="Ready and Synced."
    )
