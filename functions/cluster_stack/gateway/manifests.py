"""The objects of the gateway beside Envoy Gateway's chart, in the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from functions.api import Gateway, Reach, contract
from functions.base import Request

from ..agent import ANSWERS, API_SERVER_PORTS, GATEWAY_PORTS, TO_NAME_SERVERS
from ..component import Own
from ..facts import Facts
from . import limits, overload, shared_address, usage

__all__ = [
    "BROUGHT",
    "CERTIFICATE",
    "CLIENTS",
    "CONTROLLER",
    "GATEWAY",
    "IN_CLUSTER",
    "ISSUED",
    "MANAGED_BY",
    "PARTS",
    "SERVICE",
    "addresses",
    "composed",
    "own",
    "secret_of",
    "tolerations",
]

CONTROLLER = "gateway.freehold.dev/controller"
"""Name of the controller, as the GatewayClass says whose it is."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "freehold"}
"""Label of the gateway's namespace, and of every Model's."""
PROXIES, CLASS, CLOSED, GATEWAY, CLIENTS, USAGE, SERVICE, CERTIFICATE, TO_PROXIES, TO_CONTROLLER = _OWN = (
    "proxies",
    "class",
    "closed",
    "listener",
    "clients",
    "usage",
    "service",
    "issued",
    "network-policy-proxies",
    "network-policy-controller",
)
PARTS = (*_OWN, *shared_address.PARTS, *limits.PARTS)
"""Names of the parts, which end those of composed resources."""
IN_CLUSTER = ("status", "atProvider", "manifest")
"""Where an Object has what it observes."""
BROUGHT = "certificate"
"""Name of the Secret with the certificate that the claim's Secret holds, or that the agent has made."""
ISSUED = contract.GATEWAY_ISSUED
"""Name of the Secret with the certificate that cert-manager has issued."""

_CLASS = "freehold"
_NAMESPACE = contract.GATEWAY_NAMESPACE
_API = "gateway.networking.k8s.io/v1"
_ENVOY_API = "gateway.envoyproxy.io/v1alpha1"
_PORT, _CONTAINER_PORT = GATEWAY_PORTS
_XDS = 18000
"""Where Envoys get their configuration from the controller."""
_IS_PROXY = {contract.COMPONENT: contract.GATEWAY_PROXY}

_WAIT = "3600s"
"""How long nothing need be sent on a stream: a request may wait in a queue before its first token."""
_IDLE = "300s"
"""How long a connection stays on which nothing is asked: longer than clients keep one."""


def own(facts: Facts) -> dict[str, Own]:
    """Return the manifests of a cluster's gateway, by what they are."""
    gateway = facts.gateway
    assert gateway is not None, "the component is wanted only with one"
    certificate = (CERTIFICATE,) if gateway.issuer_ref else (BROUGHT,)
    return {
        TO_PROXIES: Own(_to_proxies(gateway)),
        TO_CONTROLLER: Own(_to_controller(facts)),
        PROXIES: Own(_proxies(facts, gateway)),
        CLASS: Own(_class(), (PROXIES,), _says("object.status.conditions", "Accepted"), goes=True),
        CLOSED: Own(_closed(), (CLASS,)),
        CLIENTS: Own(_clients(), (CLASS,), _says_some("object.status.ancestors", "Accepted")),
        USAGE: Own(_usage(), (CLASS,)),
        **({CERTIFICATE: Own(issued, works=_READY)} if (issued := _certificate(facts)) else {}),
        SERVICE: Own(
            _service(facts, gateway),
            works=_HAS_ADDRESS if gateway.reach is not Reach.CLUSTER else "",
            label="the gateway's address",
            reaches_out=gateway.reach is not Reach.CLUSTER,
        ),
        GATEWAY: Own(
            _gateway(facts, gateway),
            (CLASS, CLOSED, *certificate),
            _PROGRAMMED,
            label="the gateway",
            goes=True,
        ),
        **shared_address.own(gateway, (CLASS, CLOSED, CLIENTS)),
        **limits.own(facts, _IS_PROXY, tolerations(facts)),
    }


