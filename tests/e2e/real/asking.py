"""Pods that ask a Model, where a user's app would be, with the values of the Secret beside the claim."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.real import pods
from tools.control_plane.api import Api
from tools.manifests import Manifest

_SECONDS = 180
_ASK = """
import json, os, time, urllib.error, urllib.request

def ask(url, body=None):
    text = json.dumps(body).encode() if body else None
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, text, headers)
    global began
    for _ in range(60):
        began = time.monotonic()
        try:
            return urllib.request.urlopen(request, timeout=120)
        except urllib.error.HTTPError as error:
            raise SystemExit(error.read().decode())
        except urllib.error.URLError as error:
            # The agent of network policies hears of a new pod a moment after the pod has started.
            last = error
            time.sleep(0.5)
    raise last

model, base = os.environ.get("OPENAI_MODEL"), os.environ.get("OPENAI_BASE_URL")
"""
_CHAT = """
body = {"model": model, "max_tokens": 16, "stream": True,
        "messages": [{"role": "user", "content": "Where does the sun rise?"}]}
words, first = [], None
with ask(base + "/chat/completions", body) as answer:
    for line in answer:
        text = line.decode().strip().removeprefix("data: ")
        if not text or text == "[DONE]":
            continue
        if first is None:
            first = time.monotonic() - began
        words.append(json.loads(text)["choices"][0]["delta"].get("content") or "")
print(json.dumps({"first": first, "tokens": len(words), "text": "".join(words)}))
"""
_EMBED = """
with ask(base + "/embeddings", {"model": model, "input": ["one", "two"]}) as answer:
    print(json.dumps([each["embedding"] for each in json.load(answer)["data"]]))
"""
_READ = """
with ask(%r) as answer:
    print(answer.read().decode())
"""


def chat(api: Api, claim: Manifest) -> dict[str, Any]:
    """Chat with a Model; return the seconds to the first token, the number of tokens and the text."""
    found: dict[str, Any] = json.loads(_run(api, claim, _CHAT))
    return found


def embeddings(api: Api, claim: Manifest) -> list[list[float]]:
    """Return a Model's vectors of two texts."""
    found: list[list[float]] = json.loads(_run(api, claim, _EMBED))
    return found


def read(api: Api, namespace: str, url: str) -> str:
    """Return what a pod of a namespace reads at an address."""
    return pods.run(api, pods.pod(namespace, "reading", _ASK + _READ % url), _SECONDS)


def _run(api: Api, claim: Manifest, code: str) -> str:
    return pods.run(api, app(claim, _ASK + code), _SECONDS)


def app(claim: Manifest, code: str, name: str = "asking", **variables: str) -> Manifest:
    """Return a pod beside a claim with the values of the claim's Secret; an authority in it is trusted.

    Args:
        claim: the Model's, which has an endpoint.
        code: the program.
        name: the pod's.
        variables: more of them.
    """
    secret = claim["status"]["endpoint"]["secretName"]
    if claim["status"]["endpoint"]["baseURL"].startswith("https://"):
        variables["SSL_CERT_FILE"] = "/endpoint/ca.crt"
    made = pods.pod(
        claim["metadata"]["namespace"],
        name,
        code,
        envFrom=[{"secretRef": {"name": secret}}],
        env=[{"name": each, "value": value} for each, value in variables.items()],
        volumeMounts=[{"name": "endpoint", "mountPath": "/endpoint"}],
    )
    made["spec"]["volumes"] = [{"name": "endpoint", "secret": {"secretName": secret}}]
    return made
