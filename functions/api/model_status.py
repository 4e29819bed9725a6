"""Status of a Model: where it is placed, how to call it, and why it needs its GPUs."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .cluster_status import Fabric, OfferedGateway
from .contract import GPU
from .model_report import PodReport
from .node_pool import Taint
from .schema import Schema

__all__ = [
    "Certainty",
    "Endpoint",
    "EngineStatus",
    "ModelFiles",
    "ModelStatus",
    "Placement",
    "RunnerUp",
    "Sizing",
    "WeightsStatus",
]


class Endpoint(Schema):
    """How to call the Model."""

    base_url: str = Field(
        alias="baseURL",
        description="OpenAI base URL: at the cluster's gateway, or where it has none, inside its network.",
    )
    model: str = Field(description="Value of `model` in requests.")
    secret_name: str | None = Field(
        None,
        description="Secret in the claim's namespace with both, as OPENAI_BASE_URL and OPENAI_MODEL. With a "
        "gateway it holds OPENAI_API_KEY, too, and ca.crt where clients do not know the authority.",
    )
    shared_base_url: str | None = Field(
        None,
        alias="sharedBaseURL",
        description="OpenAI base URL at the cluster's gateway of all Models that a key is for; none without "
        "a gateway.",
    )
    shared_model: str | None = Field(
        None, description="Value of `model` in requests there: NAMESPACE/NAME of the claim."
    )


class RunnerUp(Schema):
    """A node pool that also holds the Model."""

    claim: str = Field(description="The InferenceCluster, as namespace/name.")
    node_pool: str = Field(description="The node pool.")
    gpus: str = Field(description="GPUs of one replica there, such as 2 L4.")
    why: str = Field(description="Why it was not chosen.")


class Placement(Schema):
    """Where the Model runs. It is recorded, so that the Model runs on while its cluster cannot be read."""

    cluster: str = Field(description="The XInferenceCluster.")
    claim: str = Field(description="Its claim, as namespace/name.")
    node_pool: str = Field(description="The node pool.")
    gpu_model: str = Field(description="GPU model of the pool.")
    gpus: int = Field(
        description="GPUs, or slices of GPUs, of one replica on each of its nodes: the tensor parallel size "
        "times the data parallel size."
    )
    nodes: int = Field(1, description="Nodes of one replica: the pipeline parallel size.")
    data_parallel: int | None = Field(
        None,
        description="Data parallel size: GPUs of a node that each have all of the attention and requests of "
        "their own, while the experts are divided. Default 1.",
    )
    resource: str = Field(GPU, description="Extended resource by which a pod requests one of them.")
    cpu: str | None = Field(None, description="CPU that each pod of a replica requests.")
    memory: str | None = Field(None, description="Memory that each pod of a replica requests, and its limit.")
    fabric: Fabric | None = Field(None, description="RDMA devices of each pod of a replica on several nodes.")
    namespace: str = Field(description="The Model's namespace in that cluster.")
    provider_config: str = Field(description="ProviderConfig that reaches the cluster.")
    provider_config_namespace: str = Field(description="Namespace of that ProviderConfig.")
    storage_class_name: str | None = Field(
        None, description="StorageClass of the weights' volume; none: the cluster's default."
    )
    shared_storage: bool = Field(False, description="Whether several nodes can mount the volume.")
    node_selector: dict[str, str] = Field(default_factory=dict, description="Labels of the pool's nodes.")
    taints: list[Taint] | None = Field(None, description="Taints of the pool's nodes beside nvidia.com/gpu.")
    sharing: str | None = Field(
        None, description="How a GPU is shared with other Models: TimeSlicing, MPS or MIG; none: whole GPUs."
    )
    gpu_memory_utilization: float = Field(
        0.92, description="Share of a GPU's memory that the engine takes, from 0 to 1."
    )
    price_usd_per_hour: float | None = Field(
        None, description="Listed price of the GPUs of one replica, in US dollars an hour."
    )
    runners_up: list[RunnerUp] | None = Field(
        None, description="The next best pools when the Model was placed, at most five."
    )
    image: str = Field("", description="Image of the engine; a newer package changes it only when told to.")
    engine_flags: list[str] | None = Field(
        None,
        description="Arguments of the engine that follow from the model's task, precision and shape.",
    )
    context_length: int | None = Field(
        None,
        description="Longest context of a request that the Model was sized for, in tokens; a newer package "
        "changes it only when the Model is sized again.",
    )
    gateway: OfferedGateway | None = Field(
        None, description="The cluster's gateway, at which the Model has a route; none: there is none."
    )
    tag: str | None = Field(
        None, description="Part of the names of what is composed for a node pool that the Model has moved to."
    )
    weights: str = Field(
        "", description="Digest of the weights that are served; part of their volume's name."
    )
    sized_by: str = Field(
        "",
        description="Digest of the fields of the spec that the Model was sized by. When they change, it is "
        "sized again.",
    )

    @property
    def tag_in_names(self) -> str:
        """The tag; empty for the Model's first placement."""
        return self.tag or ""


