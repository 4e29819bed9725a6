"""Crossplane's packages, and what claims need of them: kinds, roles, compositions and their functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from functions.api import API_VERSION, contract
from functions.base import Whose, remote
from functions.catalog import Provider, image, providers
from functions.main import FUNCTIONS
from tools import paths
from tools.check.core import HELM, VALUES, image_version
from tools.check.finding import Finding, State
from tools.check.reading import Reader
from tools.check.rights import allows
from tools.control_plane.api import condition
from tools.images.kinds.clouds import CLOUDS, package_name, providers_of
from tools.images.kinds.packages import CONFIGURATION, object_name
from tools.install import RUNTIME
from tools.install_agent import NAMESPACE
from tools.manifests import Manifest, group_of, load

__all__ = ["compositions", "definitions", "kinds", "needed_packages", "permissions"]

_PACKAGES = "pkg.crossplane.io/v1"
_XRD = "apiextensions.crossplane.io/v1"
_ACTIVATION = "apiextensions.crossplane.io/v1alpha1"


def _install(kind: str, name: str, package: str) -> str:
    metadata, spec = f"metadata: {{name: {name}}}", f"spec: {{package: {package}}}"
    return f"echo '{{apiVersion: {_PACKAGES}, kind: {kind}, {metadata}, {spec}}}' | kubectl apply -f -"


def _own(name: str) -> str:
    """Return what installs a Configuration that is published with the agent's image."""
    package = image("agent").replace("/agent:", f"/{name}:")
    return _install("Configuration", object_name(name, package.rpartition("/")[0]), package)


_OWN = _own(CONFIGURATION)
_ALWAYS = ("kubernetes.m.crossplane.io", "helm.m.crossplane.io")
"""Groups of the providers that every cluster needs, whichever cloud it is in."""
_FLAGS = ("--enable-watches", "--sanitize-secrets")
"""Of provider-kubernetes, as install.yaml sets them."""
_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")
_COMPOSED = (
    ("", "configmaps"),
    ("", "secrets"),
    (remote.KUBERNETES_API.partition("/")[0], "objects"),
    (remote.HELM_API.partition("/")[0], "releases"),
    (remote.PROTECTION_API.partition("/")[0], "usages"),
    (contract.DELIVERY_API_VERSION.partition("/")[0], contract.DELIVERY_PLURAL),
    (contract.UPGRADE_API_VERSION.partition("/")[0], contract.UPGRADE_PLURAL),
)
"""Group and plural of what core composes, and needs a role for."""


def needed_packages(cluster: Reader) -> Iterator[Finding]:
    """Look at the Configuration, the functions and the providers."""
    yield _package(cluster, "Configuration", CONFIGURATION, _OWN)
    for short in FUNCTIONS:
        yield _package(cluster, "Function", f"function-{short}", _OWN)
    for group, provider in providers().items():
        if group in _ALWAYS:
            yield from _provider(cluster, provider)
    yield from _clouds(cluster)


def _clouds(cluster: Reader) -> Iterator[Finding]:
    """Look at the providers of clouds: either none of a cloud's, or all that its claims need."""
    for cloud in CLOUDS:
        name, needed = package_name(cloud), providers_of(cloud)
        there = _installed(cluster, "Configuration", name) is not None
        if there:
            yield _package(cluster, "Configuration", name, _own(name))
        elif not any(_installed(cluster, "Provider", each.name) for each in needed):
            names = ", ".join(each.name for each in needed)
            says = (
                f"are not installed: claims in {cloud.label} need {names}, claims of existing clusters do not"
            )
            yield Finding(f"Providers of {cloud.label}", State.UNKNOWN, says, Whose.PLATFORM, _own(name))
            continue
        for provider in needed:
            yield from _provider(cluster, provider)


