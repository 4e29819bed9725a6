"""The archive of a Helm chart, from an OCI registry or from an https repository with an index."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
import yaml
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

__all__ = ["ChartUnreadable", "Credentials", "fetch"]

_CONNECT_SECONDS, _READ_SECONDS, _WHOLE_SECONDS = 5.0, 30.0, 120.0
"""Time to connect, to wait for the next byte, and for one answer."""
_MOST_BYTES, _MOST_INDEX_BYTES, _MOST_WORDS_BYTES = 16 * 2**20, 8 * 2**20, 2**20
"""Of an archive; of an index, which takes many times as much memory once it is parsed; of all else."""
_REDIRECTIONS = 3
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_REDIRECTED = {
    http.client.MOVED_PERMANENTLY,
    http.client.FOUND,
    http.client.SEE_OTHER,
    http.client.TEMPORARY_REDIRECT,
    http.client.PERMANENT_REDIRECT,
}
_DOCKER_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class ChartUnreadable(Exception):  # noqa: N818  (what it says is a part of a sentence)
    """Why a chart cannot be had, as a clause that begins with the address."""


class Credentials(NamedTuple):
    """Username and password of a repository."""

    username: str
    password: str

    @property
    def basic(self) -> str:
        """The header Authorization."""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


class _Answer(NamedTuple):
    url: str
    status: int
    headers: Mapping[str, str]
    data: bytes


def fetch(repository: str, name: str, version: str, credentials: Credentials | None) -> bytes:
    """Return the archive of a chart.

    Args:
        repository: https:// or oci://.
        name: of the chart.
        version: of the chart, exactly.
        credentials: of the repository; None: it needs none.

    Raises:
        ChartUnreadable: saying why.
    """
    address = f"{repository.rstrip('/')}/"
    try:
        if repository.startswith("oci://"):
            return _from_registry(address, name, version, credentials)
        return _from_index(address, name, version, credentials)
    except HTTPError as error:
        # Not the error itself, which names what it holds by Python's own words.
        raise ChartUnreadable(f"{repository} does not answer ({type(error).__name__})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError):
        raise ChartUnreadable(f"{repository} does not answer as a chart repository does") from None


def _from_registry(address: str, name: str, version: str, credentials: Credentials | None) -> bytes:
    parts = urlsplit(address)
    host = _DOCKER_HUB.get(parts.netloc, parts.netloc)
    base = f"https://{host}/v2{parts.path}{name}"
    # As Helm writes a version into a tag.
    url = f"{base}/manifests/{version.replace('+', '_')}"
    headers = {"Accept": _MANIFEST}
    answer = _get(url, headers)
    challenge = answer.headers.get("WWW-Authenticate", "")
    if answer.status == http.client.UNAUTHORIZED and challenge:
        headers["Authorization"] = _authorization(address, challenge, credentials)
        answer = _get(url, headers)
    manifest = json.loads(_whole(answer, address, name, version))
    [content] = [layer["digest"] for layer in manifest["layers"] if layer["mediaType"] == _CONTENT]
    answer = _get(f"{base}/blobs/{content}", headers, most=_MOST_BYTES)
    return _checked(_whole(answer, address, name, version), content.removeprefix("sha256:"), address)


def _authorization(address: str, challenge: str, credentials: Credentials | None) -> str:
    """Return the header Authorization that a registry's challenge asks for."""
    kind, _, rest = challenge.partition(" ")
    if kind.lower() == "basic":
        if credentials is None:
            raise ChartUnreadable(f"{address} asks for a password: {_NAME_CREDENTIALS}")
        return credentials.basic
    asked = dict(_PARAMETER.findall(rest))
    query = {key: asked[key] for key in ("service", "scope") if key in asked}
    own = {"Authorization": credentials.basic} if credentials else {}
    answer = _get(f"{asked['realm']}?{urlencode(query)}", own)
    if answer.status != http.client.OK:
        raise ChartUnreadable(f"{address} gives no token ({answer.status}): {_NAME_CREDENTIALS}")
    found = json.loads(answer.data)
    return f"Bearer {found.get('token') or found['access_token']}"


