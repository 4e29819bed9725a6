"""The GPU that a name means: the catalog's own name, the driver's, the label of a node, or what people write.

`H100-80GB`, `h100 80gb`, `NVIDIA H100 80GB HBM3` (the driver) and `NVIDIA-H100-80GB-HBM3` (GPU Feature
Discovery's label of a node) are one GPU. `H100` is the H100 with SXM where one GPU is asked for, and any
H100 where several will do.
"""

from __future__ import annotations

import re
from functools import cache

from .machines import GPU, gpus
from .tables import rows

__all__ = ["gpu_named", "gpus_named", "same_name"]

_BRANDS = {"nvidia", "geforce", "tesla", "quadro", "graphics", "gpu"}
"""Words that the driver adds and people leave out."""


def gpu_named(text: str) -> GPU | None:
    """Return the one GPU of the catalog that a name means; None for an unknown or an ambiguous name."""
    found = _exact().get(_key(text))
    if found is None:
        likely = _with_words(text)
        found = likely[0] if len(likely) == 1 else None
    return gpus()[found] if found else None


@cache
def gpus_named(text: str) -> tuple[str, ...]:
    """Return the catalog's names of all GPUs that a name may mean: of `H100`, every H100; none if unknown.

    The catalog's own name means that GPU alone.
    """
    own = next((name for name in gpus() if _key(name) == _key(text)), None)
    return (own,) if own else _with_words(text)


def same_name(one: str, other: str) -> bool:
    """Tell whether two names differ in brand, case and punctuation at most."""
    return _key(one) == _key(other)


def _with_words(text: str) -> tuple[str, ...]:
    """Return the GPUs that have every word of a text in one of their names, where one word has a digit."""
    wanted = _words(text)
    if not any(character.isdigit() for word in wanted for character in word):
        return ()
    return tuple(sorted(name for name, words in _all_words().items() if wanted <= words))


@cache
def _exact() -> dict[str, str]:
    """Return the catalog's name by every other name, without brand, case and punctuation."""
    found: dict[str, str] = {}
    for names in _names().values():
        for name in names:
            found.setdefault(_key(name), names[0])
    # The catalog's own names come first where a label of one GPU is the name of another.
    return found | {_key(name): name for name in gpus()}


@cache
def _all_words() -> dict[str, frozenset[str]]:
    return {
        gpu: frozenset(word for name in names for word in _words(name)) for gpu, names in _names().items()
    }


@cache
def _names() -> dict[str, tuple[str, ...]]:
    """Return the names of each GPU, the catalog's first."""
    return {
        row["gpu"]: tuple(filter(None, (row["gpu"], row["product_label"], *row["aliases"].split(";"))))
        for row in rows("gpus.tsv")
        if row["gpu"] in gpus()
    }


def _key(text: str) -> str:
    return "".join(_split(text))


def _words(text: str) -> frozenset[str]:
    return frozenset(_split(text))


def _split(text: str) -> list[str]:
    """Return the words of a name in their order: `NVIDIA A100-SXM4-80GB` -> a100, sxm, 80gb."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    plain = (re.sub(r"^sxm\d$", "sxm", re.sub(r"^(\d+)gi?b?$", r"\1gb", word)) for word in words)
    return [word for word in plain if word not in _BRANDS]
