"""Volumes on this machine's disk, made when pods ask: what a cloud's disks or a file server are elsewhere.

`python -m tools.node.provisioner KUBECONFIG FOLDER`. It is played in so far as sizes are not enforced and
every volume may be shared: there is one node. All else is Kubernetes' own: local volumes, bound when the
first pod that mounts one is scheduled, to be mounted in its node's zone alone, and removed with their claims.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from tools.control_plane.api import Api, ApiError
from tools.errors import ToolError
from tools.manifests import Manifest

NAME = "local-volumes"
CLASS = "local"
"""The storage class."""
_PROVISIONER = "freehold.dev/local-volumes"
_BY = "pv.kubernetes.io/provisioned-by"
_SELECTED = "volume.kubernetes.io/selected-node"
_ZONE, _HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
_POLL_SECONDS = 0.3


def storage_class() -> Manifest:
    """Return the storage class whose volumes it makes."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS},
        "provisioner": _PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def step(api: Api, folder: Path) -> None:
    """Make the volumes that are asked for, and remove those that nobody has any more."""
    volumes = {volume["metadata"]["name"]: volume for volume in api.items("v1", "PersistentVolume")}
    for claim in api.items("v1", "PersistentVolumeClaim"):
        node = claim["metadata"].get("annotations", {}).get(_SELECTED)
        name = f"local-{claim['metadata']['uid']}"
        if claim["spec"].get("storageClassName") == CLASS and node and name not in volumes:
            (folder / name).mkdir(parents=True, exist_ok=True)
            api.create(_volume(name, claim, folder / name, _place(api, node)))
    for name, volume in volumes.items():
        ours = volume["metadata"].get("annotations", {}).get(_BY) == _PROVISIONER
        if ours and volume.get("status", {}).get("phase") == "Released":
            shutil.rmtree(folder / name, ignore_errors=True)
            api.delete(volume)


def _place(api: Api, node: str) -> Manifest:
    """Return where a volume can be mounted: in the zone of the node that it is made for, or on it alone."""
    labels = api.get("v1", "Node", node)["metadata"]["labels"]
    key = _ZONE if _ZONE in labels else _HOST
    return {"key": key, "operator": "In", "values": [labels[key]]}


def _volume(name: str, claim: Manifest, folder: Path, place: Manifest) -> Manifest:
    spec, metadata = claim["spec"], claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {_BY: _PROVISIONER}},
        "spec": {
            "capacity": dict(spec["resources"]["requests"]),
            "accessModes": list(spec["accessModes"]),
            "storageClassName": CLASS,
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [place]}]}},
        },
    }


def main(kubeconfig: str, folder: str) -> None:
    """Provision for ever."""
    api = Api.of(Path(kubeconfig))
    while True:
        try:
            step(api, Path(folder))
        except ApiError as error:
            print(error, flush=True)
        except ToolError as error:
            print(f"no answer: {error}", flush=True)
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
