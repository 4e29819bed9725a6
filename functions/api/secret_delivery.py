"""What the agent of the control plane is asked to deliver, and what it says of it.

function-vllm composes a `SecretDelivery` in the platform namespace. It names a key of a Secret of the
control plane and a Secret of a GPU cluster, or one beside the claim. It never holds a value, nor a digest
of one.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .schema import Schema

__all__ = [
    "CLIENTS",
    "EXPIRES_SOON",
    "ClientKey",
    "SecretDelivery",
    "SecretDeliveryStatus",
    "Undeliverable",
]

CLIENTS = "Clients"
"""Condition of a delivery that has clients: whether the key of each was delivered."""
EXPIRES_SOON = "ExpiresSoon"
"""Reason of the condition Synced, which is True: the delivered certificate ends within two weeks."""
_NAME, _LABEL, _ASKED, _PEM = 253, 63, 64, 32768


class Undeliverable(StrEnum):
    """Why a Secret is not delivered, or CRDs are not upgraded."""

    SOURCE_MISSING = "SourceMissing"
    """The Secret of the control plane is not there."""
    KEY_MISSING = "KeyMissing"
    """The Secret of the control plane lacks the key, or has nothing in it."""
    NOT_ALLOWED = "NotAllowed"
    """The delivery asks for what is not the claim's."""
    NOT_READABLE = "NotReadable"
    """The agent may not read the Secret of the control plane."""
    NO_CREDENTIALS = "NoCredentials"
    """The ProviderConfig or its kubeconfig is missing, or is none that the agent uses."""
    CLUSTER_UNREACHABLE = "ClusterUnreachable"
    """The GPU cluster's API does not answer."""
    OWNER_MISSING = "OwnerMissing"
    """The ConfigMap that is to own the Secret is not in the GPU cluster (yet)."""
    CERTIFICATE_INVALID = "CertificateInvalid"
    """The Secret of the control plane holds no certificate for the host, with its key, that is valid now and
    that the authorities vouch for."""
    REFUSED = "Refused"
    """The GPU cluster's API server refuses the Secret."""
    STILL_COMPOSED = "StillComposed"
    """Crossplane composes the Secret too (still), and would read the value."""
    CHART_UNREADABLE = "ChartUnreadable"
    """The chart, whose CRDs are to be upgraded, cannot be had from its repository, or is none."""
    VERSION_IN_USE = "VersionInUse"
    """The chart's CRD lacks a version that the one in the GPU cluster serves or has stored."""
    AGENT_FAILED = "AgentFailed"
    """The agent has failed in a way that nobody has foreseen."""


class Source(Schema):
    """A key of a Secret of the control plane."""

    namespace: str = Field(
        max_length=_LABEL,
        description="Namespace of the Secret: the claim's, or the delivery's own for a pull secret and for a "
        "Secret that the agent makes.",
    )
    name: str = Field(max_length=_NAME, description="Name of the Secret.")
    key: str = Field(max_length=_NAME, description="Key of the value.")
    asked_at: str | None = Field(
        None,
        max_length=_ASKED,
        description="When a user asked for the value as it is now: a change has it read at once.",
    )


class Target(Schema):
    """A Secret of a GPU cluster, or one beside the claim."""

    namespace: str = Field(
        max_length=_LABEL,
        description="Namespace of the Secret: the Model's, or the claim's in the control plane.",
    )
    name: str = Field(
        max_length=_NAME,
        description="Name of the Secret, and in a GPU cluster of the ConfigMap that owns it beside it.",
    )
    key: str = Field(max_length=_NAME, description="Key of the value.")
    type: str = Field("Opaque", max_length=_NAME, description="Type of the Secret. Default Opaque.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of the Secret.")
    texts: dict[str, str] = Field(
        default_factory=dict,
        description="What stands in the Secret beside the value and is no secret, by key.",
    )
    composed: bool = Field(
        False,
        description="Whether Crossplane still composes this Secret. The agent then has the composite own it "
        "without controlling it, so that Crossplane lets go of it, and delivers no value: Crossplane would "
        "read it. Default false.",
    )
    certificate_for: str | None = Field(
        None,
        max_length=_NAME,
        description="DNS name. The value is a certificate for it, valid now, which is delivered with its "
        "private key, tls.key beside it. Default: the value is anything.",
    )
    authorities: str | None = Field(
        None,
        max_length=_PEM,
        description="Certificates as PEM, one of which vouches for the certificate that is the value. "
        "Default: nobody asks who has issued it.",
    )


