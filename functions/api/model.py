"""Model: what an app team claims."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from .access import Callers
from .engine import Engine, Multimodal, Reasoning, ToolCalling
from .forms import SecretName
from .routing import Routing
from .schema import Rule, Schema, rules

__all__ = [
    "Architecture",
    "ClusterChoice",
    "GpuChoice",
    "ModelSpec",
    "Precision",
    "Quantization",
    "Replicas",
    "Requirement",
    "Source",
    "Task",
    "TokenSecretRef",
]

_NAME_OR_LABELS = Rule(
    "has(self.name) != has(self.matchLabels)",
    "cluster takes either a name or matchLabels, not both and not neither",
)
_POOL_OF_NAME = Rule(
    "!has(self.nodePool) || has(self.name)", "cluster.nodePool goes with cluster.name: whose node pool it is"
)
_HEADS = Rule(
    "self.attentionHeads % self.kvHeads == 0", "architecture.attentionHeads must be a multiple of kvHeads"
)
_ONE_CACHE = Rule(
    "has(self.headDim) != has(self.latentDim)",
    "architecture takes either headDim or, for a compressed cache (MLA), latentDim",
)
_WINDOWS = Rule(
    "!has(self.windowedLayers) || self.windowedLayers <= self.layers",
    "architecture.windowedLayers must be at most layers, of which they are a part",
)
_WINDOWED = Rule(
    "(has(self.windowedLayers) && self.windowedLayers > 0) == has(self.slidingWindow)",
    "architecture.windowedLayers and slidingWindow go together: how many layers, and how many tokens",
)
_ENCODER = Rule(
    "!has(self.encoder) || !self.encoder || (!has(self.latentDim) && !has(self.slidingWindow))",
    "architecture.encoder caches nothing, so it takes neither latentDim nor windowedLayers",
)
_SIZE = Rule(
    "!has(self.weightsGiB) || (self.weightsGiB * 1.073741824 / self.parametersBillions >= 0.4"
    " && self.weightsGiB * 1.073741824 / self.parametersBillions <= 4.5)",
    "architecture.weightsGiB contradicts parametersBillions: a parameter takes 0.4 to 4.5 bytes",
)
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$"
_REPOSITORY = Rule(
    f"self.matches(r'{_NAME}')", "model is ORGANISATION/NAME on the Hub, such as Qwen/Qwen3-8B"
)
_BASE = Rule(f"self.matches(r'{_NAME}')", "baseModel is ORGANISATION/NAME on the Hub, such as Qwen/Qwen3-8B")
_ONE_SIZE = Rule(
    "!has(self.baseModel) || !has(self.architecture)",
    "baseModel and architecture both say what the model is sized by: name one of them",
)


class Precision(StrEnum):
    """How a checkpoint stores its weights."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"
    INT8 = "int8"
    INT4 = "int4"
    MXFP4 = "mxfp4"
    NVFP4 = "nvfp4"


class Task(StrEnum):
    """What a model is asked to do."""

    AUTO = "Auto"
    GENERATE = "Generate"
    EMBED = "Embed"
    RERANK = "Rerank"
    CLASSIFY = "Classify"


class Quantization(StrEnum):
    """What is done to the weights when they are loaded."""

    AUTO = "Auto"
    NONE = "None"
    FP8 = "FP8"


