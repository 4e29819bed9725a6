"""What is the platform's stays the platform's: the providers' own credentials, cloud accounts, its own cluster."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.compositions import changed
from tests.e2e.conftest import Plane
from tests.e2e.observing import composed, reconcile, refreshed, uids
from tests.e2e.people import member
from tests.e2e.workload import OWNER, ask_to_go, delete, existing, wait_told
from tools.control_plane.api import Api, condition
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

POOLS = [{"name": "l4", "gpu": {"model": "L4"}, "nodes": {"min": 1, "max": 1}}]
STEP = ("inferencecluster", "node-pools")
ATTACKER = "team-b"


@pytest.fixture(scope="module")
def attacker(api: Api) -> Api:
    """Somebody who may claim clusters in one namespace."""
    return member(api, ATTACKER, role="freehold-platform-team")


def cluster(name: str, **spec: object) -> Manifest:
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "InferenceCluster",
        "metadata": {"name": name, "namespace": ATTACKER},
        "spec": {"nodePools": POOLS, **spec},
    }


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Run an attacker's server; give its address, and what it was sent to log in with."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization", ""))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def borrowed(attacker: Api, server: str, token: Path) -> Iterator[Manifest]:
    """Claim a cluster with a kubeconfig that names a file of the provider's pod in place of a token."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "x", "cluster": {"server": server}}],
        "users": [{"name": "x", "user": {"tokenFile": str(token)}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine", "namespace": ATTACKER}}
    encoded = base64.b64encode(json.dumps(kubeconfig).encode()).decode()
    attacker.apply({**secret, "data": {"kubeconfig": encoded}})
    claim = cluster("borrower", existing={"kubeconfigSecretRef": {"name": "mine"}})
    attacker.apply(claim)
    try:
        yield claim
    finally:
        delete(attacker, claim)
        ask_to_go(attacker, secret)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """Stand in for the file in which a provider's pod has its service account's token."""
    file = tmp_path / "token"
    file.write_text("the-providers-own")
    return file


def test_a_kubeconfig_would_send_the_providers_token_out(
    control_plane: Plane, attacker: Api, token: Path
) -> None:
    """What the guard is for: in a listed namespace, the real provider does as such a kubeconfig says."""
    listed = {"kubeconfigNamespaces": [OWNER, ATTACKER]}
    with changed(control_plane, *STEP, listed), listening() as (server, heard):  # noqa: SIM117  (in this order)
        with borrowed(attacker, server, token):
            wait_for("the token", lambda: "Bearer the-providers-own" in heard)


def test_a_kubeconfig_from_elsewhere_is_not_used(
    control_plane: Plane, api: Api, attacker: Api, token: Path
) -> None:
    with listening() as (server, heard), borrowed(attacker, server, token) as claim:
        told = wait_refused(attacker, claim, "KubeconfigNotAllowed")
        assert told.startswith(f"[platform] namespace {ATTACKER} may not bring a kubeconfig ")
        assert f"Ask the platform team to list {ATTACKER} there" in told
        reconcile(control_plane, claim)
        assert composed(api, claim) == []
        assert heard == []


def test_a_kubeconfig_is_looked_for_beside_the_claim(control_plane: Plane, api: Api, attacker: Api) -> None:
    """In a listed namespace, too, the Secret of another cannot be used."""
    existing(control_plane, "lent")
    claim = cluster("neighbour", existing={"kubeconfigSecretRef": {"name": "lent-kubeconfig"}})
    with changed(control_plane, *STEP, {"kubeconfigNamespaces": [OWNER, ATTACKER]}):
        attacker.apply(claim)
        wait_told(attacker, claim, f"{ATTACKER}/lent-kubeconfig")
        configs = [r for r in composed(api, claim) if r["kind"] == "ProviderConfig"]
        references = [r["spec"]["credentials"]["secretRef"]["namespace"] for r in configs]
        assert references == [ATTACKER] * len(configs)
        assert configs
        delete(attacker, claim)


REFUSED: Sequence[tuple[str, dict[str, object], str]] = (
    ("account", {"aws": {"region": "eu-central-1"}}, "ProviderConfigNotAllowed"),
    (
        "other-account",
        {"aws": {"region": "eu-central-1", "providerConfigRef": {"name": "research"}}},
        "ProviderConfigNotAllowed",
    ),
    ("control-plane", {"existing": {"controlPlane": {}}}, "ControlPlaneNotAllowed"),
)


@pytest.mark.parametrize(("name", "spec", "reason"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_what_is_the_platforms_is_refused_to_others(
    control_plane: Plane, api: Api, attacker: Api, name: str, spec: dict[str, object], reason: str
) -> None:
    claim = cluster(name, **spec)
    attacker.apply(claim)
    told = wait_refused(attacker, claim, reason)
    assert f"Ask the platform team to list {ATTACKER} there" in told
    reconcile(control_plane, claim)
    assert composed(api, claim) == []
    delete(attacker, claim)


def test_a_shorter_list_takes_nothing_from_a_live_cluster(control_plane: Plane, api: Api) -> None:
    claim = existing(control_plane, "lent")
    before = uids(api, claim)
    with changed(control_plane, *STEP, {"kubeconfigNamespaces": []}):
        wait_refused(api, claim, "KubeconfigNotAllowed")
        reconcile(control_plane, claim)
        assert uids(api, claim) == before
    wait_for("the claim to be planned again", lambda: _planned(api, claim)["status"] == "True")
    assert uids(api, claim) == before
    delete(api, claim)


def wait_refused(api: Api, claim: Manifest, reason: str) -> str:
    """Return what a claim is told once its condition has a reason."""
    wait_for(reason, lambda: _planned(api, claim).get("reason") == reason)
    found = _planned(api, claim)
    assert found["status"] == "False"
    return str(found["message"])


def _planned(api: Api, claim: Manifest) -> Manifest:
    return condition(refreshed(api, claim), "Planned")
