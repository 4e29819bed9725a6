"""Freehold as a platform team installs it: packages in a registry, install.yaml, one Configuration.

The Configuration is a build of the team's own: its compositions name where charts and models come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.main import FUNCTIONS
from tools import paths
from tools.control_plane import charts, packages, plane
from tools.control_plane.api import Api
from tools.control_plane.certificates import Authority
from tools.control_plane.layout import Layout
from tools.control_plane.registry import at
from tools.images.image import Image
from tools.images.kinds import Kind
from tools.images.kinds.names import published, version
from tools.images.kinds.packages import CONFIGURATION, configuration, kinds, object_name
from tools.manifests import Manifest, load

__all__ = ["RUNTIME", "compositions", "configured", "install", "move", "own"]

RUNTIME = "Provider=External;Function=Deployment"
"""What runs packages, as core's argument has it: functions are pods, providers processes beside core."""


def install(layout: Layout, api: Api, authority: Authority, settings: Mapping[str, Any]) -> None:
    """Publish the packages of this clone, and install them.

    Args:
        layout: of the control plane.
        api: its API.
        authority: that signs the providers' certificates.
        settings: of function-vllm's input.
    """
    for manifest in load(paths.INSTALL):
        api.apply(manifest)
    functions = [kind for kind in kinds() if kind.name.startswith("function-")]
    packages.push(at(layout), *packages.dependencies(), *functions)
    move(layout, api, version(), settings)
    for short in FUNCTIONS:
        name = f"function-{short}"
        packages.wait_healthy(api, "Function", object_name(name), published(name))
    for provider in packages.PROVIDERS:
        packages.run_outside(api, provider.name, authority.serve(f"{provider.name}-webhooks"))


def move(layout: Layout, api: Api, tag: str, settings: Mapping[str, Any], needs: str = "") -> None:
    """Publish a version of the Configuration and install it, or move the installed one to it.

    Args:
        layout: of the control plane.
        api: its API.
        tag: of the Configuration.
        settings: of function-vllm's input.
        needs: the tag of the functions and the agent that it needs; by default its own.
    """
    kind = own(layout, tag, settings, needs)
    packages.push(at(layout), kind)
    packages.ask(api, "Configuration", CONFIGURATION, kind.reference)
    packages.wait_healthy(api, "Configuration", CONFIGURATION, kind.reference)


def own(layout: Layout, tag: str, settings: Mapping[str, Any], needs: str = "") -> Kind:
    """Return the package of a version of the Configuration; the arguments are those of `move`."""

    def make(architecture: str) -> Image:
        made = compositions(layout, settings)
        return configuration(made, tag=needs or tag, architecture=architecture)

    return Kind(CONFIGURATION, "XRDs and compositions", make, published(CONFIGURATION, tag=tag))


def configured(layout: Layout, api: Api, settings: Mapping[str, Any]) -> None:
    """Have function-vllm's input be another, by the next version of the Configuration."""
    live = api.get(packages.API, "Configuration", CONFIGURATION)["spec"]["package"]
    minor, _, patch = live.rpartition(":")[2].rpartition(".")
    move(layout, api, f"{minor}.{int(patch) + 1}", settings, f"{minor}.0")


def compositions(layout: Layout, settings: Mapping[str, Any]) -> list[Manifest]:
    """Return the shipped compositions with charts from the control plane's registry.

    Args:
        layout: of the control plane.
        settings: of function-vllm's input.
    """
    found = [charts.mirrored(each, plane.mirror(layout)) for each in load(paths.COMPOSITIONS)]
    for composition in found:
        for step in composition["spec"]["pipeline"]:
            if step["input"]["kind"] == "VLLMInput":
                step["input"] |= settings
    return found
