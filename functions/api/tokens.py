"""Tokens of issuers (JWT) beside keys: whose a platform trusts, and which of theirs a Model takes."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from .forms import Form
from .schema import Rule, Schema, rules

__all__ = [
    "IssuerName",
    "ServiceAccount",
    "TokenClaim",
    "TokenHeader",
    "TokenIssuer",
    "Tokens",
    "unique",
]

_NAME = Form(
    "[a-z0-9]([a-z0-9-]*[a-z0-9])?",
    "this is no name of an issuer: it has lower-case letters, digits and '-', and begins and ends with a "
    "letter or a digit",
)
IssuerName = Annotated[
    str,
    AfterValidator(_NAME.check),
    Field(min_length=1, max_length=40, json_schema_extra=rules(_NAME.rule)),
]
_CLAIM = Form(
    "[A-Za-z_][A-Za-z0-9_-]*([.][A-Za-z_][A-Za-z0-9_-]*)*",
    "this is no name of a claim: it has letters, digits, '_' and '-', and '.' between the names of a claim "
    "within a claim, as in realm_access.roles",
)
_ClaimName = Annotated[
    str,
    AfterValidator(_CLAIM.check),
    Field(min_length=1, max_length=128, json_schema_extra=rules(_CLAIM.rule)),
]
_ISSUER = Form(
    "https?://[!-~]+",
    "this is no issuer: write what stands as iss in its tokens, which begins with https://",
)
_URI = Form(
    "https://[A-Za-z0-9.-]+(:[1-9][0-9]{0,3}|:[1-5][0-9]{4})?(/[!-~]*)?",
    "this is no address of keys: it begins with https:// and has a host, such as "
    "https://login.example.org/.well-known/jwks.json",
)
_LABEL = Form(
    "[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "this is no name in Kubernetes, and '*' stands for nothing here"
)
_Label = Annotated[
    str,
    AfterValidator(_LABEL.check),
    Field(min_length=1, max_length=253, json_schema_extra=rules(_LABEL.rule)),
]
_ONE_SOURCE = Rule(
    "has(self.jwks) != has(self.jwksURI)",
    "name exactly one of jwks and jwksURI: where the issuer's public keys are from",
)
_PUBLIC_KEYS = Rule(
    "self.contains('\"keys\"') && !self.matches('\"(d|p|q|k)\"\\\\s*:')",
    "jwks is a JSON Web Key Set of public keys, as the issuer publishes it, such as "
    '{"keys": [{"kty": "RSA", ...}]}; no private and no symmetric key may be there: everybody may read it',
)
_FOR_SOMEBODY = Rule(
    "(has(self.claims) && self.claims.size() > 0)"
    " || (has(self.scopes) && self.scopes.size() > 0)"
    " || (has(self.serviceAccounts) && self.serviceAccounts.size() > 0)",
    "access.jwt needs claims, scopes or serviceAccounts: which of the issuer's tokens the Model takes. The "
    "audience alone says where a token is taken, and not whose it is or what it may do",
)
_SCOPE = Form(
    r"[!#-\[\]-~]+",
    "this is no scope: it has printable ASCII characters without blanks, quotes and backslashes; write each "
    "of a token's scopes by itself",
)
_Scope = Annotated[
    str,
    AfterValidator(_SCOPE.check),
    Field(min_length=1, max_length=253, json_schema_extra=rules(_SCOPE.rule)),
]


class TokenHeader(StrEnum):
    """Headers in which tokens come."""

    AUTHORIZATION = "Authorization"
    TXN_TOKEN = "Txn-Token"


class TokenIssuer(Schema):
    """Who issues tokens that Models at a gateway may take."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_SOURCE))

    name: IssuerName = Field(description="Name by which Models take its tokens.")
    issuer: Annotated[str, AfterValidator(_ISSUER.check)] = Field(
        description="What stands as iss in its tokens, byte for byte, such as https://login.example.org/. Of "
        "a cluster, what `kubectl get --raw /.well-known/openid-configuration` says.",
        max_length=253,
        json_schema_extra=rules(_ISSUER.rule),
    )
    jwks: str | None = Field(
        None,
        description="Its public keys, as a JSON Web Key Set. Of a cluster, what `kubectl get --raw "
        "/openid/v1/jwks` says. When the issuer takes another key, so do you here.",
        max_length=16384,
        json_schema_extra=rules(_PUBLIC_KEYS),
    )
    jwks_uri: Annotated[str, AfterValidator(_URI.check)] | None = Field(
        None,
        alias="jwksURI",
        description="Where its public keys are, by https and with a certificate of an authority that "
        "everybody knows. The gateway's Envoys ask every five minutes, and may connect to that port of any "
        "address for it. While nothing answers there, its tokens are refused once the keys that are known "
        "have had their time.",
        max_length=253,
        json_schema_extra=rules(_URI.rule),
    )
    header: TokenHeader = Field(
        TokenHeader.AUTHORIZATION,
        description="Header in which its tokens come. Authorization: behind `Bearer `. Txn-Token: those of a "
        "transaction token service (draft-ietf-oauth-transaction-tokens), by themselves; the service has to "
        "say iss in them. Default Authorization.",
    )
    client_claim: _ClaimName = Field(
        "sub",
        description="Claim, a string, that says who a client is, as usage and limits show it: "
        "`ISSUER:VALUE`. Default sub.",
    )

    @field_validator("jwks")
    @classmethod
    def _public_keys(cls, jwks: str | None) -> str | None:
        if jwks is not None and not _is_public(jwks):
            raise ValueError(_PUBLIC_KEYS.message)
        return jwks

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.jwks is None) == (self.jwks_uri is None):
            raise ValueError(_ONE_SOURCE.message)
        return self


