"""Inputs of the functions: a platform team's defaults, set in the compositions.

That of function-cluster-stack is made from its registry: `functions.cluster_stack.input`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from .engine import EnvVar
from .forms import Image, Namespace, NamespacePattern
from .model import Architecture
from .node_keys import KEYS, LENGTH, VALUE, check_keys
from .places.aws import NODE_RELEASE, ProviderConfigRef
from .schema import Schema, rules

__all__ = [
    "AgentInput",
    "Chart",
    "Cloud",
    "EksInput",
    "GatewayChart",
    "MetricsPods",
    "NodePoolsInput",
    "ProviderConfigRule",
    "VLLMInput",
    "Weights",
]

_NAMESPACE = "crossplane-system"


class Cloud(StrEnum):
    """A cloud, by the field of a claim that asks for it."""

    AWS = "aws"


class ProviderConfigRule(ProviderConfigRef):
    """Which claims may create with a configuration of a cloud's provider."""

    cloud: Cloud = Field(description="The cloud, by the field of the claim: aws.")
    namespaces: list[NamespacePattern] = Field(
        description="Namespaces of the claims; '*' stands for any characters.", min_length=1, max_length=100
    )


class EksInput(Schema):
    """What EKS runs of one Kubernetes minor version."""

    node_release: str | None = Field(
        None,
        description="Release of EKS' node images, such as 1.35.6-20260714: of new node groups, and of live "
        "ones when their Kubernetes version changes. A claim's aws.nodeRelease goes first. Default: the "
        "package's.",
        pattern=NODE_RELEASE,
        max_length=24,
    )
    addons: dict[str, Annotated[str, Field(pattern=r"^v\d+\.\d+\.\d+-eksbuild\.\d+$", max_length=40)]] = (
        Field(
            default_factory=dict,
            description="Versions of EKS add-ons by name (vpc-cni, kube-proxy, coredns, "
            "eks-pod-identity-agent, aws-ebs-csi-driver, aws-efs-csi-driver, "
            "eks-node-monitoring-agent), such as v1.14.3-eksbuild.3. Live clusters follow at once. "
            "Default: live add-ons stay as they are, new ones take the package's.",
            max_length=20,
        )
    )


class NodePoolsInput(Schema):
    """Input of function-node-pools."""

    platform_namespace: str = Field(
        _NAMESPACE,
        description="Namespace of everything composed; one that app teams cannot read. "
        "Default crossplane-system.",
        max_length=63,
    )
    kubernetes_version: str | None = Field(
        None,
        description="Kubernetes minor version of clusters that do not ask for one. Default: the package's.",
        pattern=r"^1\.\d{2}$",
    )
    eks: dict[Annotated[str, Field(pattern=r"^1\.\d{2}$")], EksInput] = Field(
        default_factory=dict,
        description="Versions of EKS' node images and add-ons, by Kubernetes minor version, such as 1.35. "
        "A version that the package does not know is allowed by being here. Default: the package's.",
        max_length=20,
    )
    provider_configs: list[ProviderConfigRule] = Field(
        default_factory=list,
        description="Which configurations of cloud providers, so which accounts, claims may name "
        "(providerConfigRef), by their namespaces. Default none.",
        max_length=100,
    )
    kubeconfig_namespaces: list[NamespacePattern] = Field(
        default_factory=list,
        description="Namespaces whose InferenceClusters may bring a kubeconfig "
        "(existing.kubeconfigSecretRef). A kubeconfig can make a provider use, or send out, its own "
        "credentials: list only namespaces whose Secrets nobody else may write. '*' stands for any "
        "characters. Default none.",
        max_length=100,
    )
    control_plane_namespaces: list[NamespacePattern] = Field(
        default_factory=list,
        description="Namespaces whose InferenceClusters may be the cluster that Crossplane runs in "
        "(existing.controlPlane), where the providers act under their own service accounts. '*' "
        "stands for any characters. Default none.",
        max_length=100,
    )


class SecretName(Schema):
    """A Secret by its name alone."""

    name: str = Field(description="Name of the Secret.", min_length=1, max_length=253)


class Chart(Schema):
    """A Helm chart: from a mirror, at another version, or with values of the platform's own."""

    repository: str | None = Field(
        None,
        description="Chart repository, https:// or oci://. Default: upstream's.",
        pattern="^(https|oci)://",
    )
    version: str | None = Field(None, description="Chart version. Default: the package's.", max_length=64)
    pull_secret_ref: SecretName | None = Field(
        None,
        description="Secret with username and password of the repository. It is looked for beside the "
        "Release: in the platform namespace, and of an existing cluster that a kubeconfig reaches in the "
        "claim's namespace. Default: none; provider-helm's own cloud identity is tried.",
    )
    values: dict[str, Any] = Field(
        default_factory=dict,
        description="Values of the chart, laid over the package's: where a mirror has its images, pull "
        "secrets, resources. Lists replace the package's.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    upgrade_crds: bool = Field(
        True,
        alias="upgradeCRDs",
        description="Whether the agent of the control plane upgrades the CRDs of the chart's folder crds, "
        "which Helm does not, before a live cluster gets another version of the chart. If not, apply them "
        "yourself before. Only for charts that leave it to others: LeaderWorkerSet's and Node Feature "
        "Discovery's. Default true.",
    )


