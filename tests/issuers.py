"""An issuer of tokens (JWT), and whatever somebody without its key would send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://login.example.org/"


def encoded(given: bytes | dict[str, Any]) -> str:
    data = given if isinstance(given, bytes) else json.dumps(given).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """One with a key of its own."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self) -> str:
        """Return its public keys as it publishes them."""
        numbers = self._key.public_key().public_numbers()
        n, e = (encoded(each.to_bytes((each.bit_length() + 7) // 8)) for each in (numbers.n, numbers.e))
        return json.dumps(
            {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": n, "e": e}]}
        )

    def token(self, **claims: Any) -> str:
        """Return a signed token; claims of None are left out."""
        unsigned = self._unsigned("RS256", claims)
        return f"{unsigned}.{encoded(self._key.sign(unsigned.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def unsigned(self, signature: str, **claims: Any) -> str:
        """Return a token that says of itself that it needs no signature."""
        return f"{self._unsigned('none', claims)}.{signature}"

    def signed_by_anybody(self, **claims: Any) -> str:
        """Return a token that is signed with the public key, for who takes that for a secret."""
        unsigned = self._unsigned("HS256", claims)
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"{unsigned}.{encoded(hmac.digest(public, unsigned.encode(), hashlib.sha256))}"

    def _unsigned(self, algorithm: str, claims: dict[str, Any]) -> str:
        said = {"iss": ISSUER, "exp": int(time.time()) + 3600, **claims}
        head = {"alg": algorithm, "typ": "JWT", "kid": "1"}
        return ".".join(
            map(encoded, (head, {key: value for key, value in said.items() if value is not None}))
        )
