"""Arguments of users are read as vLLM's own parser reads them, and the tables of its names are vLLM's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.catalog import servings
from functions.vllm.engine.arguments import Misread, given, given_flags, table
from functions.vllm.engine.serving import parsers
from tests.contract.conftest import AskVLLM
from tests.vllm.engine.test_arguments import MISREAD, SPELLINGS
from tests.vllm.engine.test_uncounted import ALLOWED
from tests.vllm.engine.test_uncounted import REFUSED as UNCOUNTED

TAKEN = [
    *(items for items, _, _ in SPELLINGS),
    *ALLOWED,
    *(items for items, _ in UNCOUNTED if items not in (["-sc", "no JSON"], ["--no-enable-expert-parallel"])),
]
"""But what vLLM refuses for its value, and what is vLLM's default, which sets nothing."""
REFUSED = [items for items, _ in MISREAD]
"""`--` is ours to refuse: vLLM takes it, and what follows it is no argument any more."""


@pytest.fixture(scope="module")
def told(ask_vllm: AskVLLM) -> Mapping[str, Any]:
    found: Mapping[str, Any] = ask_vllm("spellings", [*TAKEN, *REFUSED])
    return found


def test_the_table_of_arguments_is_vllms(told: Mapping[str, Any]) -> None:
    listed = {
        row["flag"]: ({row["flag"], *row["aliases"].split()}, row["value"])
        for row in table("vllm_arguments.tsv")
    }
    assert listed == {flag: (set(names), value) for flag, names, value in told["arguments"]}


def test_the_table_of_parsers_is_vllms(told: Mapping[str, Any]) -> None:
    assert {kind: sorted(names) for kind, names in parsers().items()} == {
        kind: sorted(names) for kind, names in told["parsers"].items()
    }


def test_vllm_has_every_parser_of_the_catalog(told: Mapping[str, Any]) -> None:
    used = servings().values()
    assert {s.tool_call_parser for s in used} - {""} <= set(told["parsers"]["tool-call"])
    assert {s.reasoning_parser for s in used} - {""} <= set(told["parsers"]["reasoning"])


@pytest.mark.parametrize("items", TAKEN, ids=" ".join)
def test_a_spelling_means_what_vllm_takes_it_for(items: list[str], told: Mapping[str, Any]) -> None:
    meant = {flag.replace("--no-", "--", 1) for flag in given_flags(items)}
    assert set(told["sets"][TAKEN.index(items)]) == meant


@pytest.mark.parametrize("items", [items for items in REFUSED if items != ["--"]], ids=" ".join)
def test_what_is_misread_is_refused_by_vllm(items: list[str], told: Mapping[str, Any]) -> None:
    assert any(isinstance(found, Misread) for found in given(items))
    assert told["sets"][len(TAKEN) + REFUSED.index(items)] is None
