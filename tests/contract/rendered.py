"""Containers of Models as Freehold renders them: the examples, the golden files, the cases and the catalog.

The functions run in this process, over clusters that are planned from their spec and taken as ready.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from functions.api import contract
from tools import paths
from tools.definitions import Definitions
from tools.demo import CLUSTER_KIND
from tools.manifests import Manifest, load
from tools.placing import as_cluster, compose

__all__ = ["CLAIMS", "GOLDEN", "Container", "claims_of", "containers_in", "model", "render"]

HERE = Path(__file__).parent
CLAIMS = HERE / "claims"
"""Models that reach every argument, and the cluster that has a node pool for each."""
GOLDEN = HERE.parent / "golden"

_FROM_LEADER_WORKER_SET = {"LWS_LEADER_ADDRESS": "vllm-0.vllm.namespace", "LWS_WORKER_INDEX": "1"}
"""Variables that the LeaderWorkerSet controller adds to a container, with made-up values."""


class Container(NamedTuple):
    """One container of a pod, with the pod's spec."""

    name: str
    pod: Manifest
    spec: Manifest

    @property
    def command(self) -> list[str]:
        """Command and arguments, references to variables expanded as a kubelet does."""
        words = [*self.spec["command"], *(self.spec.get("args") or [])]
        values = {**self.environment, **_FROM_LEADER_WORKER_SET}
        for name, value in values.items():
            words = [word.replace(f"$({name})", value) for word in words]
        return words

    @property
    def environment(self) -> dict[str, str]:
        """The variables with a value; those that a Secret fills in are left out."""
        return {each["name"]: each["value"] for each in self.spec.get("env") or [] if "value" in each}


@cache
def _definitions() -> Definitions:
    return Definitions()


@cache
def _clusters(*folders: Path) -> list[Manifest]:
    """Return the clusters of all claims in some folders, as XRs whose components run."""
    found = (each for folder in folders for each in load(folder))
    clusters = [as_cluster(each, _definitions()) for each in found if each["kind"] == CLUSTER_KIND]
    for cluster in clusters:
        cluster["status"]["components"] = [contract.LEADER_WORKER_SET]
    return clusters


def claims_of(folder: Path) -> dict[str, Manifest]:
    """Return the Models of a folder and below by the name of their file, from the clone's own folder."""
    return {
        str(path.relative_to(paths.ROOT)): claim
        for path in sorted(folder.rglob("*.yaml"))
        for claim in load(path)
        if claim["kind"] == "Model"
    }


def render(claim: Manifest, folder: Path = CLAIMS) -> list[Manifest]:
    """Return what is composed for a Model on one of a folder's clusters; nothing where none holds it.

    Raises:
        Invalid: for a Model that the function refuses.
    """
    _, outcome = compose(claim, _clusters(folder), _definitions())
    return [dict(resource.manifest) for resource in outcome.resources if resource.manifest]


def containers_in(manifest: object, field: str = "containers") -> Iterator[Container]:
    """Yield the containers, or the initContainers, of every pod in a manifest, however deep it stands."""
    if isinstance(manifest, Mapping):
        for container in manifest.get(field) or []:
            yield Container(container["name"], dict(manifest), container)
        for value in manifest.values():
            yield from containers_in(value, field)
    elif isinstance(manifest, Sequence) and not isinstance(manifest, str):
        for value in manifest:
            yield from containers_in(value, field)


def model(name: str, **spec: Any) -> Manifest:
    """Return a Model by its name on the Hub."""
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "model", "namespace": "team-a"},
        "spec": {"model": name, **spec},
    }
