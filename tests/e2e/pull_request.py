"""A pull request that checks claims by the packages alone: the files and steps of docs/ci.md, run as they stand there."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from functions.api import contract
from tests.e2e.observing import FREEHOLD
from tools import paths
from tools.control_plane.api import Api
from tools.control_plane.binaries import CROSSPLANE_CLI
from tools.control_plane.layout import NAMESPACE
from tools.images.kinds.packages import kinds
from tools.manifests import Manifest, dump
from tools.servers import running
from tools.toolchain import built, provide

_PACKAGE = "configuration-freehold"
_SCHEMAS = ("freehold.dev/v1alpha1", "helm.m.crossplane.io/v1beta1", "kubernetes.m.crossplane.io/v1alpha1")
_BUILT_IN = "xpkg.crossplane.io/crossplane/crossplane@v2.2.1"
_RUNTIME = "render.crossplane.io/runtime"


class PullRequest:
    """A checkout of a team's claims, with what docs/ci.md puts beside them."""

    def __init__(self, folder: Path) -> None:
        """Write `claims.py`, the package as the CLI extracts it, and the CLI's schemas of Crossplane itself."""
        text = (paths.ROOT / "docs" / "ci.md").read_text()
        alone = text.partition("## With the packages alone")[2]
        [script], [workflow] = (
            re.findall(rf"```{kind}\n(.*?)```", alone, re.DOTALL) for kind in ("python", "yaml")
        )
        steps = yaml.safe_load(workflow)["jobs"]["claims"]["steps"]
        self.folder = folder
        self._steps = {step["name"]: step["run"] for step in steps if "run" in step}
        for name in ("clusters", "models", "bin"):
            (folder / name).mkdir()
        (folder / "claims.py").write_text(script)
        provide(CROSSPLANE_CLI)
        (folder / "bin" / "crossplane").symlink_to(built(CROSSPLANE_CLI))
        (folder / "bin" / "python3").symlink_to(sys.executable)
        # Of the image of Crossplane itself, which the CLI would download. Claims need none of its kinds.
        cached = folder / ".crossplane" / "cache" / _BUILT_IN
        cached.mkdir(parents=True)
        (cached / "package.yaml").touch()
        [package] = [kind for kind in kinds(tag="v0.1.0") if kind.name == _PACKAGE]
        [content] = package.make("amd64").parts[-1].inputs
        (folder / "freehold.gz").write_bytes(gzip.compress(content))

    def know(self, api: Api) -> None:
        """Write what the control plane knows, as the kubectl lines do."""
        schemas = self.folder / "control-plane" / "schemas"
        schemas.mkdir(parents=True)
        for group in _SCHEMAS:
            found = api.call("GET", f"/openapi/v3/apis/{group}")
            (schemas / f"{group.partition('/')[0]}.json").write_text(json.dumps(found))
        known = [
            *api.items(FREEHOLD, contract.CLUSTER_KIND),
            *api.items("v1", "ConfigMap", NAMESPACE, contract.OFFERED_BY),
            *api.items("kubernetes.m.crossplane.io/v1alpha1", "ProviderConfig", NAMESPACE),
        ]
        (self.folder / "control-plane" / "clusters.yaml").write_text(dump(known))

    def claim(self, folder: str, manifest: Manifest) -> None:
        """Write a claim."""
        (self.folder / folder / f"{manifest['metadata']['name']}.yaml").write_text(dump([manifest]))

    def run(self, step: str, but: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a step of the workflow.

        Args:
            step: its name.
            but: beginnings of lines that are left out.
        """
        lines = [line for line in self._steps[step].splitlines() if not line.startswith(tuple(but) or "\0")]
        environment = {"HOME": str(self.folder), "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        # As GitHub runs it.
        return subprocess.run(
            ["bash", "-e", "-c", "\n".join(lines)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def rendered(self, claim: Manifest) -> list[Manifest]:
        """Return what was rendered of a claim, the composite first."""
        metadata = claim["metadata"]
        name = f"{metadata['namespace']}.{claim['kind'].lower()}.{metadata['name']}.rendered.yaml"
        return list(yaml.safe_load_all((self.folder / "rendering" / name).read_text()))

    @contextmanager
    def functions(self) -> Iterator[None]:
        """Run the functions as processes, and have the CLI call these instead of Docker's."""
        with running() as servers:
            file = self.folder / "rendering" / "functions.yaml"
            asked = list(yaml.safe_load_all(file.read_text()))
            for function in asked:
                server = servers.by_name[function["metadata"]["name"].removeprefix("freehold-dev-")]
                function["metadata"]["annotations"] = {
                    _RUNTIME: "Development",
                    f"{_RUNTIME}-development-target": f"127.0.0.1:{server.port}",
                }
            file.write_text(dump(asked))
            yield
