"""The keys of all Models of a cluster, for the address that they share: a pure function of Models' keys.

Envoy knows a client by the key alone, and refuses everybody once a key stands there twice. So a key counts
for one client id, and whatever is none, or is another's, is left out and told: it keeps nobody else out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["KeysOf", "Merged", "decoded", "merged"]

_SHORTEST, _LONGEST = 16, 1024
"""Bytes of a key."""
_PRINTABLE = re.compile(rb"[!-~]*")
_CLIENT = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_FORMER = "__former"
"""Ends the id of whoever has the Model's own key of before."""
_MOST_BYTES = 700_000
"""Of ids and keys together: a Secret holds a MiB, in base64."""


class KeysOf(NamedTuple):
    """A Model that has a route, and its keys."""

    namespace: str
    """Of the claim."""
    name: str
    """Of the claim."""
    data: Mapping[str, str]
    """The keys by client id, in base64, as the Secret in the Model's namespace has them."""

    @property
    def model(self) -> str:
        """What requests name the Model by."""
        return f"{self.namespace}/{self.name}"


class Merged(NamedTuple):
    """The keys that count, whom they let in, and what is left out."""

    data: dict[str, str]
    """The keys by client id, in base64."""
    models: dict[str, list[str]]
    """By client id, the Models that the key is for, as NAMESPACE/NAME, in order."""
    left_out: list[str]
    """Client ids whose keys do not count, and why, in words that hold no key."""


class _Holder(NamedTuple):
    model: str
    id: str
    shared: str
    """Id of the client where several Models have its key; empty for a Model's own key."""


def merged(models: Iterable[KeysOf]) -> Merged:
    """Return the keys of some Models, each with one client id."""
    holders: dict[bytes, list[_Holder]] = defaultdict(list)
    left_out: list[str] = []
    for each in sorted(models, key=lambda model: model.model):
        for id_, value in sorted(each.data.items()):
            key = decoded(value)
            client = _client(each, id_)
            why = "is no client id of this Model" if client is None else _fault(key)
            if why:
                left_out.append(f"{id_} of {each.model} {why}")
                continue
            shared = f"{each.namespace}_{client}" if client else ""
            holder = _Holder(each.model, id_, shared)
            # While a Model moves within the cluster it has two namespaces.
            if holder not in holders[key]:
                holders[key].append(holder)
    found = Merged({}, {}, left_out)
    size = 0
    for key, held in sorted(holders.items(), key=lambda item: item[1]):
        id_ = held[0].id if len(held) == 1 else held[0].shared
        size += len(id_) + len(key)
        why = _conflict(held, id_, found.data)
        if not why and size > _MOST_BYTES:
            why = "is one key more than the shared address can have"
        if why:
            left_out += [f"{holder.id} of {holder.model} {why}" for holder in held]
            continue
        found.data[id_] = base64.b64encode(key).decode()
        found.models[id_] = sorted({holder.model for holder in held})
    return found


def _client(model: KeysOf, id_: str) -> str | None:
    """Return the client's name of an id; empty for the Model's own key, None for another Model's id."""
    own = f"{model.namespace}.{model.name}"
    if id_ in (own, f"{own}{_FORMER}"):
        return ""
    client = id_.removeprefix(f"{own}_")
    return client if client != id_ and _CLIENT.fullmatch(client) else None


def decoded(value: str) -> bytes:
    """Return a value of a Secret; empty for what is no base64."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _fault(key: bytes) -> str:
    """Say why a key does not count, in words that hold nothing of it; empty where it does."""
    if not _PRINTABLE.fullmatch(key):
        return "has a key with characters other than printable ASCII, or blanks"
    if len(key) < _SHORTEST:
        return f"has a key of fewer than {_SHORTEST} characters"
    if len(key) > _LONGEST:
        return f"has a key of more than {_LONGEST} characters"
    return ""


def _conflict(held: list[_Holder], id_: str, taken: Mapping[str, str]) -> str:
    """Say why nobody can be told by a key; empty where it is one client's of one namespace."""
    if len(held) > 1 and (not id_ or any(holder.shared != id_ for holder in held)):
        return "has the key of another client"
    # Two Models of the namespace have one key for the client, and two others another one.
    return "has the name of another client with another key" if id_ in taken else ""
