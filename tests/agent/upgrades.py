"""Charts and CRDUpgrades for the tests of the agent."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any

NAMESPACE, CHART = "crossplane-system", "lws v0.10.0"


def archive(files: Mapping[str, str], name: str = "lws") -> bytes:
    """Return a chart of some files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()


def crd(name: str, **served: bool) -> dict[str, Any]:
    """Return a CRD with some versions, and whether each is served; v1 alone where none is named."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"versions": [{"name": n, "served": s} for n, s in (served or {"v1": True}).items()]},
    }


def upgrade(
    name: str = "eu-lws-crds",
    *,
    repository: str = "oci://mirror.example.org/charts",
    version: str = "v0.10.0",
    secret: str = "",
    cluster: str = "eu",
    generation: int = 1,
    **metadata: Any,
) -> dict[str, Any]:
    """Return a CRDUpgrade as the API server has it.

    Args:
        name: of it.
        repository: of the chart.
        version: of the chart.
        secret: namespace of the pull secret; empty for none.
        cluster: name of the ProviderConfig.
        generation: of it.
        metadata: more of it.
    """
    spec = {
        "chart": {"repository": repository, "name": "lws", "version": version},
        "providerConfigRef": {"kind": "ProviderConfig", "name": cluster},
        **({"pullSecretRef": {"namespace": secret, "name": "charts"}} if secret else {}),
    }
    own = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "generation": generation,
        "labels": {"crossplane.io/claim-namespace": "platform"},
        **metadata,
    }
    return {"metadata": own, "spec": spec}
