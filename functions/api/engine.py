"""The engine of a Model: what its spec overrides, and what it leaves to the package.

`OWNED` is the list of arguments that other fields of the spec, or the placement, set. Admission refuses
them as they are usually spelled; function-vllm refuses every spelling that the engine would take.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, field_validator

from .forms import Image
from .quantity import QUANTITY
from .schema import Rule, Schema, rules

__all__ = [
    "OWNED",
    "Engine",
    "EnvVar",
    "KVCacheType",
    "Multimodal",
    "Owned",
    "Reasoning",
    "Resources",
    "ToolCalling",
]

_PARSER = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Owned(NamedTuple):
    """Arguments of the engine that a spec cannot add."""

    flags: tuple[str, ...]
    """With their short names."""
    instead: str
    """What sets them, and what to use instead, as a sentence without a full stop."""

    @property
    def message(self) -> str:
        """What a user reads."""
        return f"engine.args takes no {', '.join(self.flags)}: {self.instead}"

    @property
    def _form(self) -> str:
        """The usual spellings: the whole name, with '-' or '_', with '=' or the value in the next item."""
        names = "|".join(flag.lstrip("-").replace("-", "[-_]") for flag in self.flags)
        return f"^--?({names})(=.*)?$"

    @property
    def rule(self) -> Rule:
        """The rule in CEL."""
        return Rule(f"self.all(a, !a.matches('{self._form}'))", self.message)

    def refuses(self, argument: str) -> bool:
        """Tell whether an item is one of these arguments as it is usually spelled."""
        return re.match(self._form, argument) is not None


OWNED = (
    Owned(("--model", "--served-model-name"), "spec.model names the model"),
    Owned(("--max-model-len",), "spec.contextLength sets the longest context"),
    Owned(
        (
            "--kv-cache-memory-bytes",
            "--num-gpu-blocks-override",
            "--gpu-memory-utilization",
        ),
        "spec.contextLength and spec.concurrency size the KV cache, and a shared GPU bounds it",
    ),
    Owned(
        ("--kv-cache-dtype",),
        "spec.engine.kvCacheType sets the type of the KV cache, which is sized for it",
    ),
    # With another batch than the one that the GPUs were chosen for, vLLM may refuse to start.
    Owned(
        ("--max-num-seqs", "--max-num-batched-tokens"),
        "GPUs are chosen for the batch that the package passes; set spec.concurrency for more requests at "
        "once, spec.contextLength for longer ones",
    ),
    Owned(
        (
            "--tensor-parallel-size",
            "-tp",
            "--pipeline-parallel-size",
            "-pp",
            "--prefill-context-parallel-size",
            "-pcp",
            "--nnodes",
            "-n",
            "--node-rank",
            "-r",
            "--master-addr",
            "--master-port",
            "--distributed-executor-backend",
            "--device-ids",
            "--headless",
        ),
        "spec.gpu.count and the placement say how the model is divided among GPUs and nodes",
    ),
    Owned(
        (
            "--data-parallel-size",
            "-dp",
            "--data-parallel-size-local",
            "-dpl",
            "--data-parallel-rank",
            "-dpn",
            "--data-parallel-start-rank",
            "-dpr",
            "--data-parallel-address",
            "-dpa",
            "--data-parallel-rpc-port",
            "-dpp",
            "--data-parallel-backend",
            "-dpb",
            "--data-parallel-hybrid-lb",
            "-dph",
            "--data-parallel-external-lb",
            "-dpe",
            "--data-parallel-multi-port-external-lb",
            "-dpm",
        ),
        "spec.replicas.min says how many copies serve, and the placement divides one among GPUs",
    ),
    Owned(
        ("--port", "--host", "--uds", "--grpc", "--ssl-keyfile", "--ssl-certfile"),
        "the Service and the probes reach the server by plain HTTP, at the package's port",
    ),
    Owned(("--config",), "list the arguments themselves: pods have no such file"),
    Owned(
        ("--hf-token",),
        "spec.source.huggingFace.tokenSecretRef takes the token from a Secret, for the download alone",
    ),
)
"""No field of the spec sets arguments that are not named here: they are the user's, and later ones win."""


class _Variables(NamedTuple):
    """Environment variables that a spec cannot set."""

    names: tuple[str, ...]
    """A name that ends in '*' stands for all names that begin like it."""
    why: str

    def message(self, *given: str) -> str:
        """Return what a user reads who gives one of them."""
        return f"engine.env takes no {', '.join(given)}: {self.why}"

    @property
    def rule(self) -> Rule:
        """The rule in CEL, of one variable: of a list, the message would cost more than a CRD may."""
        names = "|".join(name.replace("*", ".*") for name in self.names)
        words = f"'engine.env takes no ' + self.name + {json.dumps(': ' + self.why)}"
        return Rule(f"!self.name.matches('^({names})$')", self.message(*self.names), words)

    def refuses(self, name: str) -> bool:
        return any(name.startswith(own[:-1]) if own.endswith("*") else name == own for own in self.names)


