"""Clusters as `freehold check` reads them: one that has everything, to take something from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from functions.catalog import providers
from functions.main import FUNCTIONS
from tools import paths
from tools.check.finding import Unreadable
from tools.control_plane.api import identity
from tools.manifests import Manifest, load

NAMESPACE = "crossplane-system"
Key = tuple[str, str, str, str]


class Cluster:
    """What an API server would show."""

    def __init__(self, objects: Sequence[Manifest], release: tuple[int, int] = (1, 35)) -> None:
        self.objects: dict[Key, Manifest] = {}
        for each in objects:
            self.put(copy.deepcopy(each))
        self.release = release
        self.unknown: set[str] = set()
        """Kinds that are not served."""
        self.hidden: set[str] = set()
        """Kinds that may not be read."""

    def put(self, manifest: Manifest) -> None:
        self.objects[identity(manifest)] = manifest

    def named(self, kind: str, name: str) -> Manifest:
        return next(o for (_, k, n, _), o in self.objects.items() if (k, n) == (kind, name))

    def without(self, kind: str, name: str = "") -> None:
        self.objects = {
            key: each for key, each in self.objects.items() if key[1] != kind or name not in ("", key[2])
        }

    def version(self) -> tuple[int, int]:
        return self.release

    def serves(self, api_version: str, kind: str) -> bool:
        return kind not in self.unknown and api_version not in self.unknown

    def all(self, api_version: str, kind: str, namespace: str = "") -> Sequence[Manifest]:
        if kind in self.hidden:
            raise Unreadable("list", f"{kind.lower()}s", namespace)
        keys = [k for k in self.objects if k[:2] == (api_version, kind) and namespace in ("", k[3])]
        return [self.objects[key] for key in keys] if self.serves(api_version, kind) else []

    def find(self, manifest: Manifest) -> Manifest | None:
        if manifest["kind"] in self.hidden:
            raise Unreadable("get", f"{manifest['kind'].lower()}s", manifest["metadata"].get("namespace", ""))
        served = self.serves(manifest["apiVersion"], manifest["kind"])
        return self.objects.get(identity(manifest)) if served else None


Change = Callable[[Cluster], Any]


def conditions(*true: str) -> dict[str, Any]:
    return {"conditions": [{"type": type_, "status": "True"} for type_ in true]}


def package(kind: str, name: str, image: str) -> Manifest:
    return {
        "apiVersion": "pkg.crossplane.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"package": image},
        "status": {**conditions("Installed", "Healthy"), "currentRevision": f"{name}-1"},
    }


def deployment(name: str, image: str, arguments: Sequence[str], **labels: str) -> Manifest:
    container = {"name": name, "image": image, "args": list(arguments)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": conditions("Available"),
    }


def control_plane() -> Cluster:
    """Return a control plane that lacks nothing."""
    by_name = {each.name: each for each in providers().values()}
    made = [
        package("Provider", name, f"{each.package}:v{each.since}")
        for name, each in by_name.items()
        if not name.startswith("provider-aws")
    ]
    made += [
        package("Function", f"function-{short}", f"ghcr.io/freehold-dev/function-{short}:v0.1.0")
        for short in FUNCTIONS
    ]
    name = "configuration-freehold"
    made.append(package("Configuration", name, f"ghcr.io/freehold-dev/{name}:v0.1.0"))
    arguments = ["core", "start", "--circuit-breaker-burst=3000", "--max-reconcile-rate=10"]
    made.append(deployment("crossplane", "xpkg.crossplane.io/crossplane/crossplane:v2.4.0", arguments))
    labels = {"pkg.crossplane.io/revision": "provider-kubernetes-1"}
    flags = ["--enable-watches", "--sanitize-secrets"]
    made.append(deployment("provider-kubernetes-1", "p:v1.3.0", flags, **labels))
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    made.append(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "crossplane"},
            "rules": [everything],
        }
    )
    made += [{**xrd, "status": conditions("Established", "Offered")} for xrd in load(paths.XRDS)]
    made += load(paths.COMPOSITIONS)
    for each in load(paths.INSTALL):
        runs = each["kind"] == "Deployment"
        made.append({**each, "status": conditions("Available")} if runs else each)
    return Cluster(made)


def gpu_cluster() -> Cluster:
    """Return a cluster for Models that lacks nothing."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return Cluster(
        [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": "fast", "annotations": default},
            },
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": "cilium", "namespace": "kube-system"},
            },
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": "gpu-1"},
                "status": {"allocatable": {"nvidia.com/gpu": "8"}},
            },
        ]
    )