def tolerations(facts: Facts) -> list[dict[str, Any]]:
    """Return the tolerations of pods that have nodes of their own in a cloud, and elsewhere maybe none."""
    return [] if facts.cloud else facts.tolerations


def composed(part: str) -> str:
    """Return the name in the composition of a part."""
    return f"cluster-stack/{contract.GATEWAY_COMPONENT}-{part}"


def addresses(request: Request) -> list[str]:
    """Return the addresses, or DNS names, of the Service; none while it has none."""
    service = request.resource(composed(SERVICE))
    if service is None:
        return []
    if service.text(*IN_CLUSTER, "spec", "type") != "LoadBalancer":
        return [ip] if (ip := service.text(*IN_CLUSTER, "spec", "clusterIP")) else []
    given = service.each(*IN_CLUSTER, "status", "loadBalancer", "ingress")
    return [address for each in given if (address := each.text("hostname") or each.text("ip"))]


def _says(conditions: str, type_: str) -> str:
    return f"has(object.status) && has({conditions}) && {_is_true(conditions, type_)}"


def _says_some(parents: str, type_: str) -> str:
    true = _is_true("p.conditions", type_)
    return f"has(object.status) && has({parents}) && {parents}.exists(p, has(p.conditions) && {true})"


def _is_true(conditions: str, type_: str) -> str:
    """CEL: a condition is True, of the newest generation where it says of which one it is."""
    current = "(!has(c.observedGeneration) || c.observedGeneration >= object.metadata.generation)"
    return f"{conditions}.exists(c, c.type == '{type_}' && c.status == 'True' && {current})"


_READY = _says("object.status.conditions", "Ready")
_HAS_ADDRESS = (
    "has(object.status) && has(object.status.loadBalancer) && has(object.status.loadBalancer.ingress) "
    "&& object.status.loadBalancer.ingress.size() > 0"
)
_PROGRAMMED = (
    f"{_says('object.status.conditions', 'Programmed')} && has(object.status.listeners) "
    f"&& object.status.listeners.all(l, {_is_true('l.conditions', 'ResolvedRefs')} "
    f"&& {_is_true('l.conditions', 'Programmed')})"
)


def _object(api_version: str, kind: str, name: str, spec: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": _NAMESPACE, **more}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _class() -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "GatewayClass",
        "metadata": {"name": _CLASS},
        "spec": {
            "controllerName": CONTROLLER,
            "parametersRef": {
                "group": "gateway.envoyproxy.io",
                "kind": "EnvoyProxy",
                "name": contract.GATEWAY,
                "namespace": _NAMESPACE,
            },
        },
    }


def secret_of(gateway: Gateway) -> str:
    """Return the name of the Secret that the gateway's certificate gets to the cluster in."""
    return ISSUED if gateway.issuer_ref else BROUGHT


def _gateway(facts: Facts, gateway: Gateway) -> dict[str, Any]:
    secret = secret_of(gateway)
    if facts.former and facts.former.serves:
        secret = BROUGHT if secret == ISSUED else ISSUED
    listener = {
        "name": contract.GATEWAY_LISTENER,
        "protocol": "HTTPS",
        "port": _PORT,
        "hostname": gateway.host,
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": secret}]},
        "allowedRoutes": {
            "kinds": [{"kind": "HTTPRoute"}],
            # Of Models, and the gateway's own.
            "namespaces": {"from": "Selector", "selector": {"matchLabels": MANAGED_BY}},
        },
    }
    return _object(_API, "Gateway", contract.GATEWAY, {"gatewayClassName": _CLASS, "listeners": [listener]})


