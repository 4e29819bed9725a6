"""What a spec states of a model by hand, checked against itself, the model's name and what vLLM caches.

Nobody reads the files of such a model, so a wrong number becomes an engine that does not start. What is
checked here is checked when a Model is sized: one that runs goes on.
"""

from __future__ import annotations

import re

from functions.api import Architecture, ModelSpec, VLLMInput
from functions.base import Invalid
from functions.catalog import BYTES_PER_PARAMETER, ModelFacts, models
from functions.catalog.kinds import kinds

from .need import facts_of_architecture

__all__ = ["refuse_stated"]

_GIB = 2**30
_BYTES = {
    "fp32": (3.8, 4.2),
    "bf16": (1.9, 2.1),
    "fp16": (1.9, 2.1),
    # Embeddings and head keep 16 bits, which is much of a small model.
    "fp8": (0.95, 1.9),
    "int8": (0.95, 1.9),
    "int4": (0.5, 1.5),
    "mxfp4": (0.5, 1.5),
    "nvfp4": (0.5, 1.5),
}
"""Least and most bytes of a parameter of a checkpoint, over all of them."""
_NAMED = {
    "fp8": ("fp8",),
    "w8a8": ("fp8", "int8"),
    "int8": ("int8",),
    "8bit": ("int8",),
    "w8a16": ("int8",),
    "int4": ("int4",),
    "4bit": ("int4",),
    "w4a16": ("int4",),
    "awq": ("int4",),
    "gptq": ("int4", "int8"),
    "fp4": ("nvfp4", "mxfp4"),
    "nvfp4": ("nvfp4",),
    "mxfp4": ("mxfp4",),
    "bf16": ("bf16",),
    "fp16": ("fp16",),
}
"""Precisions that words of a model's name say."""
_BILLIONS = re.compile(r"(?:^|[-_/])(\d+(?:\.\d+)?)b(?=[-_.]|$)")
_LEAST_OF_NAMED = 1 / 1.5
"""Part of the billions that a name says which a model has at least: names are rounded."""


def refuse_stated(spec: ModelSpec, given: VLLMInput) -> None:
    """Refuse an architecture or a base model that cannot be right.

    Args:
        spec: the Model's.
        given: the function's input, whose architectures the platform states.

    Raises:
        Invalid: for what contradicts itself, the model's name or what vLLM caches of such models.
    """
    name = spec.base_model or spec.model
    architecture = spec.architecture or given.architectures.get(name)
    where = "spec.architecture" if spec.architecture else f"input.architectures[{name}]"
    if architecture is not None:
        _refuse_kind(where, architecture)
        if architecture.weights_gib is None:
            _refuse_by_name(where, name, architecture)
        else:
            _refuse_size(where, architecture, architecture.weights_gib)
    if spec.base_model is not None:
        base = facts_of_architecture(name, architecture) if architecture else models().get(name)
        if base is not None:
            _refuse_base(spec.model, base)


def _refuse_kind(where: str, stated: Architecture) -> None:
    """Refuse a cache or a state that vLLM does not keep of such models."""
    latent, type_ = stated.latent_dim is not None, stated.model_type
    compressed = sorted(kind.model_type for kind in kinds().values() if kind.cache == "latent")
    if type_ is None:
        if latent:
            raise Invalid(
                f"{where}.modelType",
                "latentDim is of models whose KV cache vLLM compresses (MLA), and whether it does depends on "
                "their type, which is not stated",
                "Set it to model_type of the model's config.json. vLLM compresses "
                f"{', '.join(compressed)}; for any other type set headDim instead of latentDim",
            )
        return
    kind = kinds().get(type_)
    if latent and (kind is None or kind.cache != "latent"):
        does = "caches whole heads" if kind else "is not known to compress the KV cache"
        head = (
            "qk_nope_head_dim + qk_rope_head_dim, with as many kvHeads as attentionHeads,"
            if kind is None or kind.cache == "expanded"
            else "the size of one head"
        )
        raise Invalid(
            f"{where}.latentDim", f"vLLM {does} of {type_}", f"Set headDim to {head} instead of latentDim"
        )
    if kind is None:
        return
    if kind.cache == "expanded" and stated.kv_heads != stated.attention_heads:
        raise Invalid(
            f"{where}.kvHeads",
            f"vLLM caches all {stated.attention_heads} heads of {type_}, and {stated.kv_heads} are stated",
            f"Set kvHeads to {stated.attention_heads}",
        )
    if kind.cache == "latent" and not latent and type_ != "deepseek_v2":
        raise Invalid(
            f"{where}.headDim",
            f"vLLM caches one latent of {type_} for all heads (MLA)",
            "Set latentDim to kv_lora_rank + qk_rope_head_dim instead of headDim",
        )
    if (kind.cache == "none") != stated.encoder:
        is_one = "is an encoder, which caches nothing" if kind.cache == "none" else "is no encoder"
        raise Invalid(f"{where}.encoder", f"{type_} {is_one}", f"Set it to {str(not stated.encoder).lower()}")
    # The last tokens of a convolution are a few KiB.
    if kind.state not in ("", "conv") and not stated.state_mib_per_request:
        raise Invalid(
            f"{where}.stateMiBPerRequest",
            f"layers of {type_} without attention keep a state for each request, and none is stated",
            "Leave spec.architecture out, so that the model's files are read, or set what `freehold inspect` "
            "prints",
        )


