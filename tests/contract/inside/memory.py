"""Say what vLLM itself takes of a pretended GPU, and on which GPUs it runs what.

Request: `jobs`, each with `config` (of config.json), `gpu`, `arguments` (of EngineArgs) and `free`, the bytes
beside the weights; `loaded`, each with `config`, `gpu` and `arguments`; `gpus`, whose default batches are asked
for. Answer: for each job what vLLM makes of it, or `refused`; of each that is loaded alone, the architecture that
vLLM runs, or `refused`; the `batches`; the least capability of each quantisation; and of each attention backend
for sparse attention, the capabilities that it supports.
"""

from __future__ import annotations

import json
import os
import sys
import types
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["VLLM_ALLOW_LONG_MAX_MODEL_LEN"] = "1"
REQUEST, ANSWER = map(Path, sys.argv[1:])
sys.argv = ["vllm"]

from pretended_gpu import GPU, OnMeta, ranks  # type: ignore[import-not-found]  # noqa: E402  # isort: skip
import torch  # noqa: E402
import vllm.model_executor.models.registry as registry  # noqa: E402
from vllm.config import set_current_vllm_config  # noqa: E402
from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: E402
from vllm.model_executor.layers.quantization import get_quantization_config  # noqa: E402
from vllm.model_executor.model_loader.utils import initialize_model  # noqa: E402
from vllm.platforms import current_platform  # noqa: E402
from vllm.platforms.interface import DeviceCapability  # noqa: E402
from vllm.usage.usage_lib import UsageContext  # noqa: E402
from vllm.utils.torch_utils import set_default_torch_dtype  # noqa: E402
from vllm.v1.attention.backends.registry import AttentionBackendEnum  # noqa: E402
from vllm.v1.core import kv_cache_utils  # noqa: E402
from vllm.v1.worker.gpu_model_runner import GPUModelRunner  # noqa: E402

SERVER = UsageContext.OPENAI_API_SERVER
SPARSE = ("FLASH_ATTN_MLA_SPARSE", "FLASHMLA_SPARSE", "FLASHINFER_MLA_SPARSE")
CAPABILITIES = [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (10, 3)]
METHODS = ("fp8", "modelopt_fp4", "mxfp4", "awq_marlin", "compressed-tensors")

# vLLM looks at a model's class in a process of its own, which would not know of the pretended GPU.
registry._LazyRegisteredModel.inspect_model_cls = lambda self: registry._ModelInfo.from_model_cls(
    self.load_model_cls()
)


def load(job: dict[str, Any]) -> Any:
    """Return vLLM's own configuration of a model, from its config.json."""
    GPU.update(job["gpu"])
    Path("config.json").write_text(json.dumps(job["config"]))
    made = AsyncEngineArgs(
        model=str(Path.cwd()),
        skip_tokenizer_init=True,
        load_format="dummy",
        enforce_eager=True,
        **job["arguments"],
    )
    return made.create_engine_config(SERVER)


def name(job: dict[str, Any]) -> dict[str, Any]:
    """Return the architecture by which vLLM runs a model."""
    return {"architecture": load(job).model_config.architecture}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Return what vLLM takes for a model: bytes on the first GPU, and its blocks."""
    config = load(job)
    ranks(job["arguments"].get("tensor_parallel_size", 1))
    with (
        set_current_vllm_config(config),
        set_default_torch_dtype(config.model_config.dtype),
        torch.device("meta"),
        OnMeta(),
    ):
        model = initialize_model(vllm_config=config)
    weights = {id(p): p.numel() * p.element_size() for p in model.parameters()}
    runner = types.SimpleNamespace(vllm_config=config, shared_kv_cache_layers={})
    with set_current_vllm_config(config):
        current_platform.update_block_size_for_backend(config)
        groups = kv_cache_utils.get_kv_cache_groups(config, GPUModelRunner.get_kv_cache_spec(runner))
        cache = kv_cache_utils._max_memory_usage_bytes_from_groups(config, groups)
        pool = kv_cache_utils.get_kv_cache_config_from_groups(config, groups, job["free"])
    return {
        "weights": sum(weights.values()),
        "cache": cache,
        "block": kv_cache_utils._pool_bytes_per_block(config, groups) if groups else 0,
        "blocks": pool.num_blocks,
        "states": pool.has_mamba_layers,
        "inFlight": config.max_in_flight_tokens,
        "tokens": config.scheduler_config.max_num_batched_tokens,
        "sequences": config.scheduler_config.max_num_seqs,
    }


def in_children(
    what: Callable[[dict[str, Any]], dict[str, Any]], jobs: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Do each job in a process of its own, some at once: vLLM keeps much of a model in its modules."""
    answers: list[dict[str, Any]] = []
    running: deque[tuple[int, int]] = deque()
    for job in jobs:
        running.append(_start(what, job))
        if len(running) >= (os.cpu_count() or 1):
            answers.append(_finish(*running.popleft()))
    return [*answers, *(_finish(*child) for child in running)]


def _start(what: Callable[[dict[str, Any]], dict[str, Any]], job: dict[str, Any]) -> tuple[int, int]:
    """Begin a process that does a job; return its id and the pipe with its answer."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    os.close(read)
    folder = Path(f"job-{os.getpid()}")
    folder.mkdir()
    os.chdir(folder)
    try:
        answer = what(job)
    except BaseException as problem:
        answer = {"refused": f"{type(problem).__name__}: {problem}"[:2000]}
    os.write(write, json.dumps(answer).encode())
    os._exit(0)


def _finish(child: int, read: int) -> dict[str, Any]:
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    answered: dict[str, Any] = json.loads(text) if text else {"refused": "the process died"}
    return answered


def batch(gpu: dict[str, Any]) -> list[int]:
    """Return the server's default batch on a GPU: tokens and sequences."""
    GPU.update(gpu)
    tokens, sequences = AsyncEngineArgs.get_batch_defaults(1)
    return [tokens[SERVER], sequences[SERVER]]


def dtypes(capability: tuple[int, int]) -> list[str]:
    """Return the types that weights are served in on a GPU."""
    GPU.update(capability=capability)
    return [str(dtype) for dtype in current_platform.supported_dtypes]


def supports(backend: str) -> list[tuple[int, int]]:
    """Return the capabilities that a backend supports."""
    made = AttentionBackendEnum[backend].get_class()
    return [c for c in CAPABILITIES if made.supports_compute_capability(DeviceCapability(*c))]


request = json.loads(REQUEST.read_text())
answer = {
    "jobs": in_children(measure, request["jobs"]),
    "loaded": in_children(name, request["loaded"]),
    "batches": [batch(gpu) for gpu in request["gpus"]],
    "least": {method: get_quantization_config(method).get_min_capability() for method in METHODS},
    "sparse": {backend: supports(backend) for backend in SPARSE},
    "dtypes": {f"{major}.{minor}": dtypes((major, minor)) for major, minor in CAPABILITIES},
}
ANSWER.write_text(json.dumps(answer))
