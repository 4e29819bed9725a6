"""Credentials of registries, from where `docker login` and its kin leave them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import ToolError, last_lines

__all__ = ["Credentials", "file", "find"]

_TOKEN_USER = "<token>"
"""The user by which a helper says that what it gives is an identity token."""
_HELPER_SECONDS = 30


@dataclass(frozen=True)
class Credentials:
    """Who pushes: a user's name and password, or an identity token."""

    user: str = ""
    password: str = ""
    identity_token: str = ""

    @property
    def basic(self) -> str:
        """The header by which they are told."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def file() -> Path:
    """Return the file of credentials: config.json below $DOCKER_CONFIG, by default ~/.docker."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def find(host: str) -> Credentials | None:
    """Return the credentials of a registry, HOST or HOST:PORT; None where there are none.

    Raises ToolError when the file cannot be read, or a helper that it names fails.
    """
    path = file()
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ToolError(f"the credentials of registries in {path} cannot be read: {error}") from error
    helper = content.get("credHelpers", {}).get(host) or content.get("credsStore")
    if helper:
        return _helped(helper, host)
    for name in (host, f"https://{host}", f"https://{host}/v2/"):
        if name in content.get("auths", {}):
            return _said(content["auths"][name], path, name)
    return None


def _said(entry: Mapping[str, Any], path: Path, name: str) -> Credentials | None:
    token = entry.get("identitytoken")
    if token:
        return Credentials(identity_token=token)
    try:
        user, _, password = base64.b64decode(entry.get("auth", ""), validate=True).decode().partition(":")
    except ValueError as error:
        raise ToolError(f"`auth` of {name} in {path} is not USER:PASSWORD in base64: {error}") from error
    return Credentials(user, password) if user else None


def _helped(helper: str, host: str) -> Credentials | None:
    """Ask the program that keeps credentials, by the protocol of docker-credential-helpers."""
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"],
            input=host,
            capture_output=True,
            text=True,
            check=False,
            timeout=_HELPER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{file()} names {program} for {host}, which does not run: {error}") from error
    if "credentials not found" in done.stdout:
        return None
    if done.returncode != 0:
        raise ToolError(f"`{program} get` failed for {host}: {last_lines(done.stdout + done.stderr)}")
    got = json.loads(done.stdout)
    if got["Username"] == _TOKEN_USER:
        return Credentials(identity_token=got["Secret"])
    return Credentials(got["Username"], got["Secret"])