def _provider(cluster: Reader, provider: Provider) -> Iterator[Finding]:
    subject = f"Provider {provider.name}"
    install = _install("Provider", provider.name, f"{provider.package}:v{provider.since}")
    yield _package(cluster, "Provider", provider.name, install)
    installed = _installed(cluster, "Provider", provider.name)
    if installed is None:
        return
    needed = tuple(map(int, provider.since.split(".")))
    found = image_version(installed["spec"]["package"])
    if found is None:
        says = f"is not told by {installed['spec']['package']}; needed is {provider.since}"
        yield Finding(f"{subject}'s version", State.UNKNOWN, says, Whose.PLATFORM)
    elif found < needed:
        says = f"is {'.'.join(map(str, found))}, needed is {provider.since}"
        yield Finding(f"{subject}'s version", State.MISSING, says, Whose.PLATFORM, install)
    if provider.group == _ALWAYS[0]:
        yield from _flags(cluster, installed)


def _flags(cluster: Reader, provider: Manifest) -> Iterator[Finding]:
    """Look at the arguments of provider-kubernetes' pod."""
    name = provider["metadata"]["name"]
    revision = provider.get("status", {}).get("currentRevision", "")
    deployment = next(
        (
            each
            for each in cluster.all("apps/v1", "Deployment", NAMESPACE)
            if (each["metadata"].get("labels") or {}).get("pkg.crossplane.io/revision") == revision != ""
        ),
        None,
    )
    if deployment is None:
        says = f"are not seen: no Deployment of its revision is in namespace {NAMESPACE}"
        yield Finding("Arguments of provider-kubernetes", State.UNKNOWN, says, Whose.PLATFORM)
        return
    [container] = deployment["spec"]["template"]["spec"]["containers"][:1]
    given = {each.partition("=")[0] for each in container.get("args") or () if not each.endswith("=false")}
    for flag in _FLAGS:
        if flag in given:
            yield Finding(f"provider-kubernetes' {flag}", State.OK, "is set", Whose.PLATFORM)
            continue
        runtime = '{"spec":{"runtimeConfigRef":{"name":"' + RUNTIME + '"}}}'
        mend = f"kubectl patch providers.pkg.crossplane.io {name} --type merge --patch '{runtime}'"
        says = "is not set: apply install.yaml, then give the provider its runtime config"
        yield Finding(f"provider-kubernetes' {flag}", State.MISSING, says, Whose.PLATFORM, mend)


def _package(cluster: Reader, kind: str, name: str, install: str) -> Finding:
    subject, live = f"{kind} {name}", _installed(cluster, kind, name)
    if live is None:
        return Finding(subject, State.MISSING, "is not installed", Whose.PLATFORM, install)
    for type_ in ("Installed", "Healthy"):
        said = condition(live, type_)
        if said.get("status") != "True":
            why = said.get("message") or said.get("reason") or "it says nothing of itself"
            look = f"kubectl describe {kind.lower()}s.pkg.crossplane.io {live['metadata']['name']}"
            return Finding(subject, State.MISSING, f"is not {type_.lower()}: {why}", Whose.PLATFORM, look)
    return Finding(subject, State.OK, f"is healthy, {live['spec']['package']}", Whose.PLATFORM)


def _installed(cluster: Reader, kind: str, name: str) -> Manifest | None:
    """Return the package of an image of that name, from whichever registry."""
    found = (each for each in cluster.all(_PACKAGES, kind) if _image_name(each["spec"]["package"]) == name)
    return next(found, None)


def _image_name(package: str) -> str:
    return package.partition("@")[0].rpartition("/")[2].partition(":")[0]


def definitions(cluster: Reader) -> Iterator[Finding]:
    """Look at the XRDs, whose claims an API server takes once they are offered."""
    for xrd in load(paths.XRDS):
        name = xrd["metadata"]["name"]
        live = cluster.find(xrd)
        if live is None:
            yield Finding(f"XRD {name}", State.MISSING, "is not there", Whose.PLATFORM, _OWN)
            continue
        lacks = [t for t in ("Established", "Offered") if condition(live, t).get("status") != "True"]
        if lacks:
            says = f"is not {' and '.join(lacks).lower()}"
            look = f"kubectl describe compositeresourcedefinition {name}"
            yield Finding(f"XRD {name}", State.MISSING, says, Whose.PLATFORM, look)
        else:
            yield Finding(f"XRD {name}", State.OK, "is established and offered", Whose.PLATFORM)


