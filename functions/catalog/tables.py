"""Readers of the tables beside this module."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources

__all__ = ["nearest", "rows"]


def rows(table: str) -> list[Mapping[str, str]]:
    """Read a tab-separated table of this package; an empty cell is an empty string."""
    text = resources.files(__package__).joinpath(table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def nearest(name: str, known: list[str]) -> list[str]:
    """Return up to three known names that are spelled most like a name, the most similar first."""
    by_lower = {k.lower(): k for k in known}
    return [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
