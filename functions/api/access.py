"""Who may call a Model, and from where."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from .forms import Form, Namespace, SecretName
from .limits import OF_CLIENTS, Limits, ModelLimits, above, contradiction
from .schema import Schema, rules
from .tokens import Tokens, unique

__all__ = ["Callers", "Client", "ClientSecretRef", "OwnKey"]

_CLIENT = Form(
    "[a-z0-9]([a-z0-9-]*[a-z0-9])?",
    "this is no name of a client: it has lower-case letters, digits and '-', and begins and ends with a "
    "letter or a digit",
)
_ClientName = Annotated[
    str,
    AfterValidator(_CLIENT.check),
    Field(min_length=1, max_length=40, json_schema_extra=rules(_CLIENT.rule)),
]
_LIST_BY_NAME: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}


class ClientSecretRef(Schema):
    """A client's key in a Secret in the claim's own namespace."""

    name: SecretName = Field(description="Name of the Secret, in the claim's namespace.")
    key: str = Field("key", description="Key in the Secret. Default key.", min_length=1, max_length=253)


class Client(Schema):
    """One who calls the Model with a key of their own."""

    name: _ClientName = Field(description="Name of the client, as usage and limits show it.")
    secret_ref: ClientSecretRef = Field(
        description="The client's key, which you choose: 16 to 1024 printable ASCII characters without "
        "blanks, such as from `openssl rand -hex 32`, and not another client's. A change, or deleting the "
        "Secret, refuses the key of before within seconds."
    )
    limits: Limits | None = Field(
        None,
        description="Limits of this client, instead of access.limits.perClient. Default: those.",
    )


class OwnKey(Schema):
    """The key that is made for the Model."""

    rotation: int = Field(
        0,
        description="A higher number than before has another key made: the Secret beside the claim gets it, "
        "and the one of before is taken for overlapMinutes longer. A lower number changes nothing. "
        "Default 0.",
        ge=0,
        le=1_000_000_000,
    )
    overlap_minutes: int = Field(
        60,
        description="How long the key of before is taken, in minutes from when the new one was made. A "
        "second change in that time ends the older one at once. 0 ends it at once, too, and so does "
        "lowering this. Default 60.",
        ge=0,
        le=43200,
    )


class Callers(Schema):
    """Who may call the Model beside those with its key."""

    model_config = ConfigDict(json_schema_extra=rules(*OF_CLIENTS))

    key: OwnKey = Field(
        default_factory=OwnKey, description="The key that is made for the Model at a gateway."
    )

    clients: list[Client] = Field(
        default_factory=list,
        description="More clients at the cluster's gateway, each with a key of its own from a Secret in the "
        "claim's namespace. A client whose Secret or key is missing, or whose key is not taken, has no "
        "access; the others do. Default none.",
        max_length=32,
        json_schema_extra=_LIST_BY_NAME,
    )
    jwt: list[Tokens] = Field(
        default_factory=list,
        description="Tokens of issuers that the Model takes beside keys, at its own address at the cluster's "
        "gateway. The platform says which issuers there are. Default none.",
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["issuer"]},
    )
    limits: ModelLimits = Field(
        default_factory=ModelLimits,
        description="How much may be asked of the Model at the cluster's gateway, in requests and tokens; "
        "what is above gets 429. They need spec.gateway.limits of the cluster, and hold for whoever comes by "
        "the gateway. Default: no limits.",
    )
    in_cluster: bool = Field(
        False,
        description="Whether pods of the GPU cluster, in a namespace named like the claim's, may call the "
        "Model's Service, too: over plain HTTP and without a key. Where the cluster has no gateway they may "
        "anyhow, since nothing else leads to the Model. Default false.",
    )
    namespaces: list[Namespace] = Field(
        default_factory=list,
        description="More namespaces of the GPU cluster whose pods may call the Model's Service, over plain "
        "HTTP and without a key. Whoever may run pods there may call the Model. Default none.",
        max_length=32,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    @field_validator("jwt")
    @classmethod
    def _each_issuer_once(cls, jwt: list[Tokens]) -> list[Tokens]:
        unique(jwt, "access.jwt", "issuer")
        return jwt

    @field_validator("clients")
    @classmethod
    def _each_once(cls, clients: list[Client]) -> list[Client]:
        unique(clients, "access.clients", "name")
        return clients

    @model_validator(mode="after")
    def _no_client_above_all(self) -> Self:
        for client in self.clients:
            for each in above(client.limits, self.limits):
                raise ValueError(contradiction(each.field, f"limits of client {client.name}"))
        return self
