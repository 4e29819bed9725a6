"""Storage classes; kwok provisions all of their volumes (tools/control_plane/manifests/stages.yaml)."""

from __future__ import annotations

from tools.manifests import Manifest

ZONAL, SHARED = "ebs.csi.aws.com", "nfs.csi.k8s.io"


def storage_class(name: str, provisioner: str = ZONAL) -> Manifest:
    """Return a storage class as platform teams have it: zonal disks wait for their first pod, NFS does not."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer" if provisioner == ZONAL else "Immediate",
    }
