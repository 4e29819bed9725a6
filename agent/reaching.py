"""How the agent of the control plane reaches a GPU cluster: by a ProviderConfig, as a provider does."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from functions.api import Undeliverable

from . import elsewhere
from .answers import reading
from .cluster import Cluster
from .delivery import Undelivered
from .kubeconfig import UnusableKubeconfig, usable

__all__ = ["reach"]

_PROVIDER_CONFIGS = "/apis/kubernetes.m.crossplane.io/v1alpha1/namespaces/{}/providerconfigs/{}"


@contextmanager
def reach(control_plane: Cluster, namespace: str, name: str) -> Iterator[Cluster]:
    """Give the cluster that a ProviderConfig names, while the block runs.

    Args:
        control_plane: where the ProviderConfig is.
        namespace: of the ProviderConfig.
        name: of the ProviderConfig.

    Raises:
        Undelivered: where the ProviderConfig or its kubeconfig is missing, or is none that the agent uses.
    """
    what = f"ProviderConfig {namespace}/{name}"
    correct = "the cluster is being claimed anew, or deleted"
    with reading(what, Undeliverable.NO_CREDENTIALS, correct, cluster=True):
        config = control_plane.read(_PROVIDER_CONFIGS.format(namespace, name))
    credentials = config["spec"]["credentials"]
    if credentials["source"] == "InjectedIdentity":
        yield control_plane
        return
    ref = credentials.get("secretRef") or {}
    if credentials["source"] != "Secret" or "identity" in config["spec"]:
        raise Undelivered(
            Undeliverable.NO_CREDENTIALS, f"{what} names no Secret with a kubeconfig", cluster=True
        )
    what = f"Secret {ref['namespace']}/{ref['name']}, the cluster's kubeconfig,"
    with reading(what, Undeliverable.NO_CREDENTIALS, "put the cluster's kubeconfig there", cluster=True):
        held = control_plane.read(f"/api/v1/namespaces/{ref['namespace']}/secrets/{ref['name']}")
    try:
        text = base64.b64decode((held.get("data") or {}).get(ref["key"]) or "").decode()
        with elsewhere.reached(usable(text)) as cluster:
            yield cluster
    except UnusableKubeconfig as error:
        raise Undelivered(Undeliverable.NO_CREDENTIALS, f"{what} {error}", cluster=True) from None
    except (TypeError, ValueError):
        # Not the error itself: it may quote the kubeconfig.
        raise Undelivered(Undeliverable.NO_CREDENTIALS, f"{what} is none", cluster=True) from None
