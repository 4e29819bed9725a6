"""What a GPU needs beside weights and cache, against published start-up logs and by hand, in GiB.

`measured.tsv` has the runs of vLLM 0.19 on H100-80GB with its default batch (8192 tokens, 1024 sequences)
that llm-d-planner publishes (accuracy/results/v0.19.0/results_raw.csv) of models in the catalog: the
weights that were loaded, torch's peak of activations, the libraries' memory, and the estimate of CUDA graphs.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import pytest

from functions.catalog import models
from functions.vllm.engine import Batch
from functions.vllm.engine.vllm import VLLM
from functions.vllm.size.overhead import overhead
from tests.vllm.size.devices import device

_GIB = 2**30
_LARGE, _SMALL = Batch(8192, 1024), Batch(2048, 256)
H100, L4 = device("H100-80GB"), device("L4")


class Run(NamedTuple):
    model: str
    tensor_parallel: int
    weights: float
    activations: float
    libraries: float
    graphs: float

    @property
    def overhead(self) -> float:
        return self.activations + self.libraries + self.graphs


def runs() -> list[Run]:
    with (Path(__file__).parent / "measured.tsv").open() as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    return [Run(row[0], int(row[1]), *map(float, row[2:])) for row in rows]


@pytest.mark.parametrize("run", runs(), ids=lambda run: f"{run.model} on {run.tensor_parallel}")
def test_a_published_run(run: Run) -> None:
    """Enough for what was measured, and not much too much: the estimate of graphs differs by 1 GiB from run to run."""
    facts = models()[run.model]
    assert VLLM.batches(facts, H100, 8192, 1)[0] == _LARGE
    found = overhead(facts, _LARGE, H100, run.tensor_parallel)
    assert run.overhead <= found.gib <= run.overhead + (1.75 if found.measured else 2.75)


@pytest.mark.parametrize(
    ("name", "batch", "gpus", "nodes", "expected"),
    [
        # A table of 40960 positions of 128 numbers. Logits: 256 sequences x 151936 words x 15 bytes; one and a quarter vectors of 4096 of 2048 tokens
        (
            *("Qwen/Qwen3-8B", _SMALL, 1, 1),
            (0.3 + 0.9 + 40960 * 256 / _GIB + (256 * 151936 * 15 + 2048 * 2 * 1.25 * 4096) / _GIB + 0.1)
            * 1.05,
        ),
        # GPUs without large exchange buffers
        (
            *("Qwen/Qwen3-8B", _SMALL, 2, 1),
            (0.8 + 1.7 + 40960 * 256 / _GIB + (256 * 151936 * 15 + 2048 * 2 * 1.25 * 4096) / _GIB + 0.1)
            * 1.05,
        ),
        # A layer, its MLP divided: 4 x 16384 + 3 x 53248 / 8 numbers of a token
        (
            *("meta-llama/Llama-3.1-405B-Instruct", Batch(65536, 1), 8, 1),
            (0.8 + 1.7 + 131072 * 256 / _GIB + 65536 * 2 * (4 * 16384 + 3 * 53248 / 8) / _GIB) * 1.05,
        ),
        # Layers divided among nodes: not measured
        (
            *("meta-llama/Llama-3.1-405B-Instruct", Batch(65536, 1), 8, 2),
            (0.8 + 1.7 + 131072 * 256 / _GIB + 65536 * 2 * (4 * 16384 + 3 * 53248 / 8) / _GIB) * 1.15,
        ),
        # Eight experts, whose outputs of 7168 are not divided
        (
            *("deepseek-ai/DeepSeek-R1", Batch(65536, 1), 8, 1),
            (0.8 + 2.2 + 163840 * 128 / _GIB + 65536 * 2 * (4 * 7168 + 8 * (7168 + 256) + 3 * 256) / _GIB)
            * 1.15,
        ),
        # An encoder samples nothing
        (
            *("Snowflake/snowflake-arctic-embed-l-v2.0", Batch(65536, 1), 1, 1),
            (0.3 + 0.9 + 65536 * 2 * (4 * 1024 + 3 * 4096) / _GIB) * 1.15,
        ),
        # A vision encoder needs more than small batches do
        ("Qwen/Qwen3.5-4B", _SMALL, 1, 1, (0.3 + 1.4 + 262144 * 512 / _GIB + 1.8) * 1.15),
    ],
)
def test_by_hand(name: str, batch: Batch, gpus: int, nodes: int, expected: float) -> None:
    found = overhead(models()[name], batch, L4, gpus, nodes)
    assert found.gib == pytest.approx(expected)


def test_what_has_been_measured() -> None:
    def measured(name: str, nodes: int = 1) -> bool:
        return overhead(models()[name], _LARGE, H100, 8, nodes).measured

    assert measured("meta-llama/Llama-3.3-70B-Instruct")
    assert not measured("meta-llama/Llama-3.3-70B-Instruct", 2)
    assert not any(map(measured, ("Qwen/Qwen3-30B-A3B", "Qwen/Qwen3.6-27B", "deepseek-ai/DeepSeek-R1")))
