"""The agent: sums up the pods of each Model of the cluster in one small object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from functions.api import AgentInput, Gateway, Reach, contract
from functions.base import Request, View
from functions.catalog import image

from .component import Auxiliary, Namespace, PodSecurity
from .facts import Facts

__all__ = [
    "ANSWERS",
    "API_SERVER_PORTS",
    "AUXILIARY",
    "GATEWAY_PORTS",
    "SERVICE_ACCOUNT",
    "TO_NAME_SERVERS",
    "agent_pod",
    "api_server_ports",
]

# A gateway looks at its Services and grants in namespaces with this label alone.
_NAMESPACE = Namespace(
    "freehold-agent", PodSecurity.RESTRICTED, labels={"app.kubernetes.io/managed-by": "freehold"}
)
_NAME = "agent"
SERVICE_ACCOUNT = (_NAME, _NAMESPACE.name)
"""Name and namespace of the agent's ServiceAccount."""
_COMPOSED = f"cluster-stack/{_NAME}"
_CLUSTER_WIDE = "freehold-agent"
"""Name of what has no namespace."""
_LABELS = {"app.kubernetes.io/name": _NAME, "app.kubernetes.io/managed-by": "freehold"}
_HEALTH = 8081
_USER = 65532


class _Answers(NamedTuple):
    name: str
    namespace: str
    port: int
    labels: Mapping[str, str]


ANSWERS = _Answers("models", _NAMESPACE.name, 8082, {"app.kubernetes.io/name": _NAME})
"""Where the agent answers a gateway which Models there are: the Service, and the labels of its pods."""
API_SERVER_PORTS = (443, 6443)
"""Of the API server's Service, and of where that leads in most clusters."""
GATEWAY_PORTS = (443, 10443)
"""Of the gateway's Service, and of where that leads: Envoy Gateway has Envoy listen 10000 above a privileged
port."""
_NODE_DNS = "169.254.20.10/32"
"""A node's own name server: https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/"""
TO_NAME_SERVERS: dict[str, Any] = {
    "to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": _NODE_DNS}}],
    "ports": [{"protocol": protocol, "port": port} for protocol in ("UDP", "TCP") for port in (53, 5353)],
}
"""What of a NetworkPolicy lets pods resolve names; OpenShift's name servers listen on 5353."""
_API_SERVER = "api-server"


@cache
def _crd() -> dict[str, Any]:
    """Return the CRD of ModelReport, which `make generate` writes from functions/api."""
    text = resources.files(__package__).joinpath("model_report_crd.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _manifests(given: AgentInput, facts: Facts) -> dict[str, Mapping[str, Any]]:
    # Each Model has a report, which stays empty without an agent.
    crd: dict[str, Mapping[str, Any]] = {"crd": _crd()}
    if not given.install:
        return crd
    rules = [
        # RBAC selects by no label, so this is every namespace's; the agent looks at those of Models alone.
        {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {
            "apiGroups": [contract.REPORT_GROUP],
            "resources": [contract.REPORT_PLURAL],
            "verbs": ["list", "watch", "patch"],
        },
    ]
    if facts.gateway:
        rules += _AT_A_GATEWAY
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _CLUSTER_WIDE}
    account = {"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE.name}
    return {
        **crd,
        "service-account": {
            **_object("v1", "ServiceAccount"),
            # Only the pod below mounts a token.
            "automountServiceAccountToken": False,
        },
        "role": {**_object("rbac.authorization.k8s.io/v1", "ClusterRole", everywhere=True), "rules": rules},
        "binding": {
            **_object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", everywhere=True),
            "roleRef": role,
            "subjects": [account],
        },
        **(_answering() if facts.gateway else {}),
        "network-policy": {**_object("networking.k8s.io/v1", "NetworkPolicy"), "spec": _policy(facts)},
        "deployment": {
            **_object("apps/v1", "Deployment"),
            "spec": {
                "replicas": 1,
                "revisionHistoryLimit": 3,
                # Two agents would write the same reports.
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": {"app.kubernetes.io/name": _NAME}},
                "template": {
                    "metadata": {"labels": _LABELS},
                    "spec": agent_pod(
                        _NAME,
                        given.image or image(_NAME),
                        _at_a_gateway(facts.gateway) if facts.gateway else [],
                        facts.tolerations,
                        {"GATEWAY_AUTHORITIES": facts.gateway_authorities} if facts.gateway else {},
                    ),
                },
            },
        },
    }


def _at_a_gateway(gateway: Gateway) -> list[str]:
    service = f"{contract.GATEWAY}.{contract.GATEWAY_NAMESPACE}.svc"
    return [
        f"--models=:{ANSWERS.port}",
        f"--gateway={service}:{GATEWAY_PORTS[0]}",
        *(["--clients-are-here"] if gateway.reach is Reach.CLUSTER else []),
    ]


_AT_A_GATEWAY: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]},
    {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": ["list", "watch"]},
    {
        "apiGroups": [""],
        "resources": ["secrets"],
        # RBAC takes a list by this name alone for a look at the named ones, in whichever namespace.
        "resourceNames": [contract.MODEL_KEYS],
        "verbs": ["list", "watch"],
    },
]
"""What the agent may do, too, where the Models' keys are merged for the address that they share."""


