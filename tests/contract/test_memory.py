"""Memory, blocks, batches and GPU counts, against vLLM's own functions on a pretended GPU.

One model of each family of the catalog, on 1, 2, 4 and 8 GPUs, with the arguments that Freehold passes, and one
of each other precision of the family. Models are made from config files without weights (`configs`). What needs a GPU cannot be compared: activations, CUDA
graphs, libraries, and what kernels allocate when they repack weights; start-up logs stand in for them
(`tests/vllm/size/measured.tsv`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from functions.api import ModelSpec
from functions.catalog import ModelFacts, gpus, models
from functions.catalog.tables import rows
from functions.vllm.engine.vllm import VLLM, expert_parallel
from functions.vllm.size.kv_cache import cache_bytes, sequence_bytes
from functions.vllm.size.memory import Fit, fit
from functions.vllm.size.need import Need, need
from functions.vllm.size.tensor_parallel import tensor_parallel_sizes
from tests.contract.configs import config_of, family_of
from tests.contract.conftest import AskVLLM
from tests.vllm.size.devices import device

_GIB = 2**30
_WITHIN = 0.03
SHAPES = {row["model"]: row["shape"] for row in rows("models.tsv")}
H100 = {"name": "NVIDIA H100 80GB HBM3", "capability": [9, 0], "bytes": 81559 * 2**20}
WHOLE = [name for name, gpu in gpus().items() if gpu.cuda_gib and gpu.memory_mib]


class Job(NamedTuple):
    """A model on some GPUs of a node."""

    model: str
    gpus: int
    kv_cache: str = "Auto"

    @property
    def facts(self) -> ModelFacts:
        return self.need.facts

    @property
    def need(self) -> Need:
        engine = {"trustRemoteCode": True, "kvCacheType": self.kv_cache}
        spec = ModelSpec.model_validate({"model": self.model, "engine": engine})
        return need(spec, models()[self.model])

    @property
    def fit(self) -> Fit:
        """On H100s, whether it fits or not."""
        return fit(self.need, device("H100-80GB"), self.gpus)

    @property
    def asked(self) -> dict[str, Any]:
        """What vLLM is asked of it."""
        found, pooling = self.fit, self.facts.task in ("embed", "rerank")
        arguments = {
            "tensor_parallel_size": self.gpus,
            "max_model_len": self.need.context,
            "max_num_batched_tokens": found.batch.tokens,
            "max_num_seqs": found.batch.sequences,
            "kv_cache_dtype": "fp8" if self.kv_cache == "FP8" else "auto",
            "gpu_memory_utilization": found.device.utilization,
            "enable_expert_parallel": expert_parallel(self.facts, self.gpus),
            **({"runner": "pooling"} if pooling else {}),
        }
        if pooling:
            arguments["convert"] = "embed" if self.facts.task == "embed" else "classify"
        free = max(0, round((found.usable_gib - found.weights_gib) * _GIB))
        return {"config": CONFIGS[self.model], "gpu": H100, "arguments": arguments, "free": free}


def _compared() -> list[Job]:
    """Return the smallest model of each family on every count of GPUs, and of its other precisions on the most."""
    jobs: list[Job] = []
    families, kinds = set(), set()
    for name, facts in sorted(models().items(), key=lambda pair: pair[1].parameters_billions):
        family = family_of(SHAPES[name])
        kind = (family, facts.precision, facts.task, facts.expert_block)
        if family is None or kind in kinds:
            continue
        counts = tensor_parallel_sizes(facts, 8)
        jobs += [Job(name, n) for n in (counts if (family, facts.task) not in families else counts[-1:])]
        kinds.add(kind)
        families.add((family, facts.task))
    return jobs


IN_FP8 = [Job(name, n, "FP8") for name in ("Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B") for n in (1, 8)]
JOBS = [*_compared(), *IN_FP8]
REFUSED = [
    Job("microsoft/phi-4", 5),  # a vocabulary of 100352, padded to 64
    Job("Qwen/Qwen2.5-1.5B-Instruct", 6),
    Job("zai-org/GLM-4.7-Flash", 5),
    Job("Qwen/Qwen3-Coder-Next-FP8", 8),  # shared experts of 512 / 8 = 64, in blocks of 128
    Job("Qwen/Qwen3.6-35B-A3B-FP8", 8),
]
LOADED = [name for name in models() if family_of(SHAPES[name]) is not None]
"""Every model of the catalog whose config.json can be built."""
CONFIGS = {job.model: config_of(job.facts, SHAPES[job.model]) for job in (*JOBS, *REFUSED)}


@pytest.fixture(scope="module")
def said(ask_vllm: AskVLLM) -> dict[str, Any]:
    of_gpus = [
        {
            "name": gpus()[name].product or name,
            "capability": gpus()[name].compute_capability,
            "bytes": (gpus()[name].memory_mib or 0) * 2**20,
        }
        for name in WHOLE
    ]
    asked = {
        "jobs": [job.asked for job in (*JOBS, *REFUSED)],
        "loaded": [_loading(name) for name in LOADED],
        "gpus": of_gpus,
    }
    answer: dict[str, Any] = ask_vllm("memory", asked)
    return answer


def _loading(name: str) -> dict[str, Any]:
    facts = models()[name]
    pooling = facts.task in ("embed", "rerank")
    return {
        "config": config_of(facts, SHAPES[name]),
        "gpu": H100,
        "arguments": {"runner": "pooling"} if pooling else {},
    }


@pytest.fixture
def vllm(said: dict[str, Any], job: Job) -> dict[str, Any]:
    """What vLLM says of a job."""
    answer: dict[str, Any] = said["jobs"][[*JOBS, *REFUSED].index(job)]
    return answer


def ids(job: Job) -> str:
    return f"{job.model} on {job.gpus}" + ("" if job.kv_cache == "Auto" else f", KV cache {job.kv_cache}")


@pytest.mark.parametrize("job", JOBS, ids=ids)
def test_as_vllm_counts(job: Job, vllm: dict[str, Any]) -> None:
    """The config loads, the batch is taken, and weights and cache are within 3%, and never 3% below."""
    assert "refused" not in vllm
    found, facts = job.fit, job.facts
    assert [vllm["tokens"], vllm["sequences"]] == list(found.batch)
    in_flight = found.batch.tokens * VLLM.batches_in_flight(facts, 1)
    assert in_flight == vllm["inFlight"] or facts.encoder
    assert found.weights_gib * _GIB == pytest.approx(vllm["weights"], rel=_WITHIN)
    cache = cache_bytes(facts, job.need.context, 1, job.gpus, in_flight)
    assert cache == pytest.approx(vllm["cache"], rel=_WITHIN)


@pytest.mark.parametrize("job", [job for job in JOBS if job.facts.state_bytes], ids=ids)
def test_no_more_sequences_than_vllm_has_blocks(job: Job, vllm: dict[str, Any]) -> None:
    assert vllm["states"]
    assert sequence_bytes(job.facts, job.gpus) == vllm["block"]
    found = job.fit
    assert found.batch.sequences <= vllm["blocks"] or not found.fits
    assert found.fits or job.gpus < 8


@pytest.mark.parametrize("job", REFUSED, ids=ids)
def test_counts_that_are_not_offered_are_refused(job: Job, vllm: dict[str, Any]) -> None:
    assert job.gpus not in tensor_parallel_sizes(job.facts, 8)
    assert "refused" in vllm


def test_the_pinned_vllm_loads_the_config_of_every_model(said: dict[str, Any]) -> None:
    answers = dict(zip(LOADED, said["loaded"], strict=True))
    assert {name: answer["refused"] for name, answer in answers.items() if "refused" in answer} == {}
    wrong = {}
    for name, answer in answers.items():
        config = config_of(models()[name], SHAPES[name])
        assert config is not None
        if answer["architecture"] not in config["architectures"]:
            wrong[name] = (answer["architecture"], config["architectures"])
    # A model that vLLM has no class for is run by Transformers' code.
    assert wrong == {}


@pytest.mark.parametrize("name", WHOLE)
def test_default_batches(name: str, said: dict[str, Any]) -> None:
    """vLLM's own default on a whole GPU."""
    facts = models()["Qwen/Qwen3-8B"]
    assert list(VLLM.batches(facts, device(name), 16384, 1)[0]) == said["batches"][WHOLE.index(name)]


def test_precisions_and_capabilities(said: dict[str, Any]) -> None:
    least = {"fp8": 75, "modelopt_fp4": 75, "mxfp4": 80, "awq_marlin": 75, "compressed-tensors": 70}
    assert said["least"] == least, "functions/vllm/engine/vllm.py: _CAPABILITY"
    assert {tuple(capability) for found in said["sparse"].values() for capability in found} == {
        *((9, 0), (10, 0), (10, 3))
    }, "functions/vllm/engine/vllm.py: _SPARSE_LATENT"
    in_bf16 = {capability for capability, found in said["dtypes"].items() if "torch.bfloat16" in found}
    assert in_bf16 == {"8.0", "8.6", "8.9", "9.0", "10.0", "10.3"}


def test_every_family_is_compared() -> None:
    """Those of the catalog whose config is built, all of them; the others are named with the reason."""
    assert len(JOBS) > 100
    assert {family_of(shape) for shape in SHAPES.values() if shape} == {
        *(family_of(SHAPES[name]) for name in CONFIGS),
        None,
    }
