"""The CRDs of providers and of cluster components, and core's role for the providers' kinds."""

import http.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools import paths
from tools.control_plane.api import Api, ApiError, condition
from tools.errors import SchemaMissingError, ToolError
from tools.manifests import Manifest, load

_CRDS = "apiextensions.k8s.io/v1"
_THREADS = 4
_TRIES = 3
_FOLDERS = (
    "cert-manager",
    "envoy-gateway",
    "gateway-api",
    "gpu-operator",
    "lws",
    "node-feature-discovery",
    "provider-helm",
    "provider-kubernetes",
    "provider-upjet-aws",
)
"""Folders of the kinds that are composed, here or inside a cluster; each CRD costs the API server memory."""


def install(api: Api) -> int:
    """Install the CRDs of all kinds that are composed; return how many there are."""
    named = crds_of(*_FOLDERS)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda crd: create(api, crd), named.values()))
    api.apply(_access(list(named.values())))
    return len(named)


def crds_of(*folders: str) -> dict[str, Manifest]:
    """Return the real CRDs of some folders, by name; of a kind that is in two, the first wins."""
    folder = _folder()
    files = [path for name in folders for path in sorted((folder / name).glob("*.yaml"))]
    crds = [crd for path in files for crd in load(path) if crd.get("kind") == "CustomResourceDefinition"]
    return {crd["metadata"]["name"]: crd for crd in reversed(crds)}


def established(api: Api) -> bool:
    """Say whether the API server serves every CRD."""
    crds = api.items(_CRDS, "CustomResourceDefinition")
    return all(condition(crd, "Established").get("status") == "True" for crd in crds)


def _folder() -> Path:
    folder = paths.schemas()
    if not folder.is_dir():
        raise SchemaMissingError(f"{folder} is not there: SCHEMAS names the folder of the providers' CRDs")
    return folder


def create(api: Api, crd: Manifest, tries: int = _TRIES) -> None:
    """Create a CRD. An API server that is short of CPU gives up on a large one, and may have it even so."""
    try:
        api.call("POST", api.path(_CRDS, "CustomResourceDefinition"), crd)
    except ApiError as error:
        if error.code == http.client.CONFLICT:
            return
        if error.code != http.client.GATEWAY_TIMEOUT or tries <= 1:
            raise ToolError(f"{crd['metadata']['name']}: {error}") from error
        create(api, crd, tries - 1)


def _access(crds: list[Manifest]) -> Manifest:
    """Return core's role for the providers' kinds, as the RBAC manager makes it for installed ones."""
    groups: dict[str, list[str]] = {}
    for crd in crds:
        group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        if group.endswith((".m.upbound.io", ".m.crossplane.io")):
            groups.setdefault(group, []).extend((plural, f"{plural}/status", f"{plural}/finalizers"))
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": "crossplane:provider:freehold:aggregate-to-edit",
            "labels": {
                f"rbac.crossplane.io/aggregate-to-{role}": "true" for role in ("crossplane", "edit", "admin")
            },
        },
        "rules": [
            {"apiGroups": [group], "resources": sorted(plurals), "verbs": ["*"]}
            for group, plurals in sorted(groups.items())
        ],
    }
