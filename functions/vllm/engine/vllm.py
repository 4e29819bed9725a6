"""vLLM 0.27: its arguments, environment, probes and defaults, and what it runs on which GPU."""

from __future__ import annotations

import math
from typing import Any

from functions.api import ModelSpec, Placement, Quantization, Task
from functions.catalog import GPU, ModelFacts

from .engine import Batch, Device, Engine, Peer
from .serving import load_format, refuse_image, refuse_model, refuse_spec, serving_arguments, too_old
from .uncounted import refuse_uncounted

__all__ = ["VLLM", "expert_parallel"]

_PORT = 8000
_CACHE = "/cache"
_HEALTH, _METRICS = "/health", "/metrics"
_API = {
    "/v1/models": ("GET", "/v1/models"),
    "/v1/chat/completions": ("POST", "/v1/chat/completions"),
    "/v1/completions": ("POST", "/v1/completions"),
    "/v1/responses": ("POST", "/v1/responses"),
    "/v1/embeddings": ("POST", "/v1/embeddings"),
    "/v1/rerank": ("POST", "/v1/rerank"),
    "/v1/score": ("POST", "/v1/score"),
    "/v1/classify": ("POST", "/classify"),
}
"""Of a model's task vLLM has some and answers 404 to the others.

Left out, among others: /metrics, /tokenize and /load_lora_adapter, which no client needs or may use, and
/invocations, which is all of them at once.
"""
_DRAIN_SECONDS = 45
_PROBE_SECONDS = 10
_RENDEZVOUS_PORT = 29500
_UTILIZATION = 0.92
"""The default of --gpu-memory-utilization: `arg_utils.py` of vLLM 0.27.1."""
_LARGE, _SMALL = Batch(8192, 1024), Batch(2048, 256)
_AT_ONCE = "--max-num-seqs="
_LARGE_GIB = 70
_GEMMA_4_ITEM = 2496
"""Tokens of the largest input that Gemma 4 reads in one step: 32 frames of a video (`gemma4_mm.py`)."""

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
    # Below 8.0 vLLM serves bf16 weights as fp16: `supported_dtypes` of platforms/cuda.py.
    "bf16": (7, 5),
    "int8": (7, 5),
    "int4": (7, 5),
    # Below 8.9 the weights stay in fp8 and are computed at 16 bits (Marlin): fp8.py, w8a16_fp8.
    "fp8": (7, 5),
    "mxfp4": (8, 0),
    # Below 10.0 likewise: modelopt.py, w4a4_nvfp4.
    "nvfp4": (7, 5),
}
"""Lowest compute capability that vLLM runs a precision on.

`get_min_capability` of vLLM 0.27, model_executor/layers/quantization.
"""
_FP8_CACHE = (8, 9)
"""Lowest compute capability with fp8 in hardware, which the kernels that read an fp8 KV cache want."""
_SPARSE_LATENT = (9, 10)
"""Major compute capabilities with a kernel for sparse attention that caches a latent (DeepSeek-V3.2).

`supports_compute_capability` of vLLM 0.27, v1/attention/backends/mla/*_sparse.py. The one for 12 depends
on how FlashInfer was built.
"""
_BF16_ONLY = ("gemma-2-", "gemma-3-")
"""Names of models that vLLM does not serve in fp16: `_FLOAT16_NOT_SUPPORTED_MODELS` of config/model.py."""
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


def _batches(facts: ModelFacts, device: Device, context: int, concurrency: int) -> tuple[Batch, ...]:
    """Return vLLM's default batch for the memory that a Model gets, and its smaller one where that is larger.

    The default is that of `get_batch_defaults` of vLLM 0.27: large from 70 GiB on, except on an A100
    (vllm-project/vllm#17885). vLLM would count the whole of a GPU that Models share by time slicing or MPS.
    """
    share = device.visible_gib * device.utilization / _UTILIZATION
    large = share >= _LARGE_GIB and "a100" not in device.gpu.lower()
    defaults = (_LARGE, _SMALL) if large else (_SMALL,)
    return tuple(_accepted(batch, facts, context, concurrency) for batch in defaults)