def _from_index(address: str, name: str, version: str, credentials: Credentials | None) -> bytes:
    own = {"Authorization": credentials.basic} if credentials else {}
    answer = _get(urljoin(address, "index.yaml"), own, most=_MOST_INDEX_BYTES)
    index = yaml.load(_whole(answer, address, name, version), _LOADER)
    found = [entry for entry in index["entries"].get(name, ()) if entry["version"] == version]
    if not found:
        raise ChartUnreadable(f"{address} has no chart {name} of version {version}")
    url = urljoin(address, found[0]["urls"][0])
    # As Helm does, unless it is told to pass them on.
    same = urlsplit(url).netloc == urlsplit(address).netloc
    answer = _get(url, own if same else {}, most=_MOST_BYTES)
    return _checked(_whole(answer, address, name, version), str(found[0].get("digest") or ""), address)


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAME_CREDENTIALS = (
    "name its username and password in pullSecretRef of the component's input, or correct them"
)


def _whole(answer: _Answer, address: str, name: str, version: str) -> bytes:
    if answer.status == http.client.OK:
        return answer.data
    if answer.status == http.client.NOT_FOUND:
        raise ChartUnreadable(f"{address} has no chart {name} of version {version}")
    if answer.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        raise ChartUnreadable(f"{address} refuses ({answer.status}): {_NAME_CREDENTIALS}")
    raise ChartUnreadable(f"{address} answers {answer.status}")


def _checked(data: bytes, digest: str, address: str) -> bytes:
    if digest and hashlib.sha256(data).hexdigest() != digest:
        raise ChartUnreadable(f"{address} gives another archive than it says")
    return data


def _get(url: str, headers: Mapping[str, str], most: int = _MOST_WORDS_BYTES) -> _Answer:
    """Return the answer to a request, behind redirections; credentials stay with the host that they are for.

    Raises:
        ChartUnreadable: for an answer that is too long, or takes too long, and for an address without TLS.
    """
    headers = dict(headers)
    for _ in range(_REDIRECTIONS + 1):
        answer = _get_once(url, headers, most)
        to = answer.headers.get("Location")
        if answer.status not in _REDIRECTED or not to:
            return answer
        next_ = urljoin(url, to)
        if urlsplit(next_).netloc != urlsplit(url).netloc:
            headers.pop("Authorization", None)
        url = next_
    raise ChartUnreadable(f"{url} is the last of too many redirections")


def _get_once(url: str, headers: Mapping[str, str], most: int) -> _Answer:
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise ChartUnreadable(f"{url} is no https address")
    deadline = time.monotonic() + _WHOLE_SECONDS
    timeout = urllib3.Timeout(_CONNECT_SECONDS, _READ_SECONDS)
    with (
        _manager(parts.hostname or "") as manager,
        manager.request(
            "GET",
            url,
            headers=dict(headers),
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
        ) as response,
    ):
        data = b""
        for piece in response.stream(2**16, decode_content=False):
            data += piece
            if len(data) > most or time.monotonic() > deadline:
                # The rest is not read.
                response.close()
                raise ChartUnreadable(f"{url} is longer than {most} bytes, or takes too long")
        return _Answer(url, response.status, response.headers, data)


def _manager(host: str) -> urllib3.PoolManager:
    context = create_urllib3_context()
    # What SSL_CERT_FILE names, or the system's: the image has none. And those that Mozilla trusts.
    context.load_default_certs()
    context.load_verify_locations(certifi.where())
    proxy = None if proxy_bypass(host) else getproxies().get("https")
    return (
        urllib3.ProxyManager(proxy, ssl_context=context)
        if proxy
        else urllib3.PoolManager(ssl_context=context)
    )