class Certainty(StrEnum):
    """How sure a sizing is."""

    MEASURED = "Measured"
    MODELLED = "Modelled"


class Sizing(Schema):
    """How the memory of each GPU was computed, in GiB."""

    weights_gib: float = Field(alias="weightsGiB", description="Weights, in GiB.")
    checkpoint_gib: float | None = Field(
        None,
        alias="checkpointGiB",
        description="The weights as files, in GiB, where that is another size than when loaded.",
    )
    kv_cache_bytes_per_token: int = Field(description="KV cache of one token over all layers, in bytes.")
    context_length: int = Field(description="Longest context of a request, in tokens.")
    concurrency: int = Field(description="Requests of that context that are held at once.")
    kv_cache_gib: float = Field(
        alias="kvCacheGiB", description="KV cache of these requests on all GPUs, in GiB."
    )
    usable_gib_per_gpu: float = Field(
        alias="usableGiBPerGPU", description="Memory of one GPU for weights and KV cache, in GiB."
    )
    needed_gib_per_gpu: float = Field(
        alias="neededGiBPerGPU", description="Weights and KV cache on one GPU, in GiB."
    )
    certainty: Certainty | None = Field(
        None,
        description="How sure the memory beside weights and cache is. Measured: start-up logs of such models "
        "were compared, and 5% are added. Modelled: it follows from dimensions alone, and 15% are added.",
    )
    explanation: str = Field(description="The computation, in words.")


class EngineStatus(Schema):
    """What serves the Model, and what newer there is. A newer package restarts nothing by itself."""

    image: str = Field(description="Image of the engine.")
    latest: str | None = Field(
        None, description="The platform's image, which new Models get, where that is another."
    )
    update: str | None = Field(None, description="What is out of date, and how to move to what is newer.")


class ModelFiles(Schema):
    """What a pod read of the model's own files. It is recorded, so that they are read once."""

    name: str = Field(description="The model on the Hub.")
    revision: str = Field(description="Branch, tag or commit that was read.")
    commit: str | None = Field(None, description="Commit that the revision meant then.")
    summary: str = Field(description="What they say, in words.")
    report: str = Field(description="What counts of config.json and of the weights' index, as JSON.")


class WeightsStatus(Schema):
    """The weights of the newest download, or of the one under way."""

    repository: str = Field(description="The model's name on the Hub.")
    revision: str = Field(description="The branch, tag or commit that the spec names.")
    commit: str | None = Field(
        None,
        description="The commit that the revision meant when the weights were downloaded; none: not known, "
        "as "
        "where no agent reports. To move to another one, name it in spec.revision.",
    )


class ModelStatus(Schema):
    """Status of a Model."""

    endpoint: Endpoint | None = Field(None, description="How to call the Model.")
    placement: Placement | None = Field(None, description="Where the Model is placed.")
    sizing: Sizing | None = Field(None, description="Why it needs its GPUs.")
    weights: WeightsStatus | None = Field(None, description="Which weights it has.")
    engine: EngineStatus | None = Field(None, description="What serves the Model, and what newer there is.")
    model: ModelFiles | None = Field(
        None, description="What the model's own files say, of a model that the catalog does not have."
    )
    pods: PodReport | None = Field(
        None, description="Its pods, as the agent of the cluster reports; none: the agent has not reported."
    )
