"""The part of package/install.yaml that says how the functions' pods run."""

from __future__ import annotations

from typing import Any

from tools.images.kinds.names import REGISTRY
from tools.install_agent import NAMESPACE

__all__ = ["FUNCTIONS", "LABELS", "functions"]

FUNCTIONS = "freehold-functions"
LABELS = {"app.kubernetes.io/name": "freehold-function"}
"""Of every function's pod."""
_USER = 65532
"""The image's own."""
_PORT = 9443
"""At which Crossplane calls every function (core 2.4.0, internal/controller/pkg/runtime/runtime.go)."""


def functions() -> list[tuple[str, dict[str, Any]]]:
    """Return manifests, each with what it is for."""
    return [
        (
            "How the functions run: as pods that meet the restricted pod security standard, without a token\n"
            "of the API server, which no function asks.",
            {
                "apiVersion": "pkg.crossplane.io/v1beta1",
                "kind": "DeploymentRuntimeConfig",
                "metadata": {"name": FUNCTIONS},
                "spec": {"deploymentTemplate": {"spec": _deployment()}},
            },
        ),
        (
            "Gives the functions that runtime. Crossplane asks by the name that it pulls by: where packages\n"
            "come from a mirror or from a registry of your own, add its prefix here.",
            {
                "apiVersion": "pkg.crossplane.io/v1beta1",
                "kind": "ImageConfig",
                "metadata": {"name": FUNCTIONS},
                "spec": {
                    "matchImages": [{"type": "Prefix", "prefix": f"{REGISTRY}/function-"}],
                    "runtime": {"configRef": {"name": FUNCTIONS}},
                },
            },
        ),
        (
            "Functions are called by Crossplane, and call nobody. Where Crossplane runs elsewhere, put its\n"
            "namespace for crossplane-system.",
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": FUNCTIONS, "namespace": NAMESPACE},
                "spec": {
                    "podSelector": {"matchLabels": LABELS},
                    "policyTypes": ["Ingress", "Egress"],
                    # Core's pods have the labels of a release that may be called otherwise.
                    "ingress": [
                        {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": _PORT}]}
                    ],
                },
            },
        ),
    ]


def _deployment() -> dict[str, Any]:
    """Return what Crossplane completes with the image, the certificates and the selector."""
    container = {
        "name": "package-runtime",
        # Calls go to pods that are ready: without a probe one is before it serves.
        "readinessProbe": {"tcpSocket": {"port": _PORT}, "periodSeconds": 2, "timeoutSeconds": 3},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    return {"selector": {}, "template": {"metadata": {"labels": dict(LABELS)}, "spec": pod}}
