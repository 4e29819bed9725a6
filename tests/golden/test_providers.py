"""What Crossplane's own reconciler composes where a provider is not installed."""

from __future__ import annotations

from pathlib import Path

from tools import inputs, paths
from tools.definitions import Definitions
from tools.manifests import load, resource_name
from tools.rendering import render
from tools.servers import running


def test_a_missing_provider(tmp_path: Path) -> None:
    definitions = Definitions()
    xr = inputs.as_xr(load(paths.EXAMPLES / "existing" / "small.yaml")[0], definitions)
    with running(inputs.functions_of([xr], definitions), log_dir=tmp_path) as servers:
        missing = render(xr, servers.targets, without=["helm.m.crossplane.io"], definitions=definitions)
        whole = render(missing.xr, servers.targets, definitions=definitions)
    assert {resource_name(m) for m in whole.composed} - {resource_name(m) for m in missing.composed} == {
        "node-pools/provider-config-helm"
    }
    said = next(c for c in missing.conditions if c["type"] == "ControlPlaneReady")
    assert (said["status"], said["reason"]) == ("False", "ProviderMissing")
    assert said["message"].startswith("[platform] install provider-helm 1.3.0 or newer (")