def _accepted(batch: Batch, facts: ModelFacts, context: int, concurrency: int) -> Batch:
    """Raise a batch to what vLLM does not refuse, and to the requests that are to be held."""
    sequences = max(batch.sequences, concurrency)
    # No fewer tokens than sequences.
    tokens = max(batch.tokens, sequences)
    if _reads_whole_inputs(facts):
        tokens = max(tokens, context)
    if facts.full_head_dim and facts.shape and facts.shape.other:
        tokens = max(tokens, _GEMMA_4_ITEM)
    return Batch(tokens, sequences)


def _reads_whole_inputs(facts: ModelFacts) -> bool:
    """Tell whether a model may have to read an input in one step, so that a batch must hold the context.

    Encoders do, and decoders that pool the mean of their tokens (`is_chunked_prefill_supported` of
    vLLM 0.27). The catalog's decoders pool the last token; of other models it is not known.
    """
    return facts.encoder or (_pools(facts) and facts.shape is None)


def _pools(facts: ModelFacts) -> bool:
    return facts.task not in ("", "generate")


def _batches_in_flight(facts: ModelFacts, nodes: int) -> int:
    """Return how many batches vLLM may have scheduled and not settled: `max_concurrent_batches`.

    One more than there are nodes, with asynchronous scheduling, which vLLM turns off for pooling models.
    """
    return nodes if _pools(facts) else nodes + 1


def _memory_arguments(batch: Batch, facts: ModelFacts) -> list[str]:
    # The type of the cache is the model's own (auto): vLLM refuses bfloat16 for models in other types.
    cache = "fp8" if facts.cache_number_bytes == 1 else "auto"
    return [
        f"--max-num-batched-tokens={batch.tokens}",
        f"{_AT_ONCE}{batch.sequences}",
        f"--kv-cache-dtype={cache}",
    ]


def _at_once(placement: Placement) -> int:
    """Return what all data parallel ranks compute at once; vLLM's own number where none is recorded."""
    recorded = [
        flag.removeprefix(_AT_ONCE) for flag in placement.engine_flags or () if flag.startswith(_AT_ONCE)
    ]
    each = int(recorded[-1]) if recorded else _SMALL.sequences
    return each * (placement.data_parallel or 1)


def _cannot_run(facts: ModelFacts, gpu: GPU) -> str:
    has = "{}.{}".format(*gpu.compute_capability)
    if facts.indexed_layers and gpu.compute_capability[0] not in _SPARSE_LATENT:
        majors = " or ".join(f"{major}.x" for major in _SPARSE_LATENT)
        return f"{gpu.name} has compute capability {has}; the sparse attention of {facts.name} needs {majors}"
    if facts.cache_number_bytes == 1 and gpu.compute_capability < _FP8_CACHE:
        needs = "{}.{}".format(*_FP8_CACHE)
        return (
            f"{gpu.name} has compute capability {has}; a KV cache in fp8 needs {needs}. Without "
            "spec.engine.kvCacheType it has 16 bits"
        )
    least = _CAPABILITY[facts.precision]
    if _needs_bf16(facts):
        least = max(least, (8, 0))
    if gpu.compute_capability >= least:
        return ""
    without = (
        ". Without spec.quantization the weights are served as they are stored" if facts.loading_gib else ""
    )
    wants = "{}.{}".format(*least)
    return f"{gpu.name} has compute capability {has}; {facts.precision} weights need {wants}{without}"


def _needs_bf16(facts: ModelFacts) -> bool:
    """Tell whether a model cannot be served in fp16; a bf16 one that is not in the catalog may be such."""
    if facts.shape is None:
        return facts.precision == "bf16" or facts.loading_gib > 0
    return facts.name.partition("/")[2].startswith(_BF16_ONLY)


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
        # On a shared GPU the bound comes last again: an image of another version may know spellings of the
        # argument that are not refused.
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
    api=_API,
    cache_folder=_CACHE,
    environment=_ENVIRONMENT,
    memory_utilization=_UTILIZATION,
    drain_seconds=_DRAIN_SECONDS,
    batches=_batches,
    batches_in_flight=_batches_in_flight,
    memory_arguments=_memory_arguments,
    at_once=_at_once,
    cannot_run=_cannot_run,
    load_format=load_format,
    too_old=too_old,
    refuse_image=refuse_image,
    refuse_spec=refuse_spec,
    refuse_uncounted=refuse_uncounted,
    refuse_model=refuse_model,
    model_arguments=_model_arguments,
    arguments=_arguments,
    startup_seconds=_startup_seconds,
    probes=_probes,
)
"""The engine that serves every Model that asks for no other."""