def _proxies(facts: Facts, gateway: Gateway) -> dict[str, Any]:
    """Return how the Envoys run: two, on different nodes, that end what they have begun.

    Envoy Gateway's own security contexts are restricted. Its Service is not the gateway's address: ours is,
    whose load balancer is gone once our Service is.
    """
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": _IS_PROXY},
    }
    deployment = {
        "replicas": 2,
        "pod": {
            "labels": _IS_PROXY,
            "topologySpreadConstraints": [spread],
            **({"tolerations": tolerated} if (tolerated := tolerations(facts)) else {}),
        },
        "container": {
            "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
        },
    }
    kubernetes = {
        "envoyDeployment": deployment,
        "envoyPDB": {"maxUnavailable": 1},
        "envoyService": {"type": "ClusterIP"},
    }
    spec = {
        # Laid over what the chart's values say of Envoys: which image, of a mirror, and its pull secrets.
        "mergeType": "StrategicMerge",
        # Else a thread for each core of a GPU node, of which some have 192.
        "concurrency": 4,
        "provider": {"type": "Kubernetes", "kubernetes": kubernetes},
        "shutdown": {"drainTimeout": "600s"},
        "telemetry": {"accessLog": usage.access_log(gateway.usage.collector)},
    }
    return _object(_ENVOY_API, "EnvoyProxy", contract.GATEWAY, spec)


_TARGET = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": contract.GATEWAY}


def _closed() -> dict[str, Any]:
    """Return what refuses every request on a route without a policy of its own.

    A Model's route has one. Where both are deleted with the Model, the policy may go first.
    """
    spec = {"targetRefs": [_TARGET], "authorization": {"defaultAction": "Deny"}}
    return _object(_ENVOY_API, "SecurityPolicy", contract.GATEWAY, spec)


def _clients() -> dict[str, Any]:
    """Return what is taken from clients: their TLS, paths, headers, and how long they may be silent.

    Envoy resolves `..` in paths, and merges slashes, before it looks for a route. An encoded slash could be
    one for the engine and none for Envoy, and a header with an underscore the same as one with a dash.
    """
    spec = {
        "targetRefs": [_TARGET],
        "tls": {"minVersion": "1.2"},
        "path": {"escapedSlashesAction": "RejectRequest"},
        "headers": {
            "withUnderscoresAction": "RejectRequest",
            # Before a route is looked for: what these say is the gateway's own to say.
            "earlyRequestHeaders": {"remove": list(_OWN_HEADERS)},
        },
        "connection": {"connectionLimit": {"value": 10000}},
        # Load balancers forget a silent connection: AWS' after 350 seconds.
        "tcpKeepalive": {"idleTime": "60s", "interval": "30s", "probes": 5},
        "timeout": {
            "tcp": {"tlsHandshakeTimeout": "10s"},
            "http": {
                "requestHeadersReceivedTimeout": "30s",
                "requestReceivedTimeout": "600s",
                "idleTimeout": _IDLE,
                "streamIdleTimeout": _WAIT,
            },
        },
    }
    return _object(_ENVOY_API, "ClientTrafficPolicy", contract.GATEWAY, spec)


def _usage() -> dict[str, Any]:
    """Have every route counted and what is too much refused, but for one with Lua of its own: there, too."""
    return _object(
        _ENVOY_API,
        "EnvoyExtensionPolicy",
        "usage",
        {"targetRefs": [_TARGET], "lua": [usage.lua(), overload.lua()]},
    )


_OWN_HEADERS = (
    contract.GATEWAY_CLIENT,
    contract.GATEWAY_MODEL,
    contract.GATEWAY_ISSUER,
    contract.GATEWAY_SUBJECT,
)


def _service(facts: Facts, gateway: Gateway) -> dict[str, Any]:
    clouds = (facts.cloud.service_annotations if facts.cloud else None) or {}
    annotations = {**clouds, **(gateway.service_annotations or {})}
    inside = gateway.reach is Reach.CLUSTER
    spec = {
        "type": "ClusterIP" if inside else "LoadBalancer",
        # Clients keep their address, and no node passes on what its own Envoys can take.
        **({} if inside else {"externalTrafficPolicy": "Local"}),
        "selector": _IS_PROXY,
        "ports": [
            {
                "name": contract.GATEWAY_LISTENER,
                "protocol": "TCP",
                "port": _PORT,
                "targetPort": _CONTAINER_PORT,
            }
        ],
    }
    more = {"annotations": annotations} if annotations else {}
    return _object("v1", "Service", contract.GATEWAY, spec, **more)


