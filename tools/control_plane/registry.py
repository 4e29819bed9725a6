"""An OCI registry as a process, in place of a platform team's mirror of charts."""

import hashlib
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tools.control_plane.binaries import REGISTRY
from tools.control_plane.certificates import Authority
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import Layout, Ports
from tools.control_plane.processes import Processes
from tools.errors import ToolError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_NAME = "registry"
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Blob:
    """Content and its media type."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """The content's digest, by which the registry names it."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, object]:
        """The content's descriptor in a manifest."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    host: str
    """HOST:PORT."""
    authority: Path

    def push(self, repository: str, tag: str, config: Blob, *layers: Blob) -> None:
        """Push an artifact: its config and layers, and the manifest that lists them."""
        for blob in (config, *layers):
            self._upload(repository, blob)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor,
            "layers": [layer.descriptor for layer in layers],
        }
        self._send("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), MANIFEST)

    def _upload(self, repository: str, blob: Blob) -> None:
        location = urlsplit(self._send("POST", f"/v2/{repository}/blobs/uploads/"))
        path = f"{location.path}?{location.query}&digest={blob.digest}"
        self._send("PUT", path, blob.content, "application/octet-stream")

    def _send(self, method: str, path: str, content: bytes = b"", content_type: str = "") -> str:
        """Send a request; return the Location of the answer."""
        context = ssl.create_default_context(cafile=self.authority)
        connection = http.client.HTTPSConnection(self.host, timeout=_TIMEOUT_SECONDS, context=context)
        try:
            connection.request(method, path, content, {"Content-Type": content_type} if content_type else {})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status not in {http.client.CREATED, http.client.ACCEPTED}:
            raise ToolError(f"the registry answers {answer.status} to {method} {path}: {text}")
        return str(answer.headers["Location"])


def start(processes: Processes, layout: Layout, ports: Ports, authority: Authority) -> Registry:
    """Start the registry; return when it takes requests."""
    file = layout.folder / "registry.json"
    file.write_text(json.dumps(configuration(layout, ports, authority.serve(_NAME)), indent=1))
    # By default it looks for a collector of traces.
    processes.start(_NAME, [str(REGISTRY.path()), "serve", str(file)], {"OTEL_TRACES_EXPORTER": "none"})
    processes.wait(_NAME, lambda: listens(ports.registry))
    return Registry(f"127.0.0.1:{ports.registry}", authority.certificate)


def configuration(layout: Layout, ports: Ports, certificates: Path) -> dict[str, object]:
    """Return the registry's configuration, which is YAML or, as here, JSON."""
    return {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(layout.folder / _NAME)}},
        "http": {
            "addr": f"127.0.0.1:{ports.registry}",
            "tls": {"certificate": str(certificates / "tls.crt"), "key": str(certificates / "tls.key")},
        },
    }
