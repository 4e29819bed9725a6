"""The weights of published models, sized from config.json alone, against the sizes that the Hub shows.

published.tsv holds a report of each model: key figures, not files. Its columns: `gib` of the weights' files;
`dimensions` says where the keys come from: aic (github.com/ai-dynamo/aiconfigurator, model_configs of
2026-08-21), ome (github.com/sgl-project/ome, testdata), transformers (the keys of the family with the
dimensions that its model cards state), else the sources of the catalog's row, whose dimensions stand
under the keys of the family; `size`: the catalog's row, the Hub's count of parameters of that day, or ti:N,
file N of a public index of texts that repeats the Hub's count.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from functions.catalog import bytes_per_token, models
from functions.checkpoint.read import Entry, read

MOST = 0.03
ROWS = list(
    csv.DictReader(
        (Path(__file__).parent / "published.tsv").read_text().splitlines(),
        delimiter="\t",
        quoting=csv.QUOTE_NONE,
    )
)


def entry(row: dict[str, str]) -> Entry:
    report: dict[str, Any] = json.loads(row["report"])
    assert "weights" not in report, "only config.json counts here"
    return read(row["model"], report)


@pytest.mark.parametrize("row", ROWS, ids=[row["model"] for row in ROWS])
def test_weights_follow_from_the_config(row: dict[str, str]) -> None:
    found = entry(row)
    assert found.facts.checkpoint_gib == pytest.approx(float(row["gib"]), rel=MOST)
    assert len(row["report"]) < 1500, "a termination message holds 4096 bytes"


def test_how_many() -> None:
    assert len(ROWS) >= 150
    assert {row["model"] for row in ROWS} >= set(models())


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["model"] in models()], ids=lambda row: row["model"]
)
def test_the_catalogs_rows_are_found_again(row: dict[str, str]) -> None:
    """What decides the KV cache, as the rows have it that people checked."""
    found, known = entry(row).facts, models()[row["model"]]
    for field in (
        "layers",
        "attention_heads",
        "latent_dim",
        "sliding_window",
        "full_attention_layers",
        "precision",
    ):
        assert getattr(found, field) == getattr(known, field), field
    for field in ("full_kv_heads", "full_head_dim", "indexed_layers", "encoder", "state_bytes"):
        assert getattr(found, field) == getattr(known, field), field
    assert bytes_per_token(found) == bytes_per_token(known)
    # Vision is counted otherwise, the rows have what is left of the published size; so are encoders' positions.
    if found.encoder:
        return
    assert found.weights_per_gpu_gib == pytest.approx(known.weights_per_gpu_gib, rel=0.02)
