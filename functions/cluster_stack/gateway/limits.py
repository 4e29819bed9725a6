"""What counts for the gateway where limits are asked for: Envoy's rate-limit service, and Valkey.

Envoy Gateway runs the service, as its configuration says; Valkey, with the counters, is ours. They are on the
node's disk, so they outlive a restart, and not a move to another node. What Models may use stands in policies
of their own, over which the ceilings of namespaces lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.api import Chart, Gateway, GatewayChart, WhenUnavailable, contract, limit_rules
from functions.base import remote
from functions.catalog import image

from ..component import Own
from ..facts import Facts

__all__ = ["COMMAND", "PARTS", "asks", "components", "config", "own", "valkey_image"]

_VALKEY, _ADDRESS, _SERVICE, _TO_VALKEY, _TO_SERVICE, _FROM_PROXIES, _CEILINGS = PARTS = (
    "limits-valkey",
    "limits-valkey-service",
    contract.GATEWAY_LIMITS.removeprefix("cluster-stack/gateway-"),
    "limits-network-policy-valkey",
    "limits-network-policy-service",
    "limits-network-policy-proxies",
    "limits-ceilings",
)
"""Names of the parts, which end those of composed resources."""
_NAMESPACE = contract.GATEWAY_NAMESPACE
_NAME, _PORT = "valkey", 6379
_RUNS_AS = "envoy-ratelimit"
"""As Envoy Gateway calls the service, its Deployment and its pods."""
_GRPC, _CONFIG = 8081, 18001
"""Where the service is asked, and where it asks the controller for its limits."""
_USER = 65532
_SERVICE_POD = {contract.COMPONENT: "limits"}
_VALKEY_POD = {contract.COMPONENT: _NAME}
_DATA = "/data"
COMMAND = (
    "valkey-server",
    *("--port", str(_PORT), "--dir", _DATA, "--appendonly", "yes", "--save", ""),
    # What ends first goes first where memory is short: counters of a minute.
    *("--maxmemory", "192mb", "--maxmemory-policy", "volatile-ttl"),
    # Without a password it would take nobody from another pod: here a network policy says who may.
    *("--protected-mode", "no"),
)
"""What runs Valkey."""
_TARGET = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": contract.GATEWAY}
_POLICY = "gateway.envoyproxy.io/v1alpha1"


def valkey_image(given: Chart) -> str:
    """Return the image of Valkey: the platform team's, or the package's from where the chart's images are."""
    if isinstance(given, GatewayChart) and given.valkey_image:
        return given.valkey_image
    known, mirror = image(_NAME), given.values.get("global")
    registry = mirror.get("imageRegistry") if isinstance(mirror, Mapping) else None
    return f"{registry}/{known.partition('/')[2]}" if isinstance(registry, str) and registry else known


