"""Secrets in which a team keeps the keys of its Model's clients: whether they changed, and what they hold."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any

from functions.api import Undeliverable, contract

from .answers import reading
from .cluster import Cluster, Refused
from .delivery import Asked, Version
from .keys import Given, given

__all__ = ["read", "seen"]


def seen(plane: Cluster, asked: Asked) -> tuple[Version | None, ...]:
    """Return the version of each client's Secret; None for one that is not there, or may not be read.

    Raises:
        Undelivered: where the control plane does not answer: what is delivered stays.
    """
    found = _each(asked, plane.metadata)
    return tuple(_version(found[client.secret_ref.name]) for client in asked.spec.clients)


def read(plane: Cluster, asked: Asked) -> tuple[list[Given], tuple[Version | None, ...]]:
    """Return what each client's Secret has for it, and the Secret's version.

    Raises:
        Undelivered: as for `seen`.
    """
    found = _each(asked, plane.read)
    keys: list[Given] = []
    versions: list[Version | None] = []
    for client in asked.spec.clients:
        secret = found[client.secret_ref.name]
        if isinstance(secret, str):
            keys.append(Given(missing=secret))
            versions.append(None)
            continue
        data = None if secret is None else secret.get("data") or {}
        keys.append(given(client, asked.claim_namespace, data))
        versions.append(_version(secret["metadata"] if secret else None))
    return keys, tuple(versions)


_Found = dict[str, Any] | str | None
"""An answer, why the agent may not have one, or None where there is no such Secret."""


def _each(asked: Asked, get: Callable[[str], dict[str, Any]]) -> dict[str, _Found]:
    """Return what is answered for each Secret, by its name; several clients may share one."""
    found: dict[str, _Found] = {}
    for name in dict.fromkeys(client.secret_ref.name for client in asked.spec.clients):
        place = f"Secret {asked.claim_namespace}/{name}"
        with reading(place, Undeliverable.SOURCE_MISSING, "create it"):
            try:
                found[name] = get(f"/api/v1/namespaces/{asked.claim_namespace}/secrets/{name}")
            except Refused as error:
                if error.code == http.client.NOT_FOUND:
                    found[name] = None
                elif error.code == http.client.FORBIDDEN:
                    # The platform's to mend, and no reason to keep the other clients' keys as they were.
                    role = f"{contract.DELIVERY_AGENT}-reads"
                    found[name] = f"the agent may not read {place}: bind the ClusterRole {role} there"
                else:
                    raise
    return found


def _version(metadata: _Found) -> Version | None:
    if not isinstance(metadata, dict):
        return None
    return Version(metadata["uid"], metadata["resourceVersion"])
