"""What a registry asks for before it takes anything: a password with each request, or a token for a scope."""

from __future__ import annotations

import json
import re
import ssl
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from tools.errors import ToolError
from tools.images import credentials

__all__ = ["answer"]

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_SECONDS = 60
_HERE = "127.0.0.1"


def answer(host: str, repository: str, challenge: str, context: ssl.SSLContext | None) -> str:
    """Return the header `Authorization` that a registry's challenge asks for.

    By the distribution specification: Basic, or a token of the server that the challenge names.

    Args:
        host: the registry, HOST or HOST:PORT.
        repository: what is pushed, such as freehold-dev/agent.
        challenge: the header WWW-Authenticate of the answer 401.
        context: whom the registry's client trusts.

    Raises:
        ToolError: without credentials, or when they are refused.
    """
    known = credentials.find(host)
    kind = challenge.partition(" ")[0].lower()
    if known is None:
        raise ToolError(
            f"the registry {host} asks for credentials, and {credentials.file()} has none of it: "
            f"`docker login {host}` writes them"
        )
    if kind == "basic":
        return known.basic
    if kind != "bearer":
        raise ToolError(f"the registry {host} asks for {challenge!r}: neither a password nor a token")
    return f"Bearer {_token(host, repository, dict(_PARAMETER.findall(challenge)), known, context)}"


def _token(
    host: str,
    repository: str,
    asked: dict[str, str],
    known: credentials.Credentials,
    context: ssl.SSLContext | None,
) -> str:
    realm, service = asked.get("realm", ""), asked.get("service", "")
    to = urlsplit(realm)
    if to.scheme != "https" and to.hostname != _HERE:
        # The password goes there.
        raise ToolError(f"the registry {host} sends for a token to {realm!r}, which is no https address")
    query = {"service": service, "scope": f"repository:{repository}:pull,push"}
    if known.identity_token:
        form = {**query, "grant_type": "refresh_token", "refresh_token": known.identity_token}
        request = Request(realm, urlencode({**form, "client_id": "freehold"}).encode())
    else:
        request = Request(f"{realm}?{urlencode(query)}")
        # To nobody whom the server sends us on to.
        request.add_unredirected_header("Authorization", known.basic)
    try:
        with urlopen(request, timeout=_SECONDS, context=context) as answered:
            got = json.load(answered)
        return str(got.get("token") or got["access_token"])
    except HTTPError as error:
        raise ToolError(
            f"{realm} gives no token for {repository} ({error.code}): the credentials of {host} in "
            f"{credentials.file()} are wrong, or may not push there"
        ) from error
    except (URLError, OSError, ValueError, KeyError) as error:
        raise ToolError(f"{realm}, which gives tokens of {host}, does not answer: {error}") from error
