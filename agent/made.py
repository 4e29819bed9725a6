"""Secrets that the agent makes: what they hold, and how a certificate is renewed; all of it pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from functions.api import Undeliverable

from . import authority, rotation
from .delivery import Asked, Undelivered

__all__ = ["made_secret", "refuse_made", "renewal"]


def made_secret(asked: Asked, now: datetime) -> dict[str, Any]:
    """Return the Secret to create as the delivery's source: with a new random value, or a certificate.

    The composite owns it, so it goes with the claim, and stays where a Model moves.
    """
    source, host = asked.spec.source, asked.spec.target.certificate_for
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": source.name,
            "namespace": source.namespace,
            "labels": {"app.kubernetes.io/managed-by": "freehold"},
            "annotations": rotation.annotated(asked),
            "ownerReferences": [asked.owner],
        },
        "type": "Opaque",
        "data": authority.made(host, now) if host else {source.key: rotation.new_value()},
    }


def refuse_made(asked: Asked, metadata: Mapping[str, Any]) -> None:
    """Refuse a source that was not made for the delivery's composite, such as a kubeconfig.

    Raises:
        Undelivered: saying so.
    """
    owners = {owner["uid"] for owner in metadata.get("ownerReferences", ())}
    if asked.composite["uid"] not in owners:
        raise Undelivered(
            Undeliverable.NOT_ALLOWED,
            f"{asked.source} was not made for this claim: delete it if nobody needs it, and one is made",
        )


def renewal(asked: Asked, found: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the patch of a made certificate that is to be renewed, or is for another host; empty: nothing.

    The patch is refused where the Secret has changed. Keys of Models change by their rotation alone.

    Args:
        asked: the delivery.
        found: the Secret.
        now: the time.
    """
    host = asked.spec.target.certificate_for
    if not asked.spec.made or not host:
        return {}
    change = authority.renewed(host, found.get("data") or {}, now)
    if not change:
        return {}
    return {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "data": change}
