"""The Hub on the node as a company has a mirror: TLS by an authority of its own, a token, a limit of requests."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, NamedTuple

from functions.api import contract
from functions.base import remote
from tests.e2e.conftest import Plane
from tests.e2e.observing import told
from tests.e2e.workload import place, wait_told
from tools.control_plane.api import Api, identity
from tools.control_plane.certificates import Authority
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError
from tools.images.kinds import hub as image
from tools.manifests import Manifest
from tools.node import served

HOST = "hub.hub.svc.cluster.local"
ADDRESS = f"https://{HOST}:8080"
TOKEN = "hf_known_and_admitted"
"""The token that may read the models."""
OTHER = "freehold/tiny-sentence"
"""The Hub's other model, which makes embeddings."""
_SOURCE = {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}
_KINDS = (
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Pod"),
    ("batch/v1", "Job"),
    (remote.KUBERNETES_API, "Object"),
    (contract.DELIVERY_API_VERSION, contract.DELIVERY_KIND),
)
_FAILURES = ("RateLimited", "HubUnreachable", "DownloadFailed", "ReadingFailed", "CrashLoop")
"""Reasons of a claim whose model's files, or weights, cannot be had now."""
_MODELS = {f"freehold/tiny-{kind}": f"{image.MODELS}/{kind}" for kind in ("chat", "sentence")}
_LIMIT = "5/1"
"""Requests that a pod may make until it has to wait, and seconds: a download makes about twice as many."""


@contextmanager
def closed(real: Plane, **given: Any) -> Iterator[dict[str, Any]]:
    """Have Models come from a closed Hub for a while, in place of the open one; give function-vllm's settings.

    Args:
        real: the control plane.
        given: more of function-vllm's input.
    """
    certificates = _certificates()
    for manifest in _manifests(certificates):
        real.api.apply(manifest)
    weights = {"endpoint": ADDRESS, "caBundle": certificates["ca.crt"]}
    settings = {"weights": weights, **given}
    served.configure(real.layout, real.api, **settings)
    try:
        yield settings
    finally:
        for manifest in served.hub():
            real.api.apply(manifest)
        served.configure(real.layout, real.api)


class Claimed(NamedTuple):
    """Two Models that are claimed at once, since starts of vLLM take most of the time."""

    chat: Manifest
    """Its files are read first; its token is right."""
    sentence: Manifest
    """Sized as another, so that a download is the first to ask for its files; it names no token."""
    began: float
    """When they were claimed, by the monotonic clock."""
    heard: set[str]
    """What the first claim has said since then, as lines of `told`."""


@contextmanager
def claimed(team: Api, namespace: str) -> Iterator[Claimed]:
    """Claim both Models; listen for a while to what the first one says."""
    put(team, namespace, TOKEN)
    began = time.monotonic()
    chat = team.create(served.model(namespace, "tiny", source=_SOURCE))
    sized = {"model": OTHER, "baseModel": "Snowflake/snowflake-arctic-embed-l-v2.0"}
    with _listening(team, chat) as heard:
        yield Claimed(chat, team.create(served.model(namespace, "sentence", **sized)), began, heard)


@contextmanager
def _listening(api: Api, claim: Manifest) -> Iterator[set[str]]:
    """Give what a claim says for a while; of what it says for less than half a second, some is missed."""
    heard: set[str] = set()
    over = Event()

    def listen() -> None:
        while not over.wait(0.5):
            found = api.find(*identity(claim))
            heard.update(told(found) if found else ())

    with ThreadPoolExecutor(1) as pool:
        listener = pool.submit(listen)
        try:
            yield heard
        finally:
            over.set()
    listener.result()


def refuses_until_the_token_is_right(team: Api, claim: Manifest) -> None:
    """Name no token, a mistyped one and the right one; each time the claim says what its user needs to know."""
    here = claim["metadata"]["namespace"]
    wait_told(team, claim, f"WeightsReady=False GatedModel: [model] {OTHER} is gated: accept its terms", 120)
    put(team, here, "hf_mistyped", "mine")
    source = {"huggingFace": {"tokenSecretRef": {"name": "mine"}}}
    team.patch(claim, {"spec": {"source": source}})
    refused = f"{ADDRESS} refuses the token in Secret {here}/mine, key token, for {OTHER}"
    wait_told(team, claim, f"WeightsReady=False TokenRefused: [model] {refused}", 120)
    put(team, here, TOKEN, "mine")
    team.patch(claim, {"spec": {"source": {**source, "restartedAt": "the token is right"}}})
    wait_told(team, claim, f"WeightsReady=True Available: {OTHER} at main is downloaded", 120)