def _is_public(jwks: str) -> bool:
    try:
        keys = json.loads(jwks)["keys"]
        kinds = {str(key["kty"]) for key in keys}
        return bool(kinds) and kinds <= {"RSA", "EC", "OKP"} and not any("d" in key for key in keys)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


class TokenClaim(Schema):
    """What a claim of a token has to say."""

    name: _ClaimName = Field(
        description="Name of the claim, such as azp or groups; '.' leads into a claim within a claim."
    )
    values: list[Annotated[str, Field(min_length=1, max_length=253)]] = Field(
        description="What it may be: one of these.", min_length=1, max_length=32
    )
    is_list: bool = Field(
        False,
        description="Whether the claim is a list of strings, of which one has to be among the values; else "
        "it is a string. Default false.",
    )


class ServiceAccount(Schema):
    """Pods of a cluster, by the service account that they run as."""

    namespace: _Label = Field(description="Namespace of the service account.")
    name: _Label = Field(description="Name of the service account.")

    @property
    def subject(self) -> str:
        """What stands as sub in its tokens."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


class Tokens(Schema):
    """Tokens of one issuer that a Model takes."""

    model_config = ConfigDict(json_schema_extra=rules(_FOR_SOMEBODY))

    issuer: IssuerName = Field(
        description="Name of one of the issuers that the cluster's gateway lists, in spec.gateway.issuers."
    )
    audience: str = Field(
        description="What has to stand as aud in a token, or among it. Take one for this Model, or for your "
        "team: a token that somebody else was given for something else is then none here.",
        min_length=1,
        max_length=253,
    )
    claims: list[TokenClaim] = Field(
        default_factory=list,
        description="What a token has to say: all of these. Default nothing.",
        max_length=4,
    )
    scopes: list[_Scope] = Field(
        default_factory=list,
        description="What has to stand in a token's scope, among others: all of these. In a transaction "
        "token that is what the transaction is for. Default nothing.",
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    service_accounts: list[ServiceAccount] = Field(
        default_factory=list,
        description="Where the issuer is a cluster: pods that run as one of these, with a projected token "
        "for the audience. Default none.",
        max_length=32,
    )

    @model_validator(mode="after")
    def _for_somebody(self) -> Self:
        if not self.claims and not self.scopes and not self.service_accounts:
            raise ValueError(_FOR_SOMEBODY.message)
        return self


def unique(given: list[Any], what: str, key: str) -> None:
    """Refuse a list in which two items say the same.

    Raises:
        ValueError: naming what stands there twice.
    """
    said = [str(getattr(each, key)) for each in given]
    twice = sorted({each for each in said if said.count(each) > 1})
    if twice:
        raise ValueError(f"{what} names {', '.join(twice)} more than once")
