from __future__ import annotations

import http.server
import io
import json
import ssl
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from functions.api import Chart
from functions.catalog import chart
from functions.cluster_stack.input import ClusterStackInput
from tools import paths
from tools.control_plane import charts
from tools.errors import ToolError
from tools.images.image import MANIFEST, Blob
from tools.images.registry import Registry
from tools.manifests import load
from tools.pinned_versions.facts import chart_facts
from tools.pinned_versions.pod_security import level

KNOWN = chart("gpu-operator")


def unpacked(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_every_component_has_a_chart_that_stands_in() -> None:
    by_alias = {field.alias or name: field for name, field in ClusterStackInput.model_fields.items()}
    mirrored = {
        n for n, f in by_alias.items() if isinstance(f.annotation, type) and issubclass(f.annotation, Chart)
    }
    assert mirrored == set(charts.CHARTS)
    assert all(chart(component).version for component in charts.CHARTS.values())


@pytest.mark.parametrize("component", charts.CHARTS.values())
def test_a_package_is_what_is_known_of_the_real_chart(component: str) -> None:
    facts = chart_facts(chart(component).name)
    found = {n.partition("/")[2]: c for n, c in unpacked(charts.package(component)).items()}
    assert json.loads(found["Chart.yaml"]) == {
        "apiVersion": "v2",
        "name": facts.chart,
        "version": facts.version,
    }
    crds = {name.removeprefix("crds/").removesuffix(".yaml") for name in found if name.startswith("crds/")}
    assert crds == set(facts.crds)
    made = [json.loads(c) for n, c in found.items() if n.startswith(("templates/deploy", "templates/daemon"))]
    assert {(m["kind"], m["metadata"]["name"], level(m["spec"]["template"]["spec"]).value) for m in made} == {
        (w.kind, w.name, w.pod_security) for w in facts.workloads if not w.hook
    }


def test_a_stand_in_takes_the_real_charts_values_and_no_others() -> None:
    top = charts.schema(chart_facts("gpu-operator"))
    driver = top["properties"]["driver"]
    assert top["additionalProperties"] is driver["additionalProperties"] is False
    assert driver["properties"]["enabled"] == {"type": "boolean"}
    assert driver["properties"]["upgradePolicy"]["properties"]["autoUpgrade"] == {"type": "boolean"}
    assert driver["properties"]["startupProbe"] == {"type": "object"}, "passed on whole"


def test_a_package_is_the_same_bytes_whenever_it_is_made() -> None:
    """A pushed tag then stays the digest that it was."""
    assert charts.package("gpu-operator") == charts.package("gpu-operator")


def test_charts_are_mirrored_by_the_input_alone() -> None:
    mirror = {"repository": "oci://mirror.invalid/charts"}
    shipped, composition = (load(paths.COMPOSITIONS / "inferencecluster.yaml")[0] for _ in range(2))
    charts.mirrored(composition, mirror["repository"])
    given = next(s["input"] for s in composition["spec"]["pipeline"] if s["step"] == "cluster-stack")
    assert [given.pop(name) for name in charts.CHARTS] == [mirror] * len(charts.CHARTS)
    assert composition == shipped


class _Server(http.server.BaseHTTPRequestHandler):
    """Takes uploads as a registry does."""

    taken: dict[str, tuple[str, bytes]]

    def do_POST(self) -> None:
        self._answer(202, f"https://{self.headers['Host']}{self.path}1?_state=x")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).taken[self.path] = (self.headers["Content-Type"], content)
        self._answer(400 if "refused" in self.path else 201, "/")

    def _answer(self, status: int, location: str) -> None:
        self.send_response(status)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    _Server.taken = {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Registry(f"127.0.0.1:{server.server_port}", tmp_path / "ca.crt")
        server.shutdown()
        thread.join()


def test_a_chart_is_pushed_as_helm_pulls_it(registry: Registry) -> None:
    charts.push(registry)
    media_type, manifest = _Server.taken[f"/v2/charts/gpu-operator/manifests/{KNOWN.version}"]
    assert media_type == MANIFEST
    content = Blob(charts.CONTENT, charts.package("gpu-operator"))
    config = Blob(charts.CONFIG, charts.files("gpu-operator")["Chart.yaml"])
    assert json.loads(manifest) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor,
        "layers": [content.descriptor],
    }
    assert config.media_type == "application/vnd.cncf.helm.config.v1+json"
    assert content.media_type == "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    for blob in (config, content):
        path = f"/v2/charts/gpu-operator/blobs/uploads/1?_state=x&digest={blob.digest}"
        assert _Server.taken[path][1] == blob.content


def test_a_refusal_is_told(registry: Registry) -> None:
    said = rf"the registry {registry.host} answers 400 to PUT /v2/refused/blobs"
    with pytest.raises(ToolError, match=said):
        registry.push_artifact("refused", "v1", Blob(MANIFEST, b"{}"), Blob(charts.CONFIG, b"{}"))


def test_a_registry_that_is_down_is_told() -> None:
    with pytest.raises(ToolError, match=r"the registry 127\.0\.0\.1:1 is not reached: .*refused"):
        Registry("127.0.0.1:1").push_artifact("charts/x", "v1", Blob(MANIFEST, b"{}"))
