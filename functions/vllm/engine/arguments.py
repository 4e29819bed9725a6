"""Arguments of `vllm serve` that users give, read as vLLM's own parser reads them.

vLLM takes an argument in many spellings: `--max-model-len 4096` as one item with '=' or as two, with
'_' for '-', by its short name (`-tp`), by the beginning of a name as long as that is clear
(`--max-model 4096`), and a key of a JSON argument behind a dot (`--compilation-config.mode 3`).
`vllm_arguments.tsv` lists what the parser of vLLM 0.27.1 has, which the contract tests compare with it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from functions.api import OWNED
from functions.catalog import nearest

__all__ = ["Argument", "Misread", "given", "given_flags", "owner_of", "table"]

_NUMBER = re.compile(r"^-\d+$|^-\d*\.\d+$")
_OPTIMIZATION = "--optimization-level"


class Argument(NamedTuple):
    """An argument as it was meant."""

    flag: str
    """Its whole name, such as --max-model-len; of a switch that is turned off, --no-enforce-eager."""
    values: tuple[str, ...]
    as_written: str
    """The item that names it."""


class Misread(NamedTuple):
    """An item that vLLM's parser refuses, or that this version does not know."""

    item: str
    why: str
    remedy: str


class _Known(NamedTuple):
    """An argument of the parser."""

    flag: str
    value: str
    """none, one, optional or many."""


def table(name: str) -> list[Mapping[str, str]]:
    """Read a tab-separated table of this package."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


@cache
def _known() -> Mapping[str, _Known]:
    """Return the parser's arguments by each of their names."""
    found = {}
    for row in table("vllm_arguments.tsv"):
        for name in (row["flag"], *row["aliases"].split()):
            whole = name if name.startswith("--no-") else row["flag"]
            found[name] = _Known(whole, row["value"])
    return found


@cache
def _owners() -> Mapping[str, str]:
    """Return what a user reads of each argument that another field of the spec sets."""
    return {flag: owned.message for owned in OWNED for flag in owned.flags}


def owner_of(argument: Argument) -> str:
    """Return what a user reads of an argument that another field of the spec sets; empty for any other."""
    known = _known().get(argument.flag)
    names = (argument.flag, known.flag if known else "")
    return next((_owners()[name] for name in names if name in _owners()), "")


def given_flags(items: Sequence[str]) -> frozenset[str]:
    """Return the whole names of the arguments among some items."""
    return frozenset(found.flag for found in given(items) if isinstance(found, Argument))


def given(items: Sequence[str]) -> Iterator[Argument | Misread]:
    """Read the items of spec.engine.args in their order."""
    rest = list(items)
    while rest:
        item = rest.pop(0)
        if not item.startswith("-") or item == "-" or _NUMBER.match(item):
            yield Misread(
                item,
                "no argument before it takes it as a value",
                "Leave it out, or write it behind its argument",
            )
            continue
        if item == "--":
            yield Misread(item, "more arguments follow", "Leave it out")
            continue
        key, equals, value = _split(item)
        name, _, path = key.partition(".")
        matching = _matching(name)
        if not matching and not name.startswith("--"):
            # A short name with its value right behind, such as -n2.
            short = _known().get(name[:2])
            if short is not None:
                yield Argument(short.flag, (item[2:],), item)
                continue
        if len(matching) != 1:
            yield _unclear(item, name, matching)
            continue
        [known] = matching
        attached = [value] if equals else []
        if path and not attached and rest:
            attached = [rest.pop(0)]
        taken = attached or _following(rest, known.value)
        del rest[: 0 if attached else len(taken)]
        wrong = _wrong(known, taken, attached=bool(equals))
        if wrong:
            yield Misread(item, wrong, f"Write {known.flag if attached else known.flag + '=VALUE'}")
        else:
            yield Argument(known.flag, tuple(taken), item)


def _split(item: str) -> tuple[str, str, str]:
    """Return an item's name, '=' if there is one, and the value behind it; with '-' for '_' in the name."""
    if item.startswith("-O") and item != "-O":
        return _OPTIMIZATION, "=", item[2:].removeprefix("=")
    if item == "-O":
        return _OPTIMIZATION, "", ""
    key, equals, value = item.partition("=")
    if key.startswith("--"):
        name, dot, path = key.partition(".")
        key = name.replace("_", "-") + dot + path
    return key, equals, value


def _matching(name: str) -> list[_Known]:
    """Return the arguments that a name, or the beginning of one, may mean."""
    exact = _known().get(name)
    if exact is not None:
        return [exact]
    if name in ("-", "--"):
        return []
    return list({known for other, known in _known().items() if other.startswith(name)})


def _unclear(item: str, name: str, matching: Sequence[_Known]) -> Misread:
    if matching:
        meant = " or ".join(sorted(known.flag for known in matching))
        return Misread(item, f"it may mean {meant}", "Write the whole name")
    if " " in name:
        return Misread(item, "a blank is in its name", "Write the value behind '=', or as the next item")
    close = nearest(name, [known for known in _known() if known.startswith("--")])[:1]
    hint = f"Did you mean {close[0]}? If not, leave it out" if close else "Leave it out"
    return Misread(item, "there is no such argument", hint)


def _following(rest: Sequence[str], takes: str) -> list[str]:
    """Return the next items that are values of an argument."""
    if takes == "none":
        return []
    most = len(rest) if takes == "many" else 1
    taken: list[str] = []
    for item in rest[:most]:
        if item.startswith("-") and not _NUMBER.match(item) and " " not in item:
            break
        taken.append(item)
    return taken


def _wrong(known: _Known, taken: Sequence[str], *, attached: bool) -> str:
    if known.value == "none" and attached:
        return "it takes no value"
    if known.value in ("one", "many") and not taken:
        return "its value is missing"
    return ""
