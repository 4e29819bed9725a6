"""The gateway of an InferenceCluster: one address, over TLS, for all its Models."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from .forms import HostName, Namespace, SecretName
from .limits import Limits
from .schema import Rule, Schema, rules
from .tokens import TokenIssuer, unique

__all__ = [
    "EXISTING_ORGANISATION",
    "Collector",
    "Gateway",
    "GatewayLimits",
    "GatewayTls",
    "GatewayUsage",
    "Issuer",
    "IssuerRef",
    "NamespaceLimits",
    "Reach",
    "TlsSecretRef",
    "WhenUnavailable",
]

_ONE_CERTIFICATE = Rule(
    "has(self.secretRef) != has(self.issuerRef)",
    "name exactly one of gateway.tls.secretRef and gateway.tls.issuerRef: where the certificate is from; or "
    "leave gateway.tls out, and one is made",
)
_CERTIFICATES = Rule(
    "self.contains('-----BEGIN CERTIFICATE-----') && !self.contains('PRIVATE KEY')",
    "gateway.tls.ca holds certificates as PEM, and no private key: everybody may read it",
)
EXISTING_ORGANISATION = Rule(
    "!has(self.existing) || !has(self.gateway) || self.gateway.reach != 'Organisation'"
    " || has(self.gateway.serviceAnnotations)",
    "gateway.reach Organisation in an existing cluster needs gateway.serviceAnnotations: those that make a "
    "load balancer of your cloud internal, or {} where none is reached from the internet",
)


_LIMITS_STAY = Rule(
    "!has(oldSelf.limits) || has(self.limits)",
    "gateway.limits cannot be taken away from a live gateway, where routes of Models would answer 500: leave "
    "it {}",
)


class Reach(StrEnum):
    """Who can open a connection to a gateway."""

    CLUSTER = "Cluster"
    ORGANISATION = "Organisation"
    INTERNET = "Internet"


class Issuer(StrEnum):
    """Kinds of cert-manager's issuers."""

    ISSUER = "Issuer"
    CLUSTER_ISSUER = "ClusterIssuer"


class TlsSecretRef(Schema):
    """A Secret in the claim's own namespace."""

    name: SecretName = Field(
        description="Name of the Secret, in the claim's namespace: tls.crt has the certificate for the host "
        "and then those of its issuers, tls.key the private key."
    )


class IssuerRef(Schema):
    """An issuer of cert-manager, which is in the cluster already."""

    name: SecretName = Field(description="Name of the issuer.")
    kind: Issuer = Field(
        Issuer.CLUSTER_ISSUER,
        description="ClusterIssuer, or Issuer for one in namespace freehold-gateway of the cluster. "
        "Default ClusterIssuer.",
    )


