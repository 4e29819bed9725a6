"""What is read in a model's config.json, against what vLLM reads in it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from functions.catalog.kinds import kinds
from functions.catalog.tables import rows
from functions.checkpoint.read import read
from tests.contract.conftest import AskVLLM

PUBLISHED = Path(__file__).parents[1] / "checkpoint" / "published.tsv"
ROWS = list(csv.DictReader(PUBLISHED.read_text().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
REPORTS: list[dict[str, Any]] = [json.loads(row["report"]) for row in ROWS]
LATENT = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128}


@pytest.fixture(scope="module")
def answer(ask_vllm: AskVLLM) -> Any:
    types = [{"model_type": name, **LATENT} for name in sorted(kinds())]
    return ask_vllm("kinds", [*types, *(report["config"] for report in REPORTS)])


def test_what_vllm_compresses(answer: Any) -> None:
    """A latent that vLLM does not compress is cached as whole heads: MiniCPM3's cache is 27 times as large."""
    compressed = {name for name, kind in kinds().items() if kind.cache == "latent"}
    said = zip(sorted(kinds()), answer["made"], strict=False)
    assert {name for name, made in said if made["compresses"]} == compressed


def test_the_modules_that_rows_name(answer: Any) -> None:
    named = {module for row in rows("kinds.tsv") for module in row["vllm"].split(", ")}
    assert named <= set(answer["modules"])


# What a file leaves out (Gemma 3 4B), transformers would add, which is not asked here.
STATED = [n for n, report in enumerate(REPORTS) if "num_attention_heads" in report["config"]]


@pytest.mark.parametrize("number", STATED, ids=[ROWS[n]["model"] for n in STATED])
def test_heads_of_published_models(number: int, answer: Any) -> None:
    facts = read(ROWS[number]["model"], REPORTS[number]).facts
    made = answer["made"][len(kinds()) + number]
    cached = facts.latent_dim or max(facts.head_dim, facts.full_head_dim)
    assert (cached, facts.kv_heads) == (made["head_size"], made["kv_heads"])