class Architecture(Schema):
    """Numbers of a model that the catalog does not know; all stand in its config.json."""

    model_config = ConfigDict(
        json_schema_extra=rules(_HEADS, _ONE_CACHE, _WINDOWS, _WINDOWED, _ENCODER, _SIZE)
    )

    model_type: str | None = Field(
        None,
        description="What config.json says as model_type, such as qwen3; needed with latentDim. The numbers "
        "are checked against what the engine caches of such models. Default: not known.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=60,
    )
    parameters_billions: float = Field(
        description="Parameters, in billions; of quantised weights those before quantisation.", gt=0, le=10000
    )
    weights_gib: float | None = Field(
        None,
        alias="weightsGiB",
        description="Size of the checkpoint, in GiB, where scales and layers that are not quantised make it "
        "another than parameters times bytes, which is the default.",
        gt=0,
        le=20000,
    )
    layers: int = Field(
        description="Layers with attention; of most models all (num_hidden_layers).", ge=1, le=1000
    )
    windowed_layers: int = Field(
        0, description="Those of them that keep a window of the context only. Default 0.", ge=0, le=1000
    )
    sliding_window: int | None = Field(
        None, description="Tokens in that window (sliding_window). Default: none.", ge=1, le=100_000_000
    )
    attention_heads: int = Field(description="Attention heads (num_attention_heads).", ge=1, le=1024)
    kv_heads: int = Field(description="Key-value heads (num_key_value_heads).", ge=1, le=1024)
    head_dim: int | None = Field(
        None, description="Size of one head (head_dim, or hidden_size / heads).", ge=1, le=1024
    )
    latent_dim: int | None = Field(
        None,
        description="Instead of headDim, for multi-head latent attention: kv_lora_rank + qk_rope_head_dim.",
        ge=1,
        le=8192,
    )
    state_mib_per_request: float = Field(
        0,
        alias="stateMiBPerRequest",
        description="What a request keeps in layers without attention (Mamba, linear attention), in MiB over "
        "all of them. Default 0.",
        ge=0,
        le=10000,
    )
    encoder: bool = Field(
        False, description="Whether it reads its input once and caches nothing, as BERT does. Default false."
    )
    max_context_length: int = Field(
        description="Longest context, in tokens (max_position_embeddings).", ge=1, le=100_000_000
    )
    precision: Precision = Field(
        Precision.BF16, description="How the checkpoint stores weights. Default bf16."
    )

    @model_validator(mode="after")
    def _grouped(self) -> Self:
        if self.attention_heads % self.kv_heads:
            raise ValueError(f"{_HEADS.message} (got {self.attention_heads} and {self.kv_heads})")
        return self

    @model_validator(mode="after")
    def _agreeing(self) -> Self:
        bytes_each = (self.weights_gib or 0) * 1.073741824 / self.parameters_billions
        broken = {
            _ONE_CACHE: (self.head_dim is None) == (self.latent_dim is None),
            _WINDOWS: self.windowed_layers > self.layers,
            _WINDOWED: (self.windowed_layers > 0) != (self.sliding_window is not None),
            _ENCODER: self.encoder and (self.latent_dim is not None or self.windowed_layers > 0),
            _SIZE: self.weights_gib is not None and not 0.4 <= bytes_each <= 4.5,
        }
        for rule, is_broken in broken.items():
            if is_broken:
                raise ValueError(rule.message)
        return self


class ClusterChoice(Schema):
    """Which InferenceClusters may serve the Model."""

    model_config = ConfigDict(json_schema_extra=rules(_NAME_OR_LABELS, _POOL_OF_NAME))

    name: str | None = Field(None, description="Name of an InferenceCluster.", min_length=1, max_length=63)
    namespace: str | None = Field(
        None, description="Namespace of that InferenceCluster, needed where two share a name.", max_length=63
    )
    node_pool: str | None = Field(
        None,
        description="Only this node pool of the InferenceCluster that name names. A Model that lives in "
        "another moves there: its weights are downloaded again, and its address changes once it serves "
        "there. Default: the cheapest that the Model fits.",
        min_length=1,
        max_length=20,
    )
    match_labels: dict[str, str] | None = Field(
        None, description="Labels that an InferenceCluster must have."
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.name is None) == (self.match_labels is None):
            raise ValueError(_NAME_OR_LABELS.message)
        if self.node_pool is not None and self.name is None:
            raise ValueError(_POOL_OF_NAME.message)
        return self


class Requirement(StrEnum):
    """What a pool, or its cluster, must have."""

    WHOLE_GPU = "WholeGPU"
    NO_SPOT = "NoSpot"
    RDMA = "RDMA"
    SHARED_STORAGE = "SharedStorage"


