"""What API servers answer while a Secret is read or written, in words that hold nothing of it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

from urllib3.exceptions import HTTPError

from functions.api import Undeliverable, contract

from .cluster import Refused
from .delivery import Asked, Undelivered

__all__ = ["making", "reading", "writing"]

_HIDDEN = (http.client.UNPROCESSABLE_ENTITY, http.client.BAD_REQUEST)
"""Answers that may repeat what was sent."""
_NO_KUBERNETES = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What comes of an answer that is none of a Kubernetes API."""


@contextmanager
def reading(what: str, missing: Undeliverable, correct: str, *, cluster: bool = False) -> Iterator[None]:
    """Turn what the control plane answers into words."""
    try:
        yield
    except Refused as error:
        if error.code == http.client.NOT_FOUND:
            raise Undelivered(missing, f"{what} does not exist: {correct}", cluster=cluster) from None
        if error.code == http.client.FORBIDDEN:
            raise Undelivered(
                Undeliverable.NOT_READABLE,
                f"the agent may not read {what}: bind the ClusterRole {contract.DELIVERY_AGENT}-reads there",
            ) from None
        raise Undelivered(Undeliverable.NOT_READABLE, f"{what} cannot be read: {error}") from None
    except (HTTPError, OSError) as error:
        raise Undelivered(
            Undeliverable.NOT_READABLE, f"the control plane does not answer: {type(error).__name__}"
        ) from None


@contextmanager
def making(asked: Asked) -> Iterator[None]:
    """Turn what is answered to a source that is made, or changed, into words.

    One that is there already, or has changed meanwhile, is no fault: another delivery of the Model was
    faster.
    """
    try:
        yield
    except Refused as error:
        if error.code == http.client.CONFLICT:
            return
        if error.code >= http.client.INTERNAL_SERVER_ERROR:
            raise Undelivered(Undeliverable.NOT_READABLE, f"the control plane answers {error.code}") from None
        raise Undelivered(
            Undeliverable.NOT_READABLE,
            f"the agent may not make {asked.source} ({error.code}): apply package/install.yaml of this "
            "version to the control plane",
        ) from None
    except (HTTPError, OSError) as error:
        raise Undelivered(
            Undeliverable.NOT_READABLE, f"the control plane does not answer: {type(error).__name__}"
        ) from None


@contextmanager
def writing(to: str, *, hides: bool = True) -> Iterator[None]:
    """Turn what the cluster answers into words.

    Args:
        to: what is written, as messages name it.
        hides: whether what is written is nobody's to see, so neither is an answer that may repeat it.
    """
    try:
        yield
    except Refused as error:
        if error.code >= http.client.INTERNAL_SERVER_ERROR or error.code == http.client.UNAUTHORIZED:
            raise Undelivered(
                Undeliverable.CLUSTER_UNREACHABLE,
                f"the cluster's API answers {error.code}: ask its owner for a valid kubeconfig",
                cluster=True,
            ) from None
        why = f"{error.code}" if hides and error.code in _HIDDEN else str(error)
        allow = "ask its owner to allow it"
        if error.code == http.client.FORBIDDEN:
            own = f"bind the ClusterRole {contract.DELIVERY_AGENT}-writes"
            allow = f"{allow}; where the cluster is the control plane itself, {own}"
        raise Undelivered(Undeliverable.REFUSED, f"the cluster refuses {to} ({why}): {allow}") from None
    except (HTTPError, OSError, *_NO_KUBERNETES) as error:
        raise Undelivered(
            Undeliverable.CLUSTER_UNREACHABLE,
            f"the cluster's API does not answer ({type(error).__name__}): ask its owner to see after it",
            cluster=True,
        ) from None