def compositions(cluster: Reader) -> Iterator[Finding]:
    """Look whether each kind has a composition, and each step a function that is healthy."""
    live = [
        each
        for each in cluster.all(_XRD, "Composition")
        if each["spec"]["compositeTypeRef"]["apiVersion"] == API_VERSION
    ]
    functions = {each["metadata"]["name"]: each for each in cluster.all(_PACKAGES, "Function")}
    for xrd in load(paths.XRDS):
        kind = xrd["spec"]["names"]["kind"]
        own = [each for each in live if each["spec"]["compositeTypeRef"]["kind"] == kind]
        if not own:
            yield Finding(f"Composition of {kind}", State.MISSING, "is not there", Whose.PLATFORM, _OWN)
        for composition in own:
            yield _steps(composition, functions)


def _steps(composition: Manifest, functions: dict[str, Manifest]) -> Finding:
    name = composition["metadata"]["name"]
    asked = [step["functionRef"]["name"] for step in composition["spec"].get("pipeline") or ()]
    absent = sorted({each for each in asked if each not in functions})
    if absent:
        there = ", ".join(sorted(functions)) or "none"
        says = f"names functions that are not installed ({', '.join(absent)}); installed: {there}"
        mend = f"kubectl edit composition {name}"
        return Finding(f"Composition {name}", State.MISSING, says, Whose.PLATFORM, mend)
    return Finding(f"Composition {name}", State.OK, "finds its functions", Whose.PLATFORM)


def kinds(cluster: Reader) -> Iterator[Finding]:
    """Look whether the kinds of the providers that are installed are served."""
    for group, provider in providers().items():
        if group not in _ALWAYS and _installed(cluster, "Provider", provider.name) is None:
            continue
        subject = f"Kind {provider.kind} of {group}"
        if cluster.serves(provider.api_version, provider.kind):
            yield Finding(subject, State.OK, "is served", Whose.PLATFORM)
            continue
        says = (
            f"is not served: {provider.name} is not installed, or no ManagedResourceActivationPolicy names it"
        )
        look = "kubectl get managedresourceactivationpolicies,managedresourcedefinitions"
        yield Finding(subject, State.MISSING, says, Whose.PLATFORM, look)
    for policy in cluster.all(_ACTIVATION, "ManagedResourceActivationPolicy"):
        if "*" in policy["spec"].get("activate", ()):
            yield _everything(policy["metadata"]["name"])


def _everything(policy: str) -> Finding:
    """Say that a policy has every kind of every provider served, as Crossplane's chart does by default."""
    says = (
        "activates every kind of every provider, so the policies of our Configurations change nothing; each "
        "kind takes some MiB of the API server's memory, and what is active stays so"
    )
    mend = (
        f"{HELM} --reuse-values --values {VALUES} && "
        f"kubectl delete managedresourceactivationpolicies.apiextensions.crossplane.io {policy}"
    )
    subject = f"ManagedResourceActivationPolicy {policy}"
    return Finding(subject, State.NOTE, says, Whose.INFRASTRUCTURE, mend)


def permissions(cluster: Reader) -> Iterator[Finding]:
    """Look at what core may compose, by the role that gathers all others."""
    role = cluster.find(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "crossplane"},
        }
    )
    if role is None:
        says = "has no ClusterRole crossplane, which gathers its rights"
        yield Finding("Crossplane's rights", State.MISSING, says, Whose.INFRASTRUCTURE, "install Crossplane")
        return
    rules: Sequence[Manifest] = role.get("rules") or ()
    for group, plural in _COMPOSED:
        name = f"{plural}.{group}" if group else plural
        if allows(rules, group, plural, _VERBS):
            yield Finding(f"Crossplane's right to {name}", State.OK, "is granted", Whose.PLATFORM)
            continue
        role_name = f"freehold-composes-{plural}"
        mend = (
            f"kubectl create clusterrole {role_name} --verb={','.join(_VERBS)} --resource={name} && "
            f"kubectl label clusterrole {role_name} rbac.crossplane.io/aggregate-to-crossplane=true"
        )
        if group_of({"apiVersion": contract.DELIVERY_API_VERSION}) == group:
            mend = f"kubectl apply --server-side -f {paths.INSTALL}"
        yield Finding(f"Crossplane's right to {name}", State.MISSING, "is not granted", Whose.PLATFORM, mend)
