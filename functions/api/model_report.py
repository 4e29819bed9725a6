"""What the agent reports of the pods of one Model, and of its address.

The agent writes a `ModelReport` in the Model's namespace of a GPU cluster; function-vllm reads the
report, and records it in the Model's status. Every text has a bound, so that a report has at most
some KiB.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .schema import Schema

__all__ = ["AtGateway", "Ending", "GatewayTrouble", "PodReport", "PodTrouble", "PodsOf", "Trouble"]

_NAME, _TEXT = 253, 1024
_MOST_NODES = 16


class Trouble(StrEnum):
    """Why a pod of a Model does not serve, or does not download; the worst first."""

    OUT_OF_GPU_MEMORY = "OutOfGPUMemory"
    """The engine found too little memory on the GPU."""
    OUT_OF_MEMORY = "OutOfMemory"
    """The container was killed when it reached its memory limit."""
    CRASH_LOOP = "CrashLoop"
    """The container ends, and is started again."""
    IMAGE_PULL = "ImagePull"
    """The node cannot pull the container's image."""
    CONTAINER_NOT_STARTED = "ContainerNotStarted"
    """The node cannot create or start the container."""
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"
    """The node cannot attach or mount a volume."""
    NODE_LOST = "NodeLost"
    """The pod's node does not answer, or was removed."""
    PROBE_FAILING = "ProbeFailing"
    """The container runs and does not answer its probe."""
    NODE_REFUSED = "NodeRefused"
    """The node's kubelet refuses the pod that the scheduler gave to the node."""
    PODS_REFUSED = "PodsRefused"
    """The API server refuses to create the pod: a quota, the pod security standard or a webhook."""
    VOLUME_ELSEWHERE = "VolumeElsewhere"
    """The weights' volume is in a zone, or on a node, where the pod cannot run."""
    VOLUME_PENDING = "VolumePending"
    """The weights' volume cannot be created or bound."""
    NO_FREE_GPUS = "NoFreeGPUs"
    """The nodes' GPUs, slices of GPUs or RDMA devices are taken, or too few."""
    NO_ROOM = "NoRoom"
    """The nodes lack CPU, memory, disk or room for another pod."""
    NODES_TAINTED = "NodesTainted"
    """The nodes have a taint that the pod does not tolerate, or are cordoned."""
    NO_MATCHING_NODE = "NoMatchingNode"
    """No node has the labels that the pod asks for."""
    UNSCHEDULABLE = "Unschedulable"
    """The scheduler places the pod nowhere, for another reason."""
    EVICTED = "Evicted"
    """The pod was evicted from its node, or gave way to a pod of higher priority."""


class PodTrouble(Schema):
    """What is wrong with a pod."""

    reason: Trouble = Field(description="Why the pod does not do its work.")
    message: str = Field(
        max_length=_TEXT, description="What the cluster, or the container's log, says of it."
    )
    pod: str = Field("", max_length=_NAME, description="Name of the pod; empty where none could be created.")
    node: str | None = Field(None, max_length=_NAME, description="Node of the pod.")
    container: str | None = Field(None, max_length=_NAME, description="The container that is in trouble.")
    since: str = Field(max_length=32, description="Since when, as the cluster's objects say.")


class PodsOf(Schema):
    """The pods of one kind: those that serve, or those that download."""

    total: int = Field(description="Pods that have not ended.")
    ready: int = Field(description="Pods of these that are ready.")
    restarts: int = Field(description="Restarts of the containers of these pods.")
    nodes: list[str] | None = Field(
        None, max_length=_MOST_NODES, description="Nodes of these pods, sixteen at most."
    )
    trouble: PodTrouble | None = Field(None, description="The worst that is wrong; none: nothing is.")


class Ending(Schema):
    """How the container of the newest download ended that has ended."""

    job: str = Field(max_length=_NAME, description="Name of the Job.")
    exit_code: int = Field(description="Exit code of the container.")
    message: str = Field(max_length=2 * _TEXT, description="Termination message of the container.")
    at: str = Field(max_length=32, description="When the container ended.")


class GatewayTrouble(StrEnum):
    """Why a request through the gateway with the Model's key is not answered."""

    HOST_UNRESOLVED = "HostUnresolved"
    """The gateway's host leads nowhere in the cluster, whose pods alone can connect."""
    GATEWAY_UNREACHABLE = "GatewayUnreachable"
    """No connection comes about."""
    CERTIFICATE_REFUSED = "CertificateRefused"
    """Its certificate is not for its host, has expired, or is of authorities that no client knows."""
    KEY_REFUSED = "KeyRefused"
    """401 or 403."""
    ROUTE_MISSING = "RouteMissing"
    """404."""
    PODS_UNREACHED = "PodsUnreached"
    """502 or 503: the gateway knows no pod, or reaches none."""
    NO_ANSWER = "NoAnswer"
    """Nothing comes back in time, or 504."""
    UNEXPECTED_ANSWER = "UnexpectedAnswer"
    """Another status."""


class AtGateway(Schema):
    """What came of a request through the gateway with the Model's key."""

    answered: bool = Field(description="Whether it is answered.")
    reason: GatewayTrouble | None = Field(None, description="Why it is not.")
    message: str | None = Field(None, max_length=_TEXT, description="What was seen; none: nothing else.")
    since: str | None = Field(None, max_length=32, description="Since when it is not answered, in UTC.")


class PodReport(Schema):
    """The pods of a Model, as the agent in its cluster sees them."""

    serving: PodsOf | None = Field(None, description="Pods that serve; none: there are none.")
    download: PodsOf | None = Field(None, description="Pods that download the weights; none: there are none.")
    ending: Ending | None = Field(None, description="How the newest ended download ended; none: none did.")
    gateway: AtGateway | None = Field(
        None,
        description="What comes of a request through the cluster's gateway with the Model's key; none: there "
        "is no gateway or no ready pod, or nobody has asked yet.",
    )
    observed_at: str | None = Field(
        None,
        max_length=32,
        description="When the agent saw this, in UTC. It reports each change within seconds, and nothing "
        "else, so an old time means that nothing has changed, or that the agent does not run: the condition "
        "ComponentsReady of the InferenceCluster tells which.",
    )