def config(gateway: Gateway, tolerations: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what Envoy Gateway's configuration says of the service and its pods; nothing without limits."""
    if gateway.limits is None:
        return {}, {}
    counts = {
        "backend": {
            "type": "Redis",
            "redis": {"url": f"{_NAME}.{_NAMESPACE}.svc:{_PORT}"},
        },
        "failClosed": gateway.limits.when_unavailable is WhenUnavailable.REFUSE,
        # Envoy's own are 20 ms, in which a service that has just started does not answer.
        "timeout": "250ms",
    }
    runs = {
        "pod": {"labels": _SERVICE_POD, **tolerations},
        "container": {
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
        },
    }
    return {"rateLimit": counts}, {"rateLimitDeployment": runs}


def components(gateway: Gateway | None) -> list[str]:
    """Return the labels COMPONENT of the pods that count."""
    counts = gateway is not None and gateway.limits is not None
    return [pod[contract.COMPONENT] for pod in (_SERVICE_POD, _VALKEY_POD)] if counts else []


def asks(gateway: Gateway | None) -> list[dict[str, Any]]:
    """Return what else the controller's network policy admits: the service, which asks it for the limits."""
    counts = gateway is not None and gateway.limits is not None
    return [{"from": _pods(_SERVICE_POD), "ports": _tcp(_CONFIG)}] if counts else []


def own(facts: Facts, proxies: Mapping[str, str], tolerations: list[dict[str, Any]]) -> dict[str, Own]:
    """Return the manifests, by what they are; none without limits.

    Args:
        facts: of the cluster.
        proxies: labels of the Envoys' pods.
        tolerations: of pods of the gateway.
    """
    gateway = facts.gateway
    if gateway is None or gateway.limits is None:
        return {}
    made = {
        _TO_VALKEY: Own(_admit(_NAME, _VALKEY_POD, _SERVICE_POD, _PORT)),
        _TO_SERVICE: Own(_admit("limits", _SERVICE_POD, proxies, _GRPC, egress=_SERVICE_REACHES)),
        _FROM_PROXIES: Own(_also_reach("proxies-limits", proxies, _SERVICE_POD, _GRPC)),
        _ADDRESS: Own(_address()),
        _VALKEY: Own(_valkey(facts.valkey_image, tolerations), works=remote.RUNS["Deployment"]),
        _SERVICE: Own(
            _object("apps/v1", "Deployment", _RUNS_AS),
            (_VALKEY, _ADDRESS, _TO_VALKEY, _TO_SERVICE),
            remote.RUNS["Deployment"],
            label="the service that counts for the gateway's limits",
            looks=True,
        ),
    }
    # By the Model that is asked, and not by who asks: who comes with a token has no namespace.
    ceilings = [
        rule
        for each in gateway.limits.namespaces
        for rule in limit_rules.of(each, limit_rules.matching(contract.GATEWAY_MODEL, f"{each.name}/.+"))
    ]
    if ceilings:
        spec = {"targetRefs": [_TARGET], "rateLimit": {"type": "Global", "global": {"rules": ceilings}}}
        made[_CEILINGS] = Own(
            {**_object(_POLICY, "BackendTrafficPolicy", "ceilings"), "spec": spec}, (_SERVICE,)
        )
    return made


def _object(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": _NAMESPACE}}


def _policy(name: str, pods: Mapping[str, str], **spec: Any) -> dict[str, Any]:
    types = [each.capitalize() for each in ("ingress", "egress") if each in spec]
    selected = {"podSelector": {"matchLabels": dict(pods)}, **spec, "policyTypes": types}
    return {**_object("networking.k8s.io/v1", "NetworkPolicy", name), "spec": selected}


def _tcp(port: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port}]


def _pods(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"podSelector": {"matchLabels": dict(labels)}}]


def _admit(
    name: str, to: Mapping[str, str], who: Mapping[str, str], port: int, egress: list[Any] | None = None
) -> dict[str, Any]:
    """Let some pods to others alone, and those on to what is named."""
    return _policy(name, to, ingress=[{"from": _pods(who), "ports": _tcp(port)}], egress=egress or [])


def _also_reach(name: str, who: Mapping[str, str], to: Mapping[str, str], port: int) -> dict[str, Any]:
    return _policy(name, who, egress=[{"to": _pods(to), "ports": _tcp(port)}])


_DNS = [{"protocol": protocol, "port": port} for protocol in ("UDP", "TCP") for port in (53, 5353)]
_SERVICE_REACHES: list[Any] = [
    {"to": _pods(_VALKEY_POD), "ports": _tcp(_PORT)},
    {"to": _pods({"control-plane": "envoy-gateway"}), "ports": _tcp(_CONFIG)},
    {"ports": _DNS},
]


def _address() -> dict[str, Any]:
    ports = [{"name": "valkey", **_tcp(_PORT)[0], "targetPort": _PORT}]
    return {**_object("v1", "Service", _NAME), "spec": {"selector": _VALKEY_POD, "ports": ports}}


def _valkey(image_: str, tolerations: list[dict[str, Any]]) -> dict[str, Any]:
    container = {
        "name": _NAME,
        "image": image_,
        "command": list(COMMAND),
        "ports": [{"name": "valkey", "containerPort": _PORT, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": "valkey"}, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": "valkey"}, "periodSeconds": 10, "failureThreshold": 6},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "counters", "mountPath": _DATA}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"tolerations": tolerations} if tolerations else {}),
        "containers": [container],
        "volumes": [{"name": "counters", "emptyDir": {"sizeLimit": "1Gi"}}],
    }
    spec = {
        "replicas": 1,
        "revisionHistoryLimit": 3,
        # Two would count apart.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _VALKEY_POD},
        "template": {"metadata": {"labels": _VALKEY_POD}, "spec": pod},
    }
    return {**_object("apps/v1", "Deployment", _NAME), "spec": spec}