class GatewayChart(Chart):
    """Envoy Gateway's chart, and what the gateway runs beside it."""

    valkey_image: Image | None = Field(
        None,
        description="Image of Valkey, which keeps the counters of limits: with the program valkey-server. "
        "Default: the package's, from the registry in values.global.imageRegistry where that is set.",
    )


class AgentInput(Schema):
    """The agent of each cluster."""

    install: bool = Field(
        True,
        description="Whether the agent is installed. If not, it is taken out of existing clusters; one that "
        "a claim created keeps what was installed before. The CRD of its reports is in every cluster. "
        "Default true.",
    )
    image: Image | None = Field(
        None, description="The agent's image, with tag or digest. Default: the package's."
    )


class Weights(Schema):
    """Where model weights come from."""

    endpoint: str = Field(
        "https://huggingface.co",
        description="Hugging Face Hub, or a mirror of it inside the network, without credentials. "
        "Default https://huggingface.co.",
        pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$",
    )
    image: Image | None = Field(
        None,
        description="Image that downloads weights: with Python 3.11 and huggingface_hub 0.34, or newer. "
        "Default: the vLLM image, the platform's or the package's; never a Model's own.",
    )
    proxy: str | None = Field(
        None,
        description="HTTP proxy that downloads go through, such as http://proxy.corp:3128, without "
        "credentials. "
        "Default: none.",
        pattern=r"^https?://[^/@\s]+/?$",
        max_length=200,
    )
    ca_bundle: str | None = Field(
        None,
        description="Certificates, in PEM, of authorities that downloads trust beside the public ones: of "
        "the "
        "mirror, or of a proxy that opens TLS. Default: none.",
        pattern=r"^\s*-----BEGIN CERTIFICATE-----",
        max_length=60_000,
    )
    env: list[EnvVar] = Field(
        default_factory=list,
        description="More environment variables of downloads, such as NO_PROXY, or HF_HUB_DISABLE_XET where "
        "only "
        "the endpoint's own host can be reached. Default: none.",
        max_length=50,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    user: int | None = Field(
        None,
        description="User and group id of the pods that write and read the weights, for a file system that "
        "ignores fsGroup, such as NFS. Pods that run already keep theirs. Default 2000.",
        ge=1,
        le=2_147_483_647,
    )

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of every pod that reads from the Hub."""
        proxies = {"HTTPS_PROXY": self.proxy, "HTTP_PROXY": self.proxy} if self.proxy else {}
        own = {"CA_BUNDLE": self.ca_bundle} if self.ca_bundle else {}
        given = {variable.name: variable.value for variable in self.env}
        return {"HF_ENDPOINT": self.endpoint, **proxies, **own, **given}

    @property
    def port(self) -> int:
        """TCP port that such a pod connects to: the Hub's, or that of the proxy before it."""
        first = urlsplit(self.proxy or self.endpoint)
        return first.port or (443 if first.scheme == "https" else 80)


_PriorityClass = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]


_LabelValue = Annotated[
    str, AfterValidator(VALUE.check), Field(max_length=LENGTH, json_schema_extra=rules(VALUE.rule))
]


class MetricsPods(Schema):
    """Pods of one namespace."""

    namespace: Namespace = Field(description="Namespace of the pods.")
    labels: Annotated[dict[str, _LabelValue], AfterValidator(check_keys)] = Field(
        description="Labels that they have, all of these.",
        min_length=1,
        max_length=10,
        json_schema_extra=rules(*KEYS),
    )


class VLLMInput(Schema):
    """Input of function-vllm."""

    image: Image | None = Field(None, description="vLLM image, with tag or digest. Default: the package's.")
    weights: Weights = Field(default_factory=Weights, description="Where model weights come from.")
    cluster_namespaces: list[NamespacePattern] = Field(
        default_factory=list,
        description="Namespaces whose InferenceClusters a Model may go to without naming them, beside its "
        "own; '*' stands for any characters. Default none.",
        max_length=100,
    )
    architectures: dict[str, Architecture] = Field(
        default_factory=dict, description="Models that the catalog does not know, by name on the Hub."
    )
    metrics_namespaces: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default_factory=list,
        description="Namespaces of the clusters, such as monitoring, whose pods may all read the metrics of "
        "serving pods: GET /metrics at port 9000, which answers nothing else. Default none.",
        max_length=20,
    )
    metrics_pods: list[MetricsPods] = Field(
        default_factory=list,
        description="More pods of the clusters that may, by namespace and label. Default none.",
        max_length=20,
    )
    pull_secret_ref: SecretName | None = Field(
        None,
        description="Secret of type kubernetes.io/dockerconfigjson in the platform namespace, which is "
        "copied beside each Model, to pull images with. Default: none; nodes pull by their own identity.",
    )
    priority_class_name: _PriorityClass | None = Field(
        None,
        description="PriorityClass of pods that serve, which must be in every cluster: the pods of a "
        "Deployment are refused without it. Downloads have none, and give way. A live Model takes another "
        "one when it restarts. Default: none; pods have the cluster's default priority.",
    )