class GatewayTls(Schema):
    """The certificate of a gateway."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_CERTIFICATE))

    secret_ref: TlsSecretRef | None = Field(
        None,
        description="A certificate that you have. A changed Secret reaches the gateway within half a minute.",
    )
    issuer_ref: IssuerRef | None = Field(
        None, description="Have cert-manager in the cluster issue the certificate, and renew it."
    )
    ca: str | None = Field(
        None,
        description="Certificates of the authorities that vouch for the gateway's, as PEM, where clients do "
        "not know them. Models hand them out beside their address. Default: those that every client knows.",
        max_length=32768,
        json_schema_extra=rules(_CERTIFICATES),
    )

    @field_validator("ca")
    @classmethod
    def _certificates(cls, ca: str | None) -> str | None:
        if ca is not None and ("-----BEGIN CERTIFICATE-----" not in ca or "PRIVATE KEY" in ca):
            raise ValueError(_CERTIFICATES.message)
        return ca

    @model_validator(mode="after")
    def _one_certificate(self) -> Self:
        if (self.secret_ref is None) == (self.issuer_ref is None):
            raise ValueError(_ONE_CERTIFICATE.message)
        return self


class WhenUnavailable(StrEnum):
    """What becomes of a request while nobody counts."""

    SERVE = "Serve"
    REFUSE = "Refuse"


class NamespaceLimits(Limits):
    """The ceiling of one namespace: of all its Models on the cluster together."""

    name: Namespace = Field(description="Namespace of the Models' claims.")


class GatewayLimits(Schema):
    """That the gateway counts requests and tokens, and the most that it lets through."""

    when_unavailable: WhenUnavailable = Field(
        WhenUnavailable.SERVE,
        description="What becomes of requests while the counters cannot be asked. Serve: they are answered "
        "and not counted. Refuse: 500. Default Serve.",
    )
    namespaces: list[NamespaceLimits] = Field(
        default_factory=list,
        description="Ceilings by namespace of the Models' claims, for all clients of all its Models on this "
        "cluster together, with keys and with tokens. Default none.",
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class Collector(Schema):
    """A collector of the platform's that takes OpenTelemetry's logs (OTLP over gRPC), in the cluster."""

    namespace: Namespace = Field(description="Namespace of its Service and its pods.")
    service: Namespace = Field(description="Name of its Service.")
    port: int = Field(4317, description="Port of the Service, and of its pods. Default 4317.", ge=1, le=65535)


class GatewayUsage(Schema):
    """Who is told of requests at a gateway: client, Model, tokens and time, and nothing of what was said."""

    collector: Collector | None = Field(
        None,
        description="Send each usage record to a collector in the cluster, too, which makes metrics of them "
        "or brings them to a store. Default: records are lines of the Envoys' standard output alone.",
    )


class Gateway(Schema):
    """What clients reach the Models of a cluster by."""

    model_config = ConfigDict(json_schema_extra=rules(_LIMITS_STAY))

    host: HostName = Field(
        description="DNS name of the gateway, such as models.eu.example.org. Let it lead to one of "
        "status.gatewayAddresses. Of two clusters with the same host, the one that asked first has it; "
        "models.freehold-gateway.svc is each cluster's own."
    )
    reach: Reach = Field(
        Reach.CLUSTER,
        description="Who can connect. Cluster: pods of the cluster, by the Service models in namespace "
        "freehold-gateway. Organisation: whoever reaches the cloud's private network, by an internal load "
        "balancer. Internet: everybody, by a public load balancer. Default Cluster.",
    )
    tls: GatewayTls | None = Field(
        None,
        description="The certificate. Nothing is served without TLS. Default: one that is made and renewed, "
        "of an authority of this gateway's own, which Models hand out beside their address.",
    )
    issuers: list[TokenIssuer] = Field(
        default_factory=list,
        description="Whose tokens (JWT) Models may take beside keys: of the organisation, or of clusters for "
        "their pods. Models choose among these. Default none.",
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    service_annotations: dict[str, Annotated[str, Field(max_length=1024)]] | None = Field(
        None,
        description="Annotations of the Service that is the gateway's address, over those that the cloud "
        "needs. At most 20. Default none.",
        max_length=20,
    )
    limits: GatewayLimits | None = Field(
        None,
        description="Have the gateway count requests and tokens, so that limits of Models hold, with a "
        "service of Envoy's and a Valkey in the cluster. {} counts, and sets no ceiling. Default: nothing is "
        "counted, and limits of Models do not hold.",
    )

    usage: GatewayUsage = Field(
        default_factory=GatewayUsage, description="Who is told of requests. Default: standard output."
    )

    @property
    def secret_ref(self) -> TlsSecretRef | None:
        """The Secret with a certificate that the claim's namespace has; None: it is from elsewhere."""
        return self.tls.secret_ref if self.tls else None

    @property
    def issuer_ref(self) -> IssuerRef | None:
        """The issuer of cert-manager; None: the certificate is from elsewhere."""
        return self.tls.issuer_ref if self.tls else None

    @property
    def authorities(self) -> str | None:
        """Those that the spec says vouch for the certificate, as PEM."""
        return self.tls.ca if self.tls else None

    @field_validator("issuers")
    @classmethod
    def _each_issuer_once(cls, issuers: list[TokenIssuer]) -> list[TokenIssuer]:
        unique(issuers, "gateway.issuers", "name")
        unique(issuers, "gateway.issuers", "issuer")
        return issuers