def _certificate(facts: Facts) -> dict[str, Any] | None:
    gateways = (facts.gateway, facts.former.gateway if facts.former else None)
    gateway = next((each for each in gateways if each and each.issuer_ref), None)
    issuer = gateway.issuer_ref if gateway else None
    if gateway is None or issuer is None:
        return None
    spec = {
        "secretName": ISSUED,
        "dnsNames": [gateway.host],
        "issuerRef": {"group": "cert-manager.io", "kind": issuer.kind.value, "name": issuer.name},
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth"],
    }
    return _object("cert-manager.io/v1", "Certificate", contract.GATEWAY, spec)


def _policy(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    both = {**spec, "policyTypes": ["Ingress", "Egress"]}
    return _object("networking.k8s.io/v1", "NetworkPolicy", name, both)


def _to_proxies(gateway: Gateway) -> dict[str, Any]:
    """Let clients to the Envoys, and those to controller, Models, agent, DNS, issuers' keys and collector."""
    clients: dict[str, Any] = {"from": [{"namespaceSelector": {}}]} if gateway.reach is Reach.CLUSTER else {}
    models = {
        "namespaceSelector": {"matchExpressions": [{"key": contract.MODEL, "operator": "Exists"}]},
        "podSelector": {"matchLabels": {contract.COMPONENT: contract.SERVING}},
    }
    agent = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ANSWERS.namespace}},
        "podSelector": {"matchLabels": ANSWERS.labels},
    }
    spec = {
        "podSelector": {"matchLabels": _IS_PROXY},
        "ingress": [{**clients, "ports": [{"protocol": "TCP", "port": _CONTAINER_PORT}]}],
        "egress": [
            {"to": [{"podSelector": _NO_PROXY}], "ports": [{"protocol": "TCP", "port": _XDS}]},
            {"to": [models]},
            {"to": [agent], "ports": [{"protocol": "TCP", "port": ANSWERS.port}]},
            TO_NAME_SERVERS,
            *(_to_keys(gateway) + usage.egress(gateway.usage.collector)),
        ],
    }
    return _policy("proxies", spec)


def _to_keys(gateway: Gateway) -> list[dict[str, Any]]:
    """Let Envoys to the ports of issuers' keys; whose addresses these are no NetworkPolicy can say."""
    ports = {urlsplit(each.jwks_uri).port or 443 for each in gateway.issuers if each.jwks_uri}
    return [{"ports": [{"protocol": "TCP", "port": port} for port in sorted(ports)]}] if ports else []


def _no(*components: str) -> dict[str, Any]:
    return {
        "matchExpressions": [{"key": contract.COMPONENT, "operator": "NotIn", "values": list(components)}]
    }


_NO_PROXY = _no(contract.GATEWAY_PROXY)
"""Whatever else runs in the namespace: the controller, and the Job that makes its certificates."""


def _to_controller(facts: Facts) -> dict[str, Any]:
    """Let Envoys to the controller, and the controller to the API server alone, by its ports."""
    ports = [{"protocol": "TCP", "port": port} for port in facts.api_server_ports or API_SERVER_PORTS]
    spec = {
        "podSelector": _no(contract.GATEWAY_PROXY, *limits.components(facts.gateway)),
        "ingress": [
            {
                "from": [{"podSelector": {"matchLabels": _IS_PROXY}}],
                "ports": [{"protocol": "TCP", "port": _XDS}],
            },
            *limits.asks(facts.gateway),
        ],
        "egress": [{"ports": ports}],
    }
    return _policy("controller", spec)