def _answering() -> dict[str, Mapping[str, Any]]:
    """Return the Service by which a gateway asks which Models there are, and the gateway's leave to."""
    port = {"name": "models", "protocol": "TCP", "port": ANSWERS.port, "targetPort": ANSWERS.port}
    asks = {
        "group": "gateway.networking.k8s.io",
        "kind": "HTTPRoute",
        "namespace": contract.GATEWAY_NAMESPACE,
    }
    return {
        "service": {
            **_object("v1", "Service", name=ANSWERS.name),
            "spec": {"selector": dict(ANSWERS.labels), "ports": [port]},
        },
        "grant": {
            **_object("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", name=ANSWERS.name),
            "spec": {"from": [asks], "to": [{"group": "", "kind": "Service", "name": ANSWERS.name}]},
        },
    }


def _object(api_version: str, kind: str, *, name: str = _NAME, everywhere: bool = False) -> dict[str, Any]:
    place = {"name": _CLUSTER_WIDE} if everywhere else {"name": name, "namespace": _NAMESPACE.name}
    return {"apiVersion": api_version, "kind": kind, "metadata": {**place, "labels": _LABELS}}


def _policy(facts: Facts) -> dict[str, Any]:
    """Let in a gateway's Envoys (probes come from the node), and out to these and the API server's ports.

    A NetworkPolicy cannot name the API server. Its addresses change, and a network plugin that knows it
    as something else than an address takes no address for it. A plugin may look at a packet before or
    after the Service has led it elsewhere.
    """
    ports = [{"protocol": "TCP", "port": port} for port in facts.api_server_ports or API_SERVER_PORTS]
    envoys = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": contract.GATEWAY_NAMESPACE}},
        "podSelector": {"matchLabels": {contract.COMPONENT: contract.GATEWAY_PROXY}},
    }
    to_envoys = [{"protocol": "TCP", "port": port} for port in GATEWAY_PORTS]
    asks = {"from": [envoys], "ports": [{"protocol": "TCP", "port": ANSWERS.port}]}
    return {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": _NAME}},
        "policyTypes": ["Ingress", "Egress"],
        **({"ingress": [asks]} if facts.gateway else {}),
        "egress": [
            {"ports": ports},
            *([{"to": [envoys], "ports": to_envoys}, TO_NAME_SERVERS] if facts.gateway else []),
        ],
    }


def api_server_ports(request: Request) -> tuple[int, ...]:
    """Return the ports of Service default/kubernetes and of where it leads, as they are observed.

    Without an answer they are those that the live policy lets out to; empty where there is none either.
    """
    seen = request.resource(f"{_COMPOSED}-{_API_SERVER}")
    service = seen.each("status", "atProvider", "manifest", "spec", "ports") if seen else ()
    found = {port for each in service for key in ("port", "targetPort") if (port := _port(each, key))}
    if found:
        return tuple(sorted(found))
    policy = request.resource(f"{_COMPOSED}-network-policy")
    rules = policy.each("spec", "forProvider", "manifest", "spec", "egress") if policy else ()
    to_it = (each for rule in rules if not rule.has("to") for each in rule.each("ports"))
    return tuple(port for each in to_it if (port := _port(each, "port")))


def _port(of: View, key: str) -> int:
    """Return a port that is a number; 0 for any other."""
    port = of.number(key) or 0
    return int(port) if 0 < port < 2**16 else 0


def agent_pod(
    account: str,
    image_: str,
    arguments: list[str],
    tolerations: list[dict[str, Any]],
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the spec of an agent's pod, in whichever cluster and mode it runs.

    Args:
        account: its ServiceAccount.
        image_: the agent's.
        arguments: the mode, and what the mode takes.
        tolerations: of the pod.
        environment: variables of the container; empty ones are left out.
    """
    variables = [{"name": name, "value": value} for name, value in (environment or {}).items() if value]

    def probe(path: str) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": "health"}, "periodSeconds": 10, "timeoutSeconds": 3}

    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        # A cluster may have no nodes but those with GPUs.
        "tolerations": tolerations,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": _NAME,
                "image": image_,
                "command": ["python", "-m", "agent"],
                "args": [*arguments, f"--health=:{_HEALTH}"],
                **({"env": variables} if variables else {}),
                "ports": [{"name": "health", "containerPort": _HEALTH, "protocol": "TCP"}],
                "readinessProbe": probe("/readyz"),
                "livenessProbe": {**probe("/healthz"), "failureThreshold": 6},
                "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }


AUXILIARY = Auxiliary(
    name=_NAME,
    label="the agent",
    about="The agent, which reports the state of Models' pods.",
    given=AgentInput,
    namespace=_NAMESPACE,
    manifests=_manifests,
    parts=("crd", "service-account", "role", "binding", "service", "grant", "network-policy", "deployment"),
    without="why a Model's pods do not start is told late and without their logs",
    observed={
        _API_SERVER: {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default"},
        }
    },
)
