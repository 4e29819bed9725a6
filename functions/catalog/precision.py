"""How many bytes a parameter takes in each precision of a checkpoint.

A quantised checkpoint keeps embeddings, head, routers and vision at 16 bits, and adds scales:

fp8    a float32 for a block of 128 x 128 weights; or 16 bits for a channel, which is as little
int4   a 16-bit scale and a 4-bit zero point for a group of 128 weights (AWQ, GPTQ), or a 16-bit scale
       alone for a group of 32 (compressed-tensors of Kimi-K2.5)
mxfp4  8 bits for a group of 32
nvfp4  8 bits for a group of 16

https://docs.vllm.ai/en/latest/features/quantization
"""

from __future__ import annotations

from .shapes import Parameters

__all__ = ["BYTES_PER_PARAMETER", "FP8_WHEN_LOADED_BYTES", "weight_bytes"]

_UNQUANTISED = 2
"""Bytes of a parameter that is not quantised."""
_QUANTISED = {
    "fp8": 1 + 4 / 128**2,
    "int8": 1.0,
    "int4": 0.5 + 2.5 / 128,
    "mxfp4": 0.5 + 1 / 32,
    "nvfp4": 0.5 + 1 / 16,
}
_WHOLE = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0}
BYTES_PER_PARAMETER = {
    **_WHOLE,
    "fp8": 1.0,
    "int8": 1.0,
    # Half a byte and about 5% for scales.
    "int4": 0.525,
    "mxfp4": 0.53,
    "nvfp4": 0.5625,
}
"""Average over all parameters, for a model of which only their number is known."""
FP8_WHEN_LOADED_BYTES = 1.2
"""Average of a model that vLLM quantises to fp8 when it loads it, where only that number is known.

A fifth of the parameters is taken to stay at 16 bits: more than the embeddings of any model from 2 billion
parameters on.
"""


def weight_bytes(counts: Parameters, precision: str, quantized: str = "", group: str = "") -> float:
    """Return the size of a model's weights, in bytes.

    Args:
        counts: parameters of the model.
        precision: of the checkpoint.
        quantized: `linear` where all linear layers are quantised, `experts` where only routed experts are.
        group: number of int4 weights that share a scale, without a zero point; empty: 128, with one.
    """
    if precision in _WHOLE:
        return counts.total * _WHOLE[precision]
    small = 0.5 + 2 / int(group) if group and precision == "int4" else _QUANTISED[precision]
    linear = small if quantized == "linear" else _UNQUANTISED
    return (counts.embeddings + counts.rest) * _UNQUANTISED + counts.linear * linear + counts.experts * small
