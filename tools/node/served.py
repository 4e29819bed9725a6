"""What it takes to serve a Model on the real node: a Hub, the control plane's own cluster, a Model."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from tools.control_plane.api import Api, identity
from tools.control_plane.kubernetes import Kubelets
from tools.control_plane.layout import Layout
from tools.control_plane.nodes import gpu_node
from tools.machine import network
from tools.manifests import Manifest, load
from tools.node import images, packages, provisioner
from tools.node.real import Real

MACHINE, GPU, COUNT = "g6.48xlarge", "L4", 8
"""The machine type whose labels the node has, as GPU Feature Discovery would give it, and its GPUs."""
ZONE = "topology.kubernetes.io/zone"
"""Label of the node's zone, in which its volumes are."""
_LABELS = ("nvidia.com/", ZONE)
"""What labels of the machine type begin with that the node has."""
MODEL = "freehold/tiny-chat"
"""A model of the Hub's, of random weights: what it answers makes no sense."""
HUB = "http://hub.hub.svc.cluster.local:8080"
OWNER = "platform"
"""The namespace in which the cluster is claimed."""
SINGLES = "singles"
"""The node pool of `for_several_nodes` that such a Model is placed on."""
_MANY = 101
"""Nodes, of which one by one none is looked for: the pool is taken as it is declared."""
_FREEHOLD = "freehold.dev/v1alpha1"
_SETTINGS = {"weights": {"endpoint": HUB}}
"""Of function-vllm's input: Models come from the Hub on the node, as a platform team sets a mirror."""
_HUB = Path(__file__).parent / "manifests" / "hub.yaml"


def node() -> Real:
    """Return the node that the Model runs on."""
    labels: dict[str, str] = gpu_node("any", MACHINE, zone="a")["metadata"]["labels"]
    own = {key: value for key, value in labels.items() if key.startswith(_LABELS)}
    return Real(own, COUNT, _SETTINGS)


def offer_images(layout: Layout) -> None:
    """Have the registry offer what the Model's pods and its cluster's components run."""
    images.offer(layout, "hub", "vllm")
    images.offer_stand_ins(layout)


def hub() -> list[Manifest]:
    """Return the Hub."""
    return load(_HUB)


def cluster(layout: Layout, name: str) -> list[Manifest]:
    """Return the claim of a cluster, the control plane's own, and the Secret by which it is reached."""
    kubeconfig = base64.b64encode(
        layout.portable_kubeconfig(f"https://{network.ADDRESS}:{Kubelets.port}").encode()
    ).decode()
    secret = {"name": f"{name}-kubeconfig", "namespace": OWNER}
    existing = {
        "kubeconfigSecretRef": {"name": secret["name"]},
        "storageClassName": provisioner.CLASS,
        # Of one node, every volume is.
        "sharedStorage": True,
    }
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "data": {"kubeconfig": kubeconfig}},
        {
            "apiVersion": _FREEHOLD,
            "kind": "InferenceCluster",
            "metadata": {"name": name, "namespace": OWNER},
            "spec": {"existing": existing, "nodePools": node_pools(), "allowedNamespaces": ["team-*"]},
        },
    ]


def node_pools() -> list[dict[str, Any]]:
    """Return the cluster's node pools: the node, as it is."""
    return [_pool("l4", COUNT, 1)]


def for_several_nodes() -> list[dict[str, Any]]:
    """Return node pools of which one has a GPU a node, so that a Model may span two of its nodes.

    There is one node, with GPUs for both: it has the labels of both pools. LeaderWorkerSet is installed for
    the first one, which may have two nodes.
    """
    singles = {**_pool(SINGLES, 1, _MANY), "labels": {ZONE: "a"}}
    return [_pool("l4", COUNT, 2), singles]


def _pool(name: str, gpus: int, most: int) -> dict[str, Any]:
    return {"name": name, "gpu": {"model": GPU, "count": gpus}, "nodes": {"min": 1, "max": most}}


def model(namespace: str, name: str, **spec: Any) -> Manifest:
    """Return the claim of a tiny Model, which asks for what this machine has."""
    small = {"resources": {"cpu": "500m", "memory": "6Gi"}}
    return {
        "apiVersion": _FREEHOLD,
        "kind": "Model",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": MODEL, "contextLength": 2048, "engine": small, **spec},
    }


def configure(layout: Layout, api: Api, **given: Any) -> None:
    """Have Models come from the Hub on the node, by another version of the Configuration.

    Args:
        layout: of the control plane.
        api: the API.
        given: more of function-vllm's input; `weights` replaces the open Hub's.
    """
    packages.configured(layout, api, {**_SETTINGS, **given})


def service(api: Api, claim: Manifest) -> Manifest:
    """Return the Service of a Model that is placed."""
    namespace = api.get(*identity(claim))["status"]["placement"]["namespace"]
    [found] = api.items("v1", "Service", namespace)
    return found