class GpuChoice(Schema):
    """Overrides what sizing would choose."""

    model: str | None = Field(
        None,
        description="Only pools of this GPU model, such as L4, or of any GPU of this name, such as H100.",
        max_length=63,
    )
    count: int | None = Field(
        None,
        description="GPUs for one replica on each of its nodes, instead of the fewest that fit.",
        ge=1,
        le=16,
    )
    min_memory_gib: int | None = Field(
        None,
        alias="minMemoryGiB",
        description="Only pools whose GPUs, or slices where they are shared, have this memory, in GiB as the "
        "driver reports it (an H100 of 80 GB has 79). Default: what the model needs.",
        ge=1,
        le=1024,
    )
    requires: list[Requirement] = Field(
        default_factory=list,
        description="What the pool or its cluster must have. WholeGPU: GPUs that are not shared; NoSpot: "
        "machines that are not taken back; RDMA: such a network between its nodes; SharedStorage: volumes "
        "that several nodes read. Default: what the model needs.",
        max_length=4,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class Replicas(Schema):
    """How many copies serve the Model."""

    min: int = Field(1, description="Copies that always run. Default 1.", ge=0, le=100)


class TokenSecretRef(Schema):
    """A token in a Secret in the claim's own namespace."""

    name: SecretName = Field(description="Name of the Secret, in the claim's namespace.")
    key: str = Field("token", description="Key in the Secret. Default token.", max_length=253)


class HuggingFace(Schema):
    """Weights from a Hugging Face Hub."""

    token_secret_ref: TokenSecretRef | None = Field(
        None, description="Access token for a gated or private model; only the downloader gets it."
    )


class Source(Schema):
    """Where the weights come from."""

    hugging_face: HuggingFace = Field(
        default_factory=HuggingFace, description="The Hub, or the mirror of it that the platform set."
    )
    restarted_at: str | None = Field(
        None,
        description="Any text, such as the time. Changing it has a download that failed tried again at "
        "once, such as after a token was corrected in its Secret, and one that is under way begun again. A "
        "Model whose weights are downloaded stays as it is.",
        min_length=1,
        max_length=64,
    )
    volume_gib: int | None = Field(
        None,
        alias="volumeGiB",
        description="Size of the volume that keeps the weights, in GiB. A volume that is not filled yet "
        "grows where its StorageClass allows that; none shrinks. Default: the size of the files, 15% more, "
        "and 2 GiB.",
        ge=1,
        le=65536,
    )


class ModelSpec(Schema):
    """A large language model behind an OpenAI-compatible endpoint."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_SIZE))

    model: str = Field(
        description="Name of the model on the Hub, such as Qwen/Qwen3-8B.",
        max_length=200,
        json_schema_extra=rules(_REPOSITORY),
    )
    base_model: str | None = Field(
        None,
        description="Name of the model that this one was made from without a change of its shape or "
        "precision, such as by fine-tuning: it is sized and served like that one. Default: none.",
        max_length=200,
        json_schema_extra=rules(_BASE),
    )
    revision: str = Field(
        "main",
        description="Branch, tag or, best, commit of the weights. Default main.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$",
        max_length=100,
    )
    context_length: int | None = Field(
        None,
        description="Longest context of one request, in tokens. Default: the model's own, at most 16384.",
        ge=128,
        le=100_000_000,
    )
    concurrency: int = Field(
        1,
        description="Requests of full context that one replica must hold at once; shorter ones share "
        "the same memory. Default 1.",
        ge=1,
        le=1024,
    )
    task: Task = Field(
        Task.AUTO,
        description="What it is asked to do: Generate, Embed, Rerank or Classify. Default Auto: what the "
        "catalog says that it was made for, else Generate.",
    )
    quantization: Quantization = Field(
        Quantization.AUTO,
        description="Auto serves the weights as they are stored. FP8 makes bf16 and fp16 weights fp8 when "
        "they are loaded, on GPUs from compute capability 8.9 on. None refuses weights that are stored "
        "quantised. Default Auto.",
    )
    tool_calling: ToolCalling = Field(
        ToolCalling(),
        description="How the model's calls of a client's tools (functions) are read: an object, such as "
        "{parser: hermes}. Tools need no switch: they are on where the catalog names the model's parser.",
    )
    reasoning: Reasoning = Field(Reasoning(), description="How a model's reasoning is told from its answer.")
    multimodal: Multimodal = Field(
        Multimodal(), description="Images, videos and audio in requests, of a model that reads them."
    )
    replicas: Replicas = Field(Replicas(), description="How many copies serve.")
    access: Callers = Field(Callers(), description="Who may call the Model beside those with its key.")
    routing: Routing = Field(
        Routing(), description="Which replica a request goes to at the cluster's gateway, and how many wait."
    )
    cluster: ClusterChoice | None = Field(
        None, description="Which InferenceCluster. Default: any that admits this namespace."
    )
    gpu: GpuChoice = Field(default_factory=GpuChoice, description="Overrides what sizing would choose.")
    architecture: Architecture | None = Field(
        None, description="Numbers of a model that the catalog does not know; overrides the catalog."
    )
    source: Source = Field(default_factory=Source, description="Where the weights come from.")
    engine: Engine = Field(default_factory=Engine, description="Escape hatch: image, arguments, resources.")

    @field_validator("model")
    @classmethod
    def _repository(cls, model: str) -> str:
        if not re.fullmatch(_NAME, model):
            raise ValueError(_REPOSITORY.message)
        return model

    @field_validator("base_model")
    @classmethod
    def _base_repository(cls, base: str | None) -> str | None:
        if base is not None and not re.fullmatch(_NAME, base):
            raise ValueError(_BASE.message)
        return base

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.base_model is not None and self.architecture is not None:
            raise ValueError(_ONE_SIZE.message)
        return self
