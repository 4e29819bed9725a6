"""How many bytes a parameter takes, by the precision of a checkpoint.

A quantised checkpoint keeps embeddings, head, routers and vision at 16 bits, and has scales:
fp8 one float32 for 128 x 128 weights (or 16 bits a channel, as little), int4 a 16-bit scale and a
4-bit zero point for a group of 128 (AWQ, GPTQ), or a scale alone for 32 (compressed-tensors of
Kimi-K2.5), mxfp4 8 bits for 32, nvfp4 8 bits for 16:
https://docs.vllm.ai/en/latest/features/quantization
"""

from __future__ import annotations

from .shapes import Parts

__all__ = ["BYTES", "ONLINE_FP8", "PRECISIONS", "size"]

_KEPT = 2
"""Bytes of a parameter that is not quantised."""
_QUANTISED = {
    "fp8": 1 + 4 / 128**2,
    "int8": 1.0,
    "int4": 0.5 + 2.5 / 128,
    "mxfp4": 0.5 + 1 / 32,
    "nvfp4": 0.5 + 1 / 16,
}
_WHOLE = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0}
BYTES = {
    **_WHOLE,
    "fp8": 1.0,
    "int8": 1.0,
    # Half a byte and about 5% for scales.
    "int4": 0.525,
    "mxfp4": 0.53,
    "nvfp4": 0.5625,
}
"""Bytes of one parameter where no more than the number of parameters is known."""
PRECISIONS = tuple(BYTES)
ONLINE_FP8 = 1.2
"""Bytes of a parameter after vLLM has quantised it to fp8, where no more than their number is known: a
fifth stays at 16 bits, which is more than the embeddings of models from 2 billion parameters on."""


def size(counts: Parts, precision: str, quantized: str = "", group: str = "") -> float:
    """Return the bytes of these parameters.

    Args:
        counts: of the model.
        precision: of the checkpoint.
        quantized: `linear` where all linear layers are quantised, `experts` where only routed experts are.
        group: int4 weights of one scale where that is not 128; such have no zero point.
    """
    if precision in _WHOLE:
        return counts.total * _WHOLE[precision]
    small = 0.5 + 2 / int(group) if group and precision == "int4" else _QUANTISED[precision]
    linear = small if quantized == "linear" else _KEPT
    return (counts.embeddings + counts.rest) * _KEPT + counts.linear * linear + counts.experts * small
