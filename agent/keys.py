"""Keys of a Model's clients: which of them a gateway gets, and why not the others; all of it pure.

A gateway refuses everybody once one key of a route stands there twice, and takes whatever is there otherwise.
So what is not a key of its own is left out here, and the others are delivered.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from functions.api import ClientKey

from .delivery import Asked

__all__ = ["Given", "clients_of", "given", "told"]

_SHORTEST, _LONGEST = 16, 1024
"""Bytes of a key: what is shorter can be guessed, what is longer fills a request's headers."""
_PRINTABLE = re.compile(rb"[!-~]*")


class Given(NamedTuple):
    """What a client's Secret has for a client, or why there is nothing."""

    value: str = ""
    """In base64, as the Secret has it."""
    missing: str = ""
    """In words."""


def given(client: ClientKey, namespace: str, data: Mapping[str, str] | None) -> Given:
    """Return what stands in the Secret that a client names.

    Args:
        client: of the delivery.
        namespace: of the Secret: the claim's.
        data: of the Secret; None where there is none.
    """
    ref = client.secret_ref
    place = f"Secret {namespace}/{ref.name}"
    if data is None:
        return Given(missing=f"{place} does not exist")
    value = data.get(ref.key) or ""
    return Given(value) if value else Given(missing=f"{place} has nothing under the key {ref.key}")


def clients_of(
    asked: Asked, own: Mapping[str, str], found: Sequence[Given]
) -> tuple[dict[str, str], list[str]]:
    """Return the keys of clients to deliver, by their key in the Secret and in base64, and what is left out.

    Of two clients with one key the first has access: nobody could tell the second from it.

    Args:
        asked: the delivery.
        own: what is delivered anyhow, by key and in base64.
        found: what there is for each client, in the delivery's order.
    """
    held = {base64.b64decode(value): "the Model itself" for value in own.values()}
    taken: dict[str, str] = {}
    left_out: list[str] = []
    for client, each in zip(asked.spec.clients, found, strict=True):
        key = _decoded(each.value)
        why = each.missing or _fault(key, held)
        if not why and (client.key in own or client.key in taken):
            why = "another client has its name"
        if why:
            left_out.append(f"{client.name} ({why})")
            continue
        held[key] = f"client {client.name}"
        taken[client.key] = each.value
    return taken, left_out


def told(left_out: Sequence[str], clients: int) -> str:
    """Say which clients have no access, in words that hold no key; empty where all have."""
    if not left_out:
        return ""
    return f"{len(left_out)} of {clients} clients have no access: {'; '.join(left_out)}"


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except binascii.Error:
        return b""


def _fault(key: bytes, held: Mapping[bytes, str]) -> str:
    """Say why a key is not taken, in words that hold nothing of it; empty where it is."""
    if not _PRINTABLE.fullmatch(key):
        end = ", such as the line's end: write it with printf" if key.endswith(b"\n") else ""
        return f"its key has characters other than printable ASCII, or blanks{end}"
    if len(key) < _SHORTEST:
        return f"its key has fewer than {_SHORTEST} characters"
    if len(key) > _LONGEST:
        return f"its key has more than {_LONGEST} characters"
    if key in held:
        return f"its key is that of {held[key]}"
    return ""
