"""Envoy Gateway as its project releases it: its program, and the real chart, both of one Go module."""

import io
import tarfile
from pathlib import Path
from string import Template

import yaml

from functions.catalog import chart
from tools.control_plane.modules import module_folder
from tools.toolchain import Tool, pinned_version

__all__ = ["COUNTER", "COUNTS", "IMAGE", "PROGRAM", "PROXY", "packaged_chart"]

PROGRAM = Tool(
    name="envoy-gateway",
    title="Envoy Gateway",
    folder="envoy-gateway",
    variable="ENVOY_GATEWAY",
    module="github.com/envoyproxy/gateway",
    package="github.com/envoyproxy/gateway/cmd/envoy-gateway",
    ask=("version",),
    answer=r"ENVOY_GATEWAY_VERSION: v\d+\.\d+\.\d+",
    oldest=(1, 9, 0),
    minutes=4,
    variables=("github.com/envoyproxy/gateway/internal/cmd/version.envoyGatewayVersion={version}",),
)
COUNTS = Tool(
    name="ratelimit",
    title="Envoy's rate-limit service",
    folder="ratelimit",
    variable="RATELIMIT",
    module="github.com/envoyproxy/ratelimit",
    package="github.com/envoyproxy/ratelimit/src/service_cmd",
    # It tells no version.
    ask=(),
    answer="",
    oldest=(0, 0, 0),
    minutes=2,
    variables=(),
)
IMAGE = f"docker.io/envoyproxy/gateway:{chart('gateway').version}"
"""The image that the chart names, of the controller."""
PROXY = "docker.io/envoyproxy/envoy:distroless-v1.39.1"
"""The image that Envoy Gateway 1.9.1 asks for. There is no wheel of 1.39: here it holds Envoy 1.40."""

COUNTER = "docker.io/envoyproxy/ratelimit:8fe6ea42"
"""The image of the service that counts, as the chart names it. Here it holds the version in tools/go."""


def packaged_chart() -> bytes:
    """Return the chart's archive, as the project's `make helm-package` makes it of the module's folder."""
    folder = module_folder(PROGRAM) / "charts" / "gateway-helm"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in _files(folder).items():
            member = tarfile.TarInfo(f"gateway-helm/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _files(folder: Path) -> dict[str, bytes]:
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    template = Template(found.pop("values.tmpl.yaml").decode())
    values = yaml.safe_load(template.substitute(GatewayImage=IMAGE, GatewayImagePullPolicy="IfNotPresent"))
    # By default it is the program's own choice, of a digest that an image made here does not have.
    values["global"]["images"]["envoyProxy"]["image"] = PROXY
    found["values.yaml"] = yaml.safe_dump(values, sort_keys=False).encode()
    version = pinned_version(PROGRAM)
    metadata = yaml.safe_load(found["Chart.yaml"]) | {"version": version, "appVersion": version}
    found["Chart.yaml"] = yaml.safe_dump(metadata, sort_keys=False).encode()
    return found
