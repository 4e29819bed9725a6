"""The cluster's name server: CoreDNS as a Deployment, as every installer has it."""

from pathlib import Path

from tools.manifests import Manifest, load

ADDRESS, DOMAIN = "10.96.0.10", "cluster.local"
IMAGE = "registry.k8s.io/coredns/coredns:v1.15.0"
_FILE = Path(__file__).parent / "manifests" / "coredns.yaml"


def manifests() -> list[Manifest]:
    """Return everything that the name server is made of."""
    return load(_FILE)