_OWNED_VARIABLES = (
    # The container runtime mounts what they name, or the engine takes it, whatever the pod was given.
    _Variables(
        (
            "NVIDIA_VISIBLE_DEVICES",
            "NVIDIA_MIG_CONFIG_DEVICES",
            "NVIDIA_MIG_MONITOR_DEVICES",
            "NVIDIA_IMEX_CHANNELS",
            "NVIDIA_NVSWITCH",
            "NVIDIA_MOFED",
            "NVIDIA_GDS",
            "NVIDIA_GDRCOPY",
            "CUDA_VISIBLE_DEVICES",
            "CUDA_MPS_*",
            "LWS_*",
        ),
        "the pod has the GPUs that it was given, and no other Model's",
    ),
    # https://docs.vllm.ai/en/stable/usage/security.html
    _Variables(
        ("VLLM_SERVER_DEV_MODE", "VLLM_ALLOW_INSECURE_SERIALIZATION", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        "with it, whoever reaches the endpoint runs code or loads other weights in the pod",
    ),
    _Variables(
        ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        "spec.source.huggingFace.tokenSecretRef takes the token from a Secret, for the download alone",
    ),
    _Variables(
        ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
        "serving pods reach no Hub, and without these variables wait for one when they start",
    ),
)


class ToolCalling(Schema):
    """Calls of tools (functions) by the model."""

    parser: str = Field(
        "Auto",
        description="How the engine reads a call in what the model writes. Auto: as the catalog says of the "
        "model, or of spec.baseModel; None: requests with tools are refused; else the engine's name of a "
        "parser (--tool-call-parser), such as hermes. Default Auto.",
        pattern=_PARSER,
        max_length=60,
    )


class Reasoning(Schema):
    """Reasoning of the model before its answer."""

    parser: str = Field(
        "Auto",
        description="How the engine tells reasoning from the answer, in fields of their own. Auto: as the "
        "catalog says of the model, or of spec.baseModel; None: reasoning is a part of the answer; else the "
        "engine's name of a parser (--reasoning-parser), such as qwen3. Default Auto.",
        pattern=_PARSER,
        max_length=60,
    )


_ITEMS = "Most {} in one request; 0 for none. Default: the engine's own limit."


class Multimodal(Schema):
    """Images, videos and audio in requests."""

    text_only: bool = Field(
        False,
        description="Whether the model reads text alone, so that what reads images and audio is not loaded. "
        "Default false.",
    )
    images: int | None = Field(None, description=_ITEMS.format("images"), ge=0, le=1000)
    videos: int | None = Field(None, description=_ITEMS.format("videos"), ge=0, le=1000)
    audios: int | None = Field(None, description=_ITEMS.format("pieces of audio"), ge=0, le=1000)


class KVCacheType(StrEnum):
    """How keys and values are kept in the KV cache."""

    AUTO = "Auto"
    FP8 = "FP8"


class EnvVar(Schema):
    """An environment variable of the engine."""

    name: str = Field(description="Name.", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)
    value: str = Field(description="Value; never a secret.", max_length=4096)


def _not_owned(given: EnvVar) -> EnvVar:
    for variables in _OWNED_VARIABLES:
        if variables.refuses(given.name):
            raise ValueError(variables.message(given.name))
    return given


EngineVariable = Annotated[
    EnvVar,
    AfterValidator(_not_owned),
    Field(json_schema_extra=rules(*(variables.rule for variables in _OWNED_VARIABLES))),
]
"""A variable that a spec may set."""


class Resources(Schema):
    """CPU and memory of one pod, as Kubernetes quantities."""

    cpu: str | None = Field(None, description="CPU request, in cores.", pattern=QUANTITY, max_length=20)
    memory: str | None = Field(
        None, description="Memory request and limit, /dev/shm included.", pattern=QUANTITY, max_length=20
    )


class Engine(Schema):
    """What the package's defaults do not cover."""

    image: Image | None = Field(
        None,
        description="vLLM image, with tag or digest. A tag that is a version must be at least 0.18; a digest "
        "or a tag of your own is believed. Default: a new Model gets the platform's, and a live one keeps "
        "the image that it has. status.engine tells of a newer one; naming it here restarts the Model with "
        "it.",
    )
    restarted_at: str | None = Field(
        None,
        description="Any text, such as the time. Changing it restarts the Model's pods one after the other, "
        "as the package makes them now, with the image that they have.",
        min_length=1,
        max_length=64,
    )
    args: list[Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=list,
        description="Arguments added to `vllm serve`, each as one item (--flag=value) or as two; not those "
        "that a field of the spec sets.",
        max_length=100,
        json_schema_extra=rules(*(owned.rule for owned in OWNED)),
    )
    kv_cache_type: KVCacheType = Field(
        KVCacheType.AUTO,
        description="How keys and values are kept in the KV cache. FP8 takes half the memory of Auto, the "
        "model's own type at 16 bits, and may cost some quality; it needs GPUs from compute capability 8.9 "
        "on, and a model whose layers all keep the whole context. Default Auto.",
    )
    env: list[EngineVariable] = Field(
        default_factory=list,
        description="Environment variables of the engine, beside the package's or instead of them.",
        max_length=100,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    trust_remote_code: bool = Field(
        False,
        description="Whether Python code in the model's repository may run in the serving pods, which some "
        "models need. Pin spec.revision to a commit that you have read. Default false.",
    )
    resources: Resources = Field(
        default_factory=Resources,
        description="CPU and memory of a replica's pod on each of its nodes. Default: 2 CPU and 10 GiB for "
        "each GPU and 1 or 8 GiB of shared memory, and at most the GPUs' share of their machine.",
    )

    @field_validator("args")
    @classmethod
    def _none_set_elsewhere(cls, args: list[str]) -> list[str]:
        for owned in OWNED:
            if any(owned.refuses(arg) for arg in args):
                raise ValueError(owned.message)
        return args