def _refuse_size(where: str, stated: Architecture, weights_gib: float) -> None:
    """Refuse a size of the files that the parameters do not have in that precision."""
    each = weights_gib * _GIB / (stated.parameters_billions * 1e9)
    precision = stated.precision.value
    least, most = _BYTES[precision]
    if least <= each <= most:
        return
    others = [name for name, (low, high) in _BYTES.items() if low <= each <= high]
    agreeing = weights_gib * _GIB / 1e9 / BYTES_PER_PARAMETER[precision]
    either = f"Set precision to {' or '.join(others)} if the weights are stored so, " if others else "Set "
    raise Invalid(
        f"{where}.weightsGiB",
        f"{weights_gib:g} GiB of {stated.parameters_billions:g} billion parameters are {each:.2f} bytes of "
        f"each, and in {precision} it is {least:g} to {most:g}",
        f"{either}{'or ' if others else ''}parametersBillions to {agreeing:.3g} if the files are right",
    )


def _refuse_by_name(where: str, name: str, stated: Architecture) -> None:
    """Refuse numbers that the model's name contradicts, where no size of files speaks for them."""
    otherwise = f"If the name misleads, set weightsGiB to the size of the files of {name}"
    said, precision = _precisions(name), stated.precision.value
    if said and precision not in said:
        raise Invalid(
            f"{where}.precision",
            f"the name of {name} says that its weights are stored in {' or '.join(said)}, and {precision} is "
            "stated",
            f"Set it to {' or '.join(said)}, with the number of parameters before they were quantised. "
            f"{otherwise}",
        )
    billions = _billions(name)
    if stated.parameters_billions < billions * _LEAST_OF_NAMED:
        raise Invalid(
            f"{where}.parametersBillions",
            f"the name of {name} says {billions:g} billion parameters, and {stated.parameters_billions:g} "
            "are stated; of quantised weights the Hub counts the numbers that they are packed into",
            f"Set it to the number of parameters before they were quantised. {otherwise}",
        )


def _refuse_base(name: str, base: ModelFacts) -> None:
    """Refuse a base model of another precision or size than the model's name says."""
    out = "Name a base model that is, or leave it out: the model's own files are read then"
    said = _precisions(name)
    if said and base.precision not in said:
        raise Invalid(
            "spec.baseModel",
            f"the name of {name} says that its weights are stored in {' or '.join(said)}, and those of the "
            f"base model are in {base.precision}",
            out.replace("that is", "that is stored so"),
        )
    billions = _billions(name)
    if base.parameters_billions < billions * _LEAST_OF_NAMED:
        raise Invalid(
            "spec.baseModel",
            f"the name of {name} says {billions:g} billion parameters, and the base model has "
            f"{base.parameters_billions:.3g}",
            out.replace("that is", "of that size"),
        )


def _precisions(name: str) -> tuple[str, ...]:
    """Return the precisions that a model's name says; empty for none."""
    words = re.split(r"[-_./]", name.partition("/")[2].lower())
    found = [precision for word in words for precision in _NAMED.get(word, ())]
    return tuple(dict.fromkeys(found))


def _billions(name: str) -> float:
    """Return the largest number of parameters that a model's name says, in billions; 0 for none."""
    return max(map(float, _BILLIONS.findall(name.partition("/")[2].lower())), default=0.0)
