"""What `freehold check` reads of a cluster; it writes nothing, and reads no Secret."""

from __future__ import annotations

import http.client
import re
from collections.abc import Sequence
from typing import Protocol

from tools.check.finding import Unreadable
from tools.control_plane.api import Api, ApiError, UnreachableError, identity
from tools.errors import ToolError
from tools.manifests import Manifest

__all__ = ["Live", "Reader"]


class Reader(Protocol):
    """A cluster as it is looked at. Each method may raise Unreadable."""

    def version(self) -> tuple[int, int]:
        """Return the API server's version, such as (1, 35)."""

    def serves(self, api_version: str, kind: str) -> bool:
        """Tell whether the API server knows a kind."""

    def all(self, api_version: str, kind: str, namespace: str = "") -> Sequence[Manifest]:
        """Return the objects of a kind, of one namespace or all; none where the kind is not known."""

    def find(self, manifest: Manifest) -> Manifest | None:
        """Return the live object of a manifest's kind and name; None where there is none."""


class Live:
    """A cluster behind an API server; each kind is listed once."""

    def __init__(self, api: Api) -> None:
        """Ask as the user of `api`."""
        self._api = api
        self._lists: dict[tuple[str, str, str], Sequence[Manifest]] = {}
        self._known: dict[tuple[str, str], bool] = {}

    def version(self) -> tuple[int, int]:
        """Return the API server's version.

        Raises:
            ToolError: where there is no API server, or it does not know who asks.
        """
        try:
            found = self._api.call("GET", "/version")
        except UnreachableError as error:
            server = self._api.client.configuration.host
            raise ToolError(
                f"the cluster does not answer at {server} ({_reason(error)}): check --kubeconfig and "
                "--context, and that this machine reaches it, such as by a VPN"
            ) from error
        except ApiError as error:
            raise _stranger(error) or ToolError(
                f"the cluster refuses to tell its version: {error}"
            ) from error
        return int(found["major"]), int("".join(c for c in found["minor"] if c.isdigit()))

    def serves(self, api_version: str, kind: str) -> bool:
        """Tell whether the API server knows a kind."""
        if (api_version, kind) not in self._known:
            try:
                self._api.path(api_version, kind)
                self._known[api_version, kind] = True
            except ApiError as error:
                if error.code != http.client.NOT_FOUND:
                    raise _stranger(error) or Unreadable("get", api_version) from error
                self._known[api_version, kind] = False
            except UnreachableError:
                raise
            except ToolError:
                self._known[api_version, kind] = False
        return self._known[api_version, kind]

    def all(self, api_version: str, kind: str, namespace: str = "") -> Sequence[Manifest]:
        """Return the objects of a kind, of one namespace or all."""
        key = (api_version, kind, namespace)
        if key not in self._lists:
            if not self.serves(api_version, kind):
                return ()
            try:
                self._lists[key] = self._api.items(api_version, kind, namespace)
            except ApiError as error:
                raise self._refused(error, "list", api_version, kind, namespace) from error
        return self._lists[key]

    def find(self, manifest: Manifest) -> Manifest | None:
        """Return the live object of a manifest's kind and name; None where there is none."""
        api_version, kind, name, namespace = identity(manifest)
        if not self.serves(api_version, kind):
            return None
        try:
            return self._api.find(api_version, kind, name, namespace)
        except ApiError as error:
            raise self._refused(error, "get", api_version, kind, namespace) from error

    def _refused(self, error: ApiError, verb: str, api_version: str, kind: str, namespace: str) -> Exception:
        if error.code != http.client.FORBIDDEN:
            return _stranger(error) or error
        plural = str(self._api.client.resources.get(api_version, kind).name)
        group = api_version.rpartition("/")[0]
        return Unreadable(verb, f"{plural}.{group}" if group else plural, namespace)


def _stranger(error: ApiError) -> ToolError | None:
    if error.code != http.client.UNAUTHORIZED:
        return None
    return ToolError(f"the cluster does not know who asks ({error}): log in anew, or take another --context")


def _reason(error: UnreachableError) -> str:
    """Return the end of urllib3's chain of causes, which names the fault."""
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or cause.__cause__) and isinstance(inner, BaseException):
        cause = inner
    return re.sub(r"\[Errno \d+\] ", "", str(cause).rpartition(": ")[2].strip("()' "))
