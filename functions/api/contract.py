"""What more than one package relies on: names, labels and keys, each written once.

A value here is an agreement between packages, or between versions of one package: live objects
carry it, so it never changes.
"""

from __future__ import annotations

__all__ = [
    "AUTOSCALER_SERVICE_ACCOUNT",
    "CHART_OF_CRD",
    "CLUSTER_KIND",
    "COMPONENT",
    "COMPONENTS_READY",
    "CONNECTION_KEYS",
    "CONTROL_PLANE_READY",
    "CREATED_BY_CLAIM",
    "DELIVERY_AGENT",
    "DELIVERY_API_VERSION",
    "DELIVERY_KIND",
    "DELIVERY_OF",
    "DELIVERY_PLURAL",
    "DEVICE_PLUGIN_CONFIG",
    "DOWNLOAD",
    "EFA",
    "GATEWAY",
    "GATEWAY_ADDRESS",
    "GATEWAY_CERTIFICATE",
    "GATEWAY_CLIENT",
    "GATEWAY_COMPONENT",
    "GATEWAY_ISSUED",
    "GATEWAY_ISSUER",
    "GATEWAY_KEYS",
    "GATEWAY_LIMITS",
    "GATEWAY_LISTENER",
    "GATEWAY_LISTENS",
    "GATEWAY_MODEL",
    "GATEWAY_NAMESPACE",
    "GATEWAY_PROXY",
    "GATEWAY_SUBJECT",
    "GPU",
    "HOLDER",
    "LEADER_WORKER_SET",
    "MIG_CONFIG",
    "MIG_DEVICE",
    "MODEL",
    "MODEL_KEYS",
    "NODE_POOL",
    "OFFER",
    "OFFERED_BY",
    "OFFER_KEY",
    "ORDER_OF_DELETION",
    "PROBE",
    "REACHABLE",
    "REACHABLE_LABEL",
    "RECORD_CLUSTER",
    "RECORD_GPUS",
    "RECORD_HOST",
    "RECORD_MODEL_KEY",
    "RECORD_PODS",
    "REPORT_API_VERSION",
    "REPORT_GROUP",
    "REPORT_KIND",
    "REPORT_NAME",
    "REPORT_PLURAL",
    "SERVING",
    "UPGRADE_API_VERSION",
    "UPGRADE_KIND",
    "UPGRADE_PLURAL",
    "USAGE",
    "USAGE_TOKENS",
    "WEIGHTS_USER",
]

# The composite that node_pools and cluster_stack compose, and vllm places Models on.

CLUSTER_KIND = "XInferenceCluster"
CONTROL_PLANE_READY = "ControlPlaneReady"
"""Condition of function-node-pools; a cluster takes new Models while it is True."""
COMPONENTS_READY = "ComponentsReady"
"""Condition of function-cluster-stack."""
REACHABLE = "node-pools/reachable"
"""Composed resource that is ready once the cluster's API answers; the components wait for it."""
REACHABLE_LABEL = "the cluster's API"
"""How messages name that resource."""
HOLDER = "node-pools/holder"
"""Composed resource: the mark of the claim that has taken an existing cluster, an Object.

It is the last to leave the cluster: the next claim installs its own once the mark is gone.
"""
ORDER_OF_DELETION = ("node-pools/holder-first", "node-pools/helm-after-holder")
"""Composed resources: the Usages that keep the ProviderConfigs of an existing cluster until the mark is gone.

Nothing is created in the cluster before these are ready. The claim may be deleted at any moment, and the
garbage collector would delete the ProviderConfigs at once: what is created in that moment could never be
deleted.
"""
LEADER_WORKER_SET = "leader-worker-set"
"""Component that a Model of several nodes needs, as `status.components` lists it."""

# What a cluster publishes to the Models placed on it: a ConfigMap in the platform namespace.

OFFER = "offer"
"""Last part of the ConfigMap's name, after the composite's."""
OFFER_KEY = "offer"
"""Key of the ConfigMap's data: the offer as JSON."""
OFFERED_BY = "freehold.dev/offered-by"
"""Label of the ConfigMap: the composite's name."""
CREATED_BY_CLAIM = "freehold.dev/created-by-claim"
"""Label of the ProviderConfigs of a cluster that is deleted with its claim."""

# The record that a placed Model leaves for its cluster: a ConfigMap in the platform namespace,
# where tenants cannot write, so that its labels are believed. It changes only when the Model is
# scaled or placed anew, so it seldom wakes the cluster.

RECORD_CLUSTER = "freehold.dev/cluster"
"""Label: the composite's name, as far as a label holds it."""
NODE_POOL = "freehold.dev/node-pool"
"""Label of the record, and of every GPU node that a claim makes: the node pool's name."""
RECORD_GPUS = "freehold.dev/gpus"
"""Label: GPUs, or slices where they are shared, on all nodes of all the Model's replicas."""
RECORD_PODS = "freehold.dev/pod-count"
"""Label: pods that these GPUs are on, as many on each."""
RECORD_MODEL_KEY = "model"
"""Key of the record's data: the Model's claim, as namespace/name."""

RECORD_HOST = "freehold.dev/gateway-host"
"""Label of the record that a cluster leaves of its gateway's host: the host, as far as a label holds it."""

# What a Model has in its GPU cluster, and what the agent there reports of the Model.

MODEL = "freehold.dev/model"
"""Label of everything that belongs to a Model in its cluster: the Model's namespace there."""
COMPONENT = "freehold.dev/component"
"""Label of a Model's pods: SERVING or DOWNLOAD."""
SERVING, DOWNLOAD = "serving", "download"
REPORT_GROUP = "agent.freehold.dev"
"""API group of ModelReport: not the claims' own, since a GPU cluster may be the control plane itself."""
REPORT_API_VERSION = f"{REPORT_GROUP}/v1alpha1"
REPORT_KIND, REPORT_PLURAL = "ModelReport", "modelreports"
REPORT_NAME = "pods"
"""Name of the one ModelReport of a Model's namespace."""

