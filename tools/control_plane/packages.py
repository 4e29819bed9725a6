"""Crossplane packages of a control plane: pushed to its registry, asked for, and waited for."""

from __future__ import annotations

import base64
import http.client
from functools import partial
from pathlib import Path

from functions.catalog import Provider, providers
from tools import paths
from tools.control_plane.api import Api, ApiError, condition
from tools.control_plane.binaries import PROVIDER_HELM, PROVIDER_KUBERNETES
from tools.control_plane.layout import NAMESPACE
from tools.control_plane.providers import crds as built_crds
from tools.control_plane.waiting import wait_for
from tools.images.image import Image
from tools.images.kinds import Kind
from tools.images.kinds.packages import object_name, package
from tools.images.publish import Version, publish
from tools.images.registry import Registry
from tools.images.store import Store
from tools.manifests import Manifest, load
from tools.provider_status import TIME

__all__ = [
    "API",
    "PROVIDERS",
    "ask",
    "crds",
    "dependencies",
    "healthy",
    "installed",
    "push",
    "run_outside",
    "wait_healthy",
]

API = "pkg.crossplane.io/v1"
INSTALL_SECONDS = 180
PROVIDERS = tuple(p for p in providers().values() if p.name in ("provider-kubernetes", "provider-helm"))
"""What a Configuration depends on beside the functions."""
_BUILT = {tool.name: tool for tool in (PROVIDER_HELM, PROVIDER_KUBERNETES)}
_RUNS = {
    "type": "RuntimeHealthy",
    "status": "True",
    "reason": "HealthyPackageRevision",
    "message": "a process beside core",
    "lastTransitionTime": TIME,
}


def push(remote: Registry, *kinds: Kind) -> None:
    """Publish packages for this machine's architecture, made unless they were before."""
    publish(remote, [Version(kind, [Store().build(kind.name, kind.make("amd64"))]) for kind in kinds])


def dependencies(*wanted: Provider) -> tuple[Kind, ...]:
    """Return packages of providers, by default PROVIDERS: their CRDs, and nothing that runs."""
    return tuple(
        Kind(each.name, f"the CRDs of {each.name}", partial(_stand_in, each), _image(each))
        for each in wanted or PROVIDERS
    )


def _image(provider: Provider) -> str:
    return f"{provider.package}:v{provider.since}"


def _stand_in(provider: Provider, architecture: str) -> Image:
    meta: Manifest = {
        "apiVersion": "meta.pkg.crossplane.io/v1",
        "kind": "Provider",
        "metadata": {"name": provider.name},
        # As those of the real packages: with it, Crossplane serves the kinds that are activated.
        "spec": {} if provider in PROVIDERS else {"capabilities": ["safe-start"]},
    }
    return Image([package([meta, *crds(provider)])], architecture=architecture)


def crds(provider: Provider) -> list[Manifest]:
    """Return the real CRDs of a provider: of the version that runs here, or as far as they are here."""
    if provider.name in _BUILT:
        return built_crds(_BUILT[provider.name])
    found = (each for each in load(paths.schemas()) if each["kind"] == "CustomResourceDefinition")
    return [each for each in found if each["spec"]["group"] == provider.group]


def ask(api: Api, kind: str, name: str, package: str) -> None:
    """Apply a package's object, as a platform team does to install and to move it.

    Args:
        api: of the control plane.
        kind: Configuration, Function or Provider.
        name: the object's.
        package: the image with its tag.
    """
    manifest = {"apiVersion": API, "kind": kind, "metadata": {"name": name}}
    api.apply({**manifest, "spec": {"package": package}})


def wait_healthy(api: Api, kind: str, name: str, package: str) -> None:
    """Return when a package is installed from an image, and healthy."""
    wait_for(f"{package} to be healthy", lambda: healthy(api, kind, name, package), INSTALL_SECONDS)


def healthy(api: Api, kind: str, name: str, package: str) -> bool:
    """Say whether a package is installed from an image, by its name in the world, and healthy."""
    found = api.find(API, kind, name)
    if found is None or found["spec"]["package"] != package:
        return False
    revision = installed(api, found)
    return (
        revision is not None
        and revision["spec"]["image"] == package
        and condition(revision, "RevisionHealthy").get("status") == "True"
        and all(condition(found, type_).get("status") == "True" for type_ in ("Installed", "Healthy"))
    )


def installed(api: Api, package: Manifest) -> Manifest | None:
    """Return the current revision of a package; None while there is none."""
    name = package.get("status", {}).get("currentRevision", "none")
    return api.find(API, f"{package['kind']}Revision", name)


def run_outside(api: Api, name: str, certificates: Path) -> None:
    """Say of a provider, which core does not run, that it runs; return when it is healthy.

    Whatever runs packages in place of core names the Secret of a certificate for webhooks, before which core
    installs no CRD.

    Args:
        api: of the control plane.
        name: of the provider's package.
        certificates: the folder of its certificate.
    """
    [provider] = [each for each in providers().values() if each.name == name]
    secret = f"{name}-webhooks"
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret, "namespace": NAMESPACE},
            "data": {"tls.crt": base64.b64encode((certificates / "tls.crt").read_bytes()).decode()},
        }
    )
    own, image = object_name(name, provider.package.rpartition("/")[0]), _image(provider)

    def runs() -> bool:
        found = api.find(API, "Provider", own)
        revision = installed(api, found) if found else None
        if revision is not None:
            _say_it_runs(api, revision, secret)
        return healthy(api, "Provider", own, image)

    wait_for(f"{image} to be healthy", runs, INSTALL_SECONDS)


def _say_it_runs(api: Api, revision: Manifest, secret: str) -> None:
    status = revision.get("status", {})
    others = [each for each in status.get("conditions", ()) if each["type"] != _RUNS["type"]]
    if status.get("tlsServerSecretName") == secret and len(others) < len(status["conditions"]):
        return
    told = {"tlsServerSecretName": secret, "conditions": [*others, _RUNS]}
    change = {"metadata": {"resourceVersion": revision["metadata"]["resourceVersion"]}, "status": told}
    try:
        api.patch(revision, change, "status")
    except ApiError as error:
        # Core has written it meanwhile.
        if error.code != http.client.CONFLICT:
            raise
