"""Crossplane packages: what a platform team installs.

A package is an image with a layer that holds package.yaml, by which Crossplane knows it. A function's is its
runtime as well: the layers of the functions' image, and a variable that says which one it serves. Crossplane
names the functions that a Configuration depends on after their repositories, so its compositions do too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from functions.catalog import image
from functions.main import FUNCTIONS
from functions.node_pools.place import Place
from tools import paths
from tools.images.image import Image, Part
from tools.images.kinds import clouds, functions
from tools.images.kinds.about import about
from tools.images.kinds.kind import Kind
from tools.images.kinds.names import REGISTRY, labels, published, version
from tools.images.tree import File
from tools.manifests import Manifest, dump, load

__all__ = ["CONFIGURATION", "configuration", "kinds", "object_name", "package"]

CONFIGURATION = "configuration-freehold"
_AGENTS = "function-cluster-stack"
"""Installs the agent, by default from where this project publishes its image."""
_MARK = {"io.crossplane.xpkg": "base"}
"""By which Crossplane finds the layer (crossplane-runtime 2.4.0, pkg/xpkg/client.go)."""


def kinds(registry: str = REGISTRY, tag: str = "") -> tuple[Kind, ...]:
    """Return the packages as they are named in a registry, by default under the tag of this version."""
    tag_ = tag or version()
    made = [
        Kind(name, what, make, reference=published(name, registry, tag))
        for name, what, make in (
            *(
                (f"function-{short}", f"the package of function-{short}", partial(_function, short))
                for short in FUNCTIONS
            ),
            (
                CONFIGURATION,
                "XRDs and compositions, and what they depend on",
                partial(_shipped, registry, tag_),
            ),
            *(
                (
                    clouds.package_name(cloud),
                    f"what {CONFIGURATION} needs on {cloud.label}",
                    partial(_cloud, cloud, registry, tag_),
                )
                for cloud in clouds.CLOUDS
            ),
        )
    ]
    return tuple(made)


def object_name(name: str, registry: str = REGISTRY) -> str:
    """Return the name of the Function that Crossplane makes for a dependency.

    Of the repository without its registry; ToDNSLabel of crossplane-runtime 2.4.0, pkg/xpkg/name.go.
    """
    repository = published(name, registry).rpartition(":")[0].partition("/")[2]
    return "".join("-" if each in "./:-" else each for each in repository if each.isalnum() or each in "./:-")


def _function(short: str, architecture: str) -> Image:
    runtime = functions.KIND.make(architecture)
    folder = paths.PACKAGE / f"function-{short}"
    documents = [*map(about, load(folder / "crossplane.yaml")), *load(folder / "input.yaml")]
    return replace(
        runtime,
        parts=[*runtime.parts, package(documents)],
        environment={**runtime.environment, "FUNCTION": short},
        labels=labels(f"function-{short}"),
    )


def _shipped(registry: str, tag: str, architecture: str) -> Image:
    return configuration(load(paths.COMPOSITIONS), registry, tag, architecture)


def configuration(
    compositions: Sequence[Manifest], registry: str = REGISTRY, tag: str = "", architecture: str = "amd64"
) -> Image:
    """Return a Configuration with compositions: the shipped ones, or what a platform team made of them.

    Args:
        compositions: as they stand in `compositions`: they name functions by their short names.
        registry: of the functions, and of the agent's image.
        tag: theirs; that of this version by default. Newer functions will do, too.
        architecture: that the image says it is for. Nothing in it runs.
    """
    tag = tag or version()
    meta = _meta()
    # Older functions do not know what newer compositions say to them.
    meta["spec"]["dependsOn"] += [_own("Function", f"function-{short}", registry, tag) for short in FUNCTIONS]
    named = [_named(each, registry, tag) for each in compositions]
    served = clouds.activation("freehold", clouds.EVERYWHERE)
    documents = [about(meta), *load(paths.XRDS), *named, served]
    return Image([package(documents)], labels=labels(CONFIGURATION), architecture=architecture)


def _cloud(cloud: Place, registry: str, tag: str, architecture: str) -> Image:
    depends_on = [_own("Configuration", CONFIGURATION, registry, tag)]
    meta = clouds.meta(cloud, _meta()["spec"]["crossplane"], depends_on)
    documents = [about(meta), clouds.activation(f"freehold-{cloud.name}", cloud.kinds)]
    name = clouds.package_name(cloud)
    return Image([package(documents)], labels=labels(name), architecture=architecture)


def _meta() -> Manifest:
    [meta] = load(paths.PACKAGE / CONFIGURATION / "crossplane.yaml")
    return meta


def _own(kind: str, name: str, registry: str, tag: str) -> Manifest:
    """Return a dependency on a package of ours, of this version or newer."""
    package = published(name, registry).rpartition(":")[0]
    return {"apiVersion": "pkg.crossplane.io/v1", "kind": kind, "package": package, "version": f">={tag}"}


def _named(composition: Manifest, registry: str, tag: str) -> Manifest:
    """Return a composition that names functions as Crossplane does, and the agent's image as published."""
    agent = published("agent", registry, tag)
    steps = []
    for step in composition["spec"]["pipeline"]:
        name = step["functionRef"]["name"]
        named = {**step, "functionRef": {"name": object_name(name, registry)}}
        if name == _AGENTS and agent != image("agent"):
            named["input"] = {**step["input"], "agent": {**step["input"].get("agent", {}), "image": agent}}
        steps.append(named)
    return {**composition, "spec": {**composition["spec"], "pipeline": steps}}


def package(documents: Sequence[Manifest]) -> Part:
    """Return the layer that makes an image a package of some manifests."""
    content = dump(documents).encode()
    return Part("package.yaml", [content], lambda: {"package.yaml": File(content)}, annotations=_MARK)