def limits_and_is_waited_for(api: Api, two: Claimed) -> None:
    """Look back at the first Model's way to its weights: both who read its files and the download had to wait."""
    limited = [line for line in answers(api) if line.startswith("429 ") and served.MODEL in line]
    assert any(line.startswith("429 GET ") and "/main/" in line for line in limited), "who reads files"
    assert any(line.startswith("429 HEAD ") for line in limited), "the download"
    [job] = api.items("batch/v1", "Job", place(api, two.chat))
    assert (job["status"]["succeeded"], job["status"].get("failed", 0)) == (1, 0), job["status"]
    failures = [words for words in two.heard if any(f" {reason}:" in words for reason in _FAILURES)]
    assert failures == [], failures


def token_is_with_its_models_alone(api: Api, two: Claimed) -> None:
    """Look for the token: nothing that Crossplane and its providers see has it."""
    forms = (TOKEN, encoded(TOKEN))
    here = two.chat["metadata"]["namespace"]
    expected = {("Secret", "hub", "closed"), ("Secret", here, "hub"), ("Secret", here, "mine")}
    expected |= {("Secret", place(api, claim), "hub-token") for claim in (two.chat, two.sentence)}

    def holding() -> set[tuple[str, str, str]]:
        return {
            (kind, each["metadata"]["namespace"], each["metadata"]["name"])
            for version, kind in _KINDS
            for each in api.items(version, kind)
            if any(form in json.dumps(each) for form in forms)
        }

    # Who read the files had it too, in a namespace that goes.
    with suppress(ToolError):
        wait_for("the token to be where it belongs", lambda: holding() == expected)
    wrong = holding() ^ expected
    assert wrong == set(), f"the token is there and should not be, or the reverse: {wrong}"


def put(team: Api, namespace: str, token: str, name: str = "hub") -> None:
    """Put a token into a Secret; by default the one that the first Model names."""
    metadata = {"name": name, "namespace": namespace}
    team.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"token": encoded(token)}}
    )


def encoded(text: str) -> str:
    """Return a text as a Secret has it."""
    return base64.b64encode(text.encode()).decode()


def answers(api: Api) -> list[str]:
    """Return what the Hub has answered since it started: the status, the method and the path of each request."""
    found: list[Manifest] = []

    def one() -> bool:
        found[:] = [p for p in api.items("v1", "Pod", "hub") if "deletionTimestamp" not in p["metadata"]]
        return len(found) == 1 and found[0].get("status", {}).get("phase") == "Running"

    wait_for("the Hub to be one pod", one)
    return api.log(found[0]).splitlines()[1:]


def _certificates() -> dict[str, str]:
    """Return tls.crt, tls.key and ca.crt of an authority that nobody else knows."""
    with TemporaryDirectory() as folder:
        made = Authority(Path(folder, "authority")).serve("hub", HOST)
        return {file.name: file.read_text() for file in made.iterdir()}


def _manifests(certificates: Mapping[str, str]) -> list[Manifest]:
    """Return the Hub's manifests, changed, and the Secret that it has its key and the token from."""
    namespace, deployment, service = served.hub()
    data = {name: encoded(text) for name, text in {**certificates, "token": TOKEN}.items()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "closed", "namespace": "hub"},
        "data": data,
    }
    template = deployment["spec"]["template"]
    # Another key is another pod.
    key = hashlib.sha256(certificates["tls.key"].encode()).hexdigest()
    template["metadata"]["annotations"] = {"key": key}
    template["spec"]["volumes"] = [{"name": "tls", "secret": {"secretName": "closed"}}]
    [container] = template["spec"]["containers"]
    container["args"] = [
        *(f"{name}={folder}" for name, folder in _MODELS.items()),
        *(f"--gated={name}" for name in _MODELS),
        "--token=$(TOKEN)",
        f"--limit={_LIMIT}",
        "--tls=/tls",
    ]
    container["env"] = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "closed", "key": "token"}}}]
    container["volumeMounts"] = [{"name": "tls", "mountPath": "/tls", "readOnly": True}]
    return [namespace, secret, deployment, service]