class ClientKeyRef(Schema):
    """A client's key in a Secret of the claim's namespace."""

    name: str = Field(max_length=_NAME, description="Name of the Secret.")
    key: str = Field(max_length=_NAME, description="Key of the value.")


class ClientKey(Schema):
    """A client of the Model, whose key stands beside the value."""

    name: str = Field(max_length=_LABEL, description="Name of the client, as messages have it.")
    key: str = Field(max_length=_NAME, description="Key of the client's key in the delivered Secret.")
    secret_ref: ClientKeyRef = Field(
        description="The client's key. Its namespace is the claim's, whatever is asked for."
    )


class Rotation(Schema):
    """How often a value that the agent makes was asked to change, and how long both are taken."""

    number: int = Field(
        0,
        ge=0,
        description="A number higher than any before has the agent make another value. Default 0.",
    )
    overlap_minutes: int = Field(
        60, ge=0, description="How long the value of before is delivered, too. Default 60."
    )
    key: str = Field(max_length=_NAME, description="Key of the value of before in the delivered Secret.")


class ProviderConfigRef(Schema):
    """How the GPU cluster is reached: a ProviderConfig of provider-kubernetes beside the delivery."""

    kind: str = Field("ProviderConfig", pattern="^ProviderConfig$", description="Kind; ProviderConfig.")
    name: str = Field(max_length=_NAME, description="Name of the ProviderConfig.")


class SecretDelivery(Schema):
    """A Secret that the agent of the control plane carries into a GPU cluster, or beside a claim."""

    source: Source = Field(description="What is delivered.")
    made: bool = Field(
        False,
        description="Whether the agent makes the source where there is none: a Secret beside the delivery, "
        "which goes with the composite. Its value is 256 random bits and changes by its rotation alone; with "
        "certificateFor it is a certificate of an authority that is made, too, and renewed in time. Default "
        "false.",
    )
    rotation: Rotation | None = Field(
        None, description="Of a value that the agent makes. Default: it stays until its Secret is deleted."
    )
    target: Target = Field(description="Where it is delivered.")
    clients: list[ClientKey] = Field(
        default_factory=list,
        max_length=64,
        description="Whose keys are delivered beside the value, which is a key, too. One that is missing, or "
        "that a gateway would not take, is left out and told. Default none.",
    )
    provider_config_ref: ProviderConfigRef | None = Field(
        None, description="The GPU cluster; none: the control plane, in the claim's own namespace."
    )


class Delivered(Schema):
    """What was delivered last, without its value."""

    namespace: str = Field(max_length=_LABEL, description="Namespace of the Secret of the control plane.")
    name: str = Field(max_length=_NAME, description="Its name.")
    key: str = Field(max_length=_NAME, description="Key of the value.")
    asked_at: str | None = Field(None, max_length=_ASKED, description="The source's askedAt.")
    uid: str = Field(max_length=_LABEL, description="Its UID.")
    resource_version: str = Field(max_length=_LABEL, description="Its resourceVersion.")


class DeliveryCondition(Schema):
    """A condition of a delivery."""

    type: str = Field(
        max_length=_LABEL,
        description="Ready: the source was delivered once. Synced: the last try succeeded. Clients: the "
        "key of each client was delivered.",
    )
    status: str = Field(max_length=7, description="True or False.")
    reason: str = Field(
        max_length=_LABEL, description="Delivered, or why not; LeftOut where clients' keys are missing."
    )
    message: str = Field("", max_length=1024, description="What is wrong, and what to do.")
    last_transition_time: str = Field(max_length=32, description="When the status changed last.")


class SecretDeliveryStatus(Schema):
    """What the agent says of a delivery."""

    observed_generation: int = Field(description="Generation that the agent looked at last.")
    delivered: Delivered | None = Field(None, description="What was delivered last; none: nothing yet.")
    authorities: str | None = Field(
        None,
        max_length=_PEM,
        description="Certificate of the authority that the agent has made, which vouches for the delivered "
        "certificate, as PEM; none: it has made none.",
    )
    conditions: list[DeliveryCondition] = Field(
        default_factory=list, max_length=8, description="Ready, Synced and, where there are any, Clients."
    )
