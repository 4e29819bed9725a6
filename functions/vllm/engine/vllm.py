"""Arguments of vLLM that follow from what a model is and what it is asked to do.

They are recorded with a placement, so that a newer version changes nothing that runs.
"""

from __future__ import annotations

from functions.api import ModelSpec, Quantization, Task
from functions.catalog import ModelFacts

from ..size.memory import expert_parallel

__all__ = ["engine_flags"]

_TASK = {
    # https://docs.vllm.ai/en/v0.20.0/models/pooling_models
    Task.EMBED: ("--runner=pooling", "--convert=embed"),
    Task.RERANK: ("--runner=pooling", "--convert=classify"),
    Task.CLASSIFY: ("--runner=pooling", "--convert=classify"),
}
_QWEN3_RERANKER = (
    # Stored as a language model that answers yes or no:
    # https://docs.vllm.ai/en/v0.10.2/examples/offline_inference/qwen3_reranker.html
    '--hf-overrides={"architectures": ["Qwen3ForSequenceClassification"], '
    '"classifier_from_token": ["no", "yes"], "is_original_qwen3_reranker": true}'
)


def engine_flags(spec: ModelSpec, facts: ModelFacts, gpus: int) -> list[str]:
    """Return the arguments for this many GPUs, which the spec's own come after."""
    task = spec.task if spec.task is not Task.AUTO or not facts.task else Task(facts.task.capitalize())
    flags = list(_TASK.get(task, ()))
    if facts.name.startswith("Qwen/Qwen3-Reranker-"):
        flags.append(_QWEN3_RERANKER)
    if spec.quantization is Quantization.FP8 and facts.loading_gib:
        # https://docs.vllm.ai/en/v0.20.0/features/quantization/online
        flags.append("--quantization=fp8_per_tensor")
    if expert_parallel(facts, gpus):
        flags.append("--enable-expert-parallel")
    return flags
