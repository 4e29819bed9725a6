"""What a Model tells: where it is, how to call it, and why it got those GPUs."""

from __future__ import annotations

from pydantic import Field

from .cluster_status import Fabric
from .contract import GPU
from .node_pool import Taint
from .schema import Schema

__all__ = ["Endpoint", "ModelStatus", "Placement", "RunnerUp", "Sizing"]


class Endpoint(Schema):
    """How to call the Model."""

    base_url: str = Field(alias="baseURL", description="OpenAI base URL, inside the cluster's network.")
    model: str = Field(description="Value of `model` in requests.")
    secret_name: str | None = Field(
        None, description="Secret beside the claim with both, as OPENAI_BASE_URL and OPENAI_MODEL."
    )


class RunnerUp(Schema):
    """A pool that would have done as well."""

    claim: str = Field(description="The InferenceCluster, as namespace/name.")
    node_pool: str = Field(description="The node pool.")
    gpus: str = Field(description="What a replica would have taken, such as 2 L4.")
    why: str = Field(description="Why it was not chosen.")


class Placement(Schema):
    """Where the Model runs; recorded, so that it goes on when its cluster cannot be read."""

    cluster: str = Field(description="The XInferenceCluster.")
    claim: str = Field(description="Its claim, as namespace/name.")
    node_pool: str = Field(description="The node pool.")
    gpu_model: str = Field(description="GPU model of the pool.")
    gpus: int = Field(
        description="GPUs, or slices, that one replica takes on each of its nodes; the tensor parallel size "
        "unless there are ranks."
    )
    nodes: int = Field(1, description="Nodes of one replica; the pipeline parallel size.")
    ranks: int | None = Field(
        None,
        description="GPUs that cache requests of their own, with experts divided; the data parallel size.",
    )
    resource: str = Field(GPU, description="What a pod asks for to get one of them.")
    fabric: Fabric | None = Field(None, description="RDMA devices between the nodes of a replica, if any.")
    namespace: str = Field(description="The Model's namespace in that cluster.")
    provider_config: str = Field(description="ProviderConfig that reaches the cluster.")
    provider_config_namespace: str = Field(description="Namespace of that ProviderConfig.")
    storage_class_name: str | None = Field(None, description="StorageClass of the weights.")
    shared_storage: bool = Field(False, description="Whether the volume can be read on several nodes.")
    node_selector: dict[str, str] = Field(default_factory=dict, description="Labels of the pool's nodes.")
    taints: list[Taint] | None = Field(None, description="Taints of the pool's nodes beside nvidia.com/gpu.")
    sharing: str | None = Field(
        None, description="How a GPU is shared with other Models: TimeSlicing, MPS or MIG; none: whole GPUs."
    )
    gpu_memory_utilization: float = Field(
        0.92, description="Share of the memory that the engine sees which it takes, from 0 to 1."
    )
    price_usd_per_hour: float | None = Field(
        None, description="Listed price of the GPUs that one replica takes, in US dollars an hour."
    )
    runners_up: list[RunnerUp] | None = Field(
        None, description="The next best pools when the Model was placed, at most five."
    )
    engine_flags: list[str] | None = Field(
        None,
        description="Arguments of the engine that follow from the model's task, precision and shape.",
    )
    tag: str | None = Field(
        None, description="In the names of what is composed for a place that the Model moved to."
    )
    weights: str = Field("", description="The weights being served, as part of their volume's name.")
    asked: str = Field("", description="What was asked when it was placed; a change places it again.")

    @property
    def tag_in_names(self) -> str:
        """The tag; empty for the Model's first place."""
        return self.tag or ""


class Sizing(Schema):
    """The arithmetic, in GiB."""

    weights_gib: float = Field(alias="weightsGiB", description="Weights, in GiB.")
    checkpoint_gib: float | None = Field(
        None,
        alias="checkpointGiB",
        description="The weights as files, in GiB, where that is another size than when loaded.",
    )
    kv_cache_bytes_per_token: int = Field(description="KV cache of one token over all layers, in bytes.")
    context_length: int = Field(description="Context the cache is sized for, in tokens.")
    concurrency: int = Field(description="Requests of that context at once.")
    kv_cache_gib: float = Field(alias="kvCacheGiB", description="KV cache for that, on all GPUs, in GiB.")
    usable_gib_per_gpu: float = Field(
        alias="usableGiBPerGPU", description="Memory of one GPU for weights and cache, in GiB."
    )
    needed_gib_per_gpu: float = Field(
        alias="neededGiBPerGPU", description="Weights and cache on one GPU, in GiB."
    )
    explanation: str = Field(description="The sum, in words.")


class ModelStatus(Schema):
    """Status of a Model."""

    endpoint: Endpoint | None = Field(None, description="How to call the Model.")
    placement: Placement | None = Field(None, description="Where the Model runs.")
    sizing: Sizing | None = Field(None, description="Why it got those GPUs.")
