"""vLLM 0.27: its arguments, environment, probes and defaults, and what it runs on which GPU."""

from __future__ import annotations

import math
from typing import Any

from functions.api import ModelSpec, Placement, Quantization, Task
from functions.catalog import GPU, ModelFacts

from .engine import Batch, Engine, Peer
from .serving import load_format, refuse_model, refuse_spec, serving_arguments

__all__ = ["VLLM", "expert_parallel"]

_PORT = 8000
_CACHE = "/cache"
_HEALTH, _METRICS = "/health", "/metrics"
_DRAIN_SECONDS = 45
_PROBE_SECONDS = 10
_RENDEZVOUS_PORT = 29500
_LARGE_MIB = 70 * 1024

_ENVIRONMENT = {
    # The user has no entry in the passwd file of other images, and torch asks for its name.
    "USER": "vllm",
    "HOME": _CACHE,
    "XDG_CACHE_HOME": _CACHE,
    "VLLM_CACHE_ROOT": f"{_CACHE}/vllm",
    "TORCHINDUCTOR_CACHE_DIR": f"{_CACHE}/torchinductor",
    "TRITON_CACHE_DIR": f"{_CACHE}/triton",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
_CAPABILITY = {
    # CUDA 13, which the image is built with, supports nothing older than 7.5.
    "fp32": (7, 5),
    "fp16": (7, 5),
    "bf16": (8, 0),
    "int8": (7, 5),
    "int4": (7, 5),
    "fp8": (8, 9),
    "mxfp4": (8, 0),
    "nvfp4": (10, 0),
}
"""Lowest compute capability that vLLM runs a precision on.

https://docs.vllm.ai/en/latest/features/quantization
"""
_TASK = {
    # https://docs.vllm.ai/en/v0.20.0/models/pooling_models
    Task.EMBED: ("--runner=pooling", "--convert=embed"),
    Task.RERANK: ("--runner=pooling", "--convert=classify"),
    Task.CLASSIFY: ("--runner=pooling", "--convert=classify"),
}
_QWEN3_RERANKER = (
    # Its checkpoint is a language model that answers yes or no:
    # https://docs.vllm.ai/en/v0.10.2/examples/offline_inference/qwen3_reranker.html
    '--hf-overrides={"architectures": ["Qwen3ForSequenceClassification"], '
    '"classifier_from_token": ["no", "yes"], "is_original_qwen3_reranker": true}'
)
_EXPERT_PARALLEL = "--enable-expert-parallel"


def _batch(memory_mib: int) -> Batch:
    """Return the server's default batch: `get_batch_defaults` of vLLM 0.27.

    vLLM gives an A100 the smaller batch whatever its memory; here it counts by its memory.
    """
    return Batch(8192, 1024) if memory_mib >= _LARGE_MIB else Batch(2048, 256)


def _cannot_run(facts: ModelFacts, gpu: GPU) -> str:
    least = _CAPABILITY[facts.precision]
    if gpu.compute_capability >= least:
        return ""
    has, wants = (f"{major}.{minor}" for major, minor in (gpu.compute_capability, least))
    without = (
        ". Without spec.quantization the weights are served as they are stored" if facts.loading_gib else ""
    )
    return f"{gpu.name} has compute capability {has}; {facts.precision} weights need {wants}{without}"


def expert_parallel(facts: ModelFacts, tensor_parallel: int) -> bool:
    """Tell whether each expert has to stay whole on one GPU.

    That is so where tensor parallelism would divide a block of weights that share a scale. vLLM
    refuses to: "output_size of gate's and up's weight is not divisible by weight quantization
    block_n" (vllm-project/vllm#17569, #25292).
    """
    if facts.shape is None or not facts.expert_block or tensor_parallel == 1:
        return False
    return facts.shape.expert_size % (tensor_parallel * facts.expert_block) > 0


def _model_arguments(spec: ModelSpec, facts: ModelFacts, tensor_parallel: int) -> list[str]:
    task = spec.task if spec.task is not Task.AUTO or not facts.task else Task(facts.task.capitalize())
    arguments = list(_TASK.get(task, ()))
    if (spec.base_model or facts.name).startswith("Qwen/Qwen3-Reranker-"):
        arguments.append(_QWEN3_RERANKER)
    if spec.quantization is Quantization.FP8 and facts.loading_gib:
        # https://docs.vllm.ai/en/v0.20.0/features/quantization/online
        arguments.append("--quantization=fp8_per_tensor")
    if expert_parallel(facts, tensor_parallel):
        arguments.append(_EXPERT_PARALLEL)
    return [*arguments, *serving_arguments(spec, facts)]


def _arguments(spec: ModelSpec, placement: Placement, context: int, peer: Peer | None) -> list[str]:
    utilization = f"--gpu-memory-utilization={placement.gpu_memory_utilization}"
    return [
        f"--served-model-name={spec.model}",
        f"--port={_PORT}",
        *_parallel(placement),
        f"--max-model-len={context}",
        utilization,
        f"--disable-access-log-for-endpoints={_HEALTH},{_METRICS},/ping",
        f"--shutdown-timeout={_DRAIN_SECONDS}",
        *(_several_nodes(placement.nodes, peer) if peer else ()),
        *(placement.engine_flags or ()),
        *spec.engine.args,
        # On a shared GPU the bound comes last again: it holds whatever the spec's arguments say.
        *([utilization] if placement.sharing else ()),
    ]


def _parallel(placement: Placement) -> list[str]:
    gpus, data_parallel = placement.gpus, placement.data_parallel
    if data_parallel is None:
        return [f"--tensor-parallel-size={gpus}"]
    tensor_parallel = gpus // data_parallel
    return [
        f"--tensor-parallel-size={tensor_parallel}",
        f"--data-parallel-size={data_parallel}",
        _EXPERT_PARALLEL,
    ]


def _several_nodes(nodes: int, peer: Peer) -> list[str]:
    """Have the pods of a replica find one another.

    https://docs.vllm.ai/en/latest/serving/parallelism_scaling/
    """
    return [
        f"--pipeline-parallel-size={nodes}",
        "--distributed-executor-backend=mp",
        f"--nnodes={nodes}",
        f"--node-rank={peer.ordinal}",
        f"--master-addr={peer.leader}",
        f"--master-port={_RENDEZVOUS_PORT}",
        *([] if peer.leads else ["--headless"]),
    ]


def _startup_seconds(weights_gib: float) -> int:
    """Return KAITO 0.12's budget: 15 minutes and 18 seconds a GiB, within 30 to 180 minutes."""
    return min(max(math.ceil(15 * 60 + 18 * weights_gib), 30 * 60), 180 * 60)


def _probes(startup_seconds: int) -> dict[str, Any]:
    # /health needs no API key, unlike /v1/models.
    probe = {
        "httpGet": {"path": _HEALTH, "port": _PORT},
        "periodSeconds": _PROBE_SECONDS,
        "timeoutSeconds": 5,
    }
    return {
        "startupProbe": {**probe, "failureThreshold": -(-startup_seconds // _PROBE_SECONDS)},
        "readinessProbe": {**probe, "failureThreshold": 3},
        "livenessProbe": {**probe, "failureThreshold": 6},
    }


VLLM = Engine(
    name="vllm",
    command=("vllm", "serve"),
    port=_PORT,
    metrics_path=_METRICS,
    cache_folder=_CACHE,
    environment=_ENVIRONMENT,
    # The default of --gpu-memory-utilization: `arg_utils.py` of vLLM 0.27.1.
    memory_utilization=0.92,
    drain_seconds=_DRAIN_SECONDS,
    batch=_batch,
    cannot_run=_cannot_run,
    load_format=load_format,
    refuse_spec=refuse_spec,
    refuse_model=refuse_model,
    model_arguments=_model_arguments,
    arguments=_arguments,
    startup_seconds=_startup_seconds,
    probes=_probes,
)
"""The engine that serves every Model that asks for no other."""