# The gateway of a cluster: one for all its Models, each of which brings a route of its own.

GATEWAY_COMPONENT = "gateway"
"""Component that is the gateway, as `status.components` lists it."""
GATEWAY_NAMESPACE = "freehold-gateway"
"""Namespace of the Gateway, and of the pods that its traffic goes through."""
GATEWAY, GATEWAY_LISTENER = "models", "https"
"""Name of the Gateway, and of its only listener. Namespaces with the label MODEL may have routes there."""
GATEWAY_ADDRESS = "cluster-stack/gateway-service"
"""Composed resource: the Service that is the gateway's address, an Object.

A cloud's load balancer goes with it, and has to go before the cluster and its network do.
"""
GATEWAY_CERTIFICATE = "cluster-stack/gateway-certificate-delivery"
"""Composed resource: the delivery of the gateway's certificate, which says who vouches for it."""
GATEWAY_LISTENS = "cluster-stack/gateway-listener"
"""Composed resource: the Gateway, an Object, whose listener names the Secret with its certificate."""
GATEWAY_ISSUED = "issued-certificate"
"""Name of that Secret where cert-manager has issued the certificate; what the agent brings has another."""
GATEWAY_LIMITS = "cluster-stack/gateway-limits-service"
"""Composed resource: the service that counts for the gateway; ready once limits of Models can hold."""
GATEWAY_PROXY = "gateway"
"""Label COMPONENT of the pods that the gateway's traffic goes through, for Models' network policies."""
GATEWAY_CLIENT = "x-freehold-client"
"""Header by which the gateway says whose key it was, by a client id; it drops what clients send so.

An id is NAMESPACE.NAME of the claim, `_CLIENT` behind it for a client of the Model's spec, and
NAMESPACE_CLIENT for one whose key several Models of a namespace have, at the address that they share.
"""
GATEWAY_ISSUER, GATEWAY_SUBJECT = "x-freehold-issuer", "x-freehold-subject"
"""Headers by which the gateway says whose token it was: `iss`, and the claim by which its clients are known.
It drops what clients send so. GATEWAY_CLIENT is then `ISS:VALUE`; no id of a key has a colon."""
GATEWAY_MODEL = "x-freehold-model"
"""Header by which a request at the shared address comes to the Model that its body names, as NAMESPACE/NAME.

The gateway sets it; what a client sends under this name is dropped.
"""
MODEL_KEYS = "freehold-keys"
"""Name of the Secret with a Model's keys, by client id, in the Model's namespace.

The agent of the cluster may read Secrets of this name in every namespace, and no other.
"""
GATEWAY_KEYS = "keys"
"""Name of the Secret with the keys of all Models, by client id, in GATEWAY_NAMESPACE: the agent writes it."""

USAGE, USAGE_TOKENS = "freehold", "tokens"
"""Namespace of what the gateway counts of a request, in Envoy's metadata, and its key for all tokens."""
PROBE = "freehold-agent"
"""User agent of the agent, which asks each Model through its gateway."""

# How a Secret gets from the control plane into a GPU cluster: a SecretDelivery in the platform namespace says
# which, and the agent of the control plane carries it there.

DELIVERY_API_VERSION = REPORT_API_VERSION
DELIVERY_KIND, DELIVERY_PLURAL = "SecretDelivery", "secretdeliveries"
DELIVERY_OF = "agent.freehold.dev/delivery"
"""Annotation of the ConfigMap that owns the delivered Secret in its cluster: the SecretDelivery's name."""
DELIVERY_AGENT = "freehold-agent"
"""Name of the agent's Deployment and ServiceAccount in the platform namespace."""

# How the CRDs of a chart, which Helm never upgrades, are upgraded in a GPU cluster: a CRDUpgrade in the
# platform namespace names the chart, and the same agent applies what the chart has.

UPGRADE_API_VERSION = REPORT_API_VERSION
UPGRADE_KIND, UPGRADE_PLURAL = "CRDUpgrade", "crdupgrades"
CHART_OF_CRD = "agent.freehold.dev/chart"
"""Annotation of a CRD that the agent has applied: the chart's name and version, a space between them."""

# How a Model is called: in the Secret beside the claim, and in the claim's own connection Secret.

CONNECTION_KEYS = CONNECTION_URL, CONNECTION_MODEL, CONNECTION_CA = (
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "ca.crt",
)
"""Keys of the claim's connection Secret, which functions write, and so never a Model's key."""

# What nodes offer, as NVIDIA's and AWS' device plugins name it.

GPU = "nvidia.com/gpu"
"""Resource of a whole GPU, or of a slice without MIG; and the key of GPU nodes' taint."""
MIG_DEVICE = "nvidia.com/mig-"
"""Resource of a MIG slice, the profile's name following: the GPU Operator's strategy `mixed`."""
MIG_CONFIG = "nvidia.com/mig.config"
"""Label of a node: how the MIG manager partitions the node's GPUs."""
DEVICE_PLUGIN_CONFIG = "nvidia.com/device-plugin.config"
"""Label of a node: which of its settings the device plugin takes there."""
EFA = "vpc.amazonaws.com/efa"
"""Resource of AWS' RDMA device (github.com/aws/eks-charts, aws-efa-k8s-device-plugin)."""

# Identities.

AUTOSCALER_SERVICE_ACCOUNT = "cluster-autoscaler"
"""ServiceAccount of kube-system that a cloud gives its role to, and that the component runs as."""
WEIGHTS_USER = 2000
"""Numeric user that downloads and reads weights: the vLLM image's own."""
