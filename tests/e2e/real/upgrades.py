"""A next version of Freehold, and back, under a Model that serves: every package comes from a mirror meanwhile.

The next version is this one, but that it deploys newer images: so what nobody asked for would show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from functions.catalog import image
from functions.main import FUNCTIONS
from tests.e2e.conftest import Plane
from tests.e2e.observing import reconcile, refreshed, uids
from tests.e2e.real import pods
from tests.e2e.real.checks import restarts
from tests.e2e.real.mirrors import Mirror, opened
from tests.e2e.workload import place, serving
from tools.control_plane import packages
from tools.control_plane.api import Api, condition
from tools.control_plane.registry import storage
from tools.control_plane.waiting import wait_for
from tools.images.command import build
from tools.images.image import Image, Part
from tools.images.kinds import KINDS, Kind
from tools.images.kinds.names import published, version
from tools.images.kinds.packages import CONFIGURATION, kinds, object_name
from tools.images.tree import File
from tools.images.wheels import SITE
from tools.manifests import Manifest, load
from tools.node import images
from tools.node.packages import own
from tools.paths import INSTALL, ROOT

FIRST, NEXT = version(), "v0.2.0"
ENGINE = "docker.io/vllm/vllm-openai:v0.99.0"
"""That the next version deploys."""
LATE = "function-vllm"
"""The package that is copied last."""
_VERSIONS = "functions/catalog/versions.toml"
_SECONDS = 120
_ANSWERED = "200"
_REQUESTS = """
import json, os, time, urllib.request

body = json.dumps({"model": os.environ["OPENAI_MODEL"], "prompt": "Hello", "max_tokens": 1}).encode()
address = os.environ["OPENAI_BASE_URL"] + "/completions"
while True:
    try:
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        said = urllib.request.urlopen(request, timeout=60).status
    except OSError as error:
        said = repr(error)
    print(said, flush=True)
    time.sleep(0.5)
"""


def functions(tag: str) -> dict[str, Kind]:
    """Return the packages of the functions of a version by their names."""
    found = {kind.name: kind for kind in kinds(tag=tag) if kind.name.startswith("function-")}
    if tag == FIRST:
        return found
    return {name: replace(kind, make=partial(_newer, kind)) for name, kind in found.items()}


def _newer(kind: Kind, architecture: str) -> Image:
    made = kind.make(architecture)
    text = (ROOT / _VERSIONS).read_text().replace(image("vllm"), ENGINE)
    content = text.replace(image("agent"), published("agent", tag=NEXT)).encode()
    layer = Part("newer versions", [content], lambda: {f"{SITE[1:]}/{_VERSIONS}": File(content)})
    return replace(made, parts=[*made.parts, layer])


@dataclass(frozen=True)
class State:
    """What of a Model may not change unasked."""

    pods: dict[str, int]
    """Restarts by the uid of the pod."""
    generations: dict[str, int]
    """Of the workload, whose template makes pods anew."""
    composed: dict[str, str]

    @classmethod
    def of(cls, api: Api, claim: Manifest) -> State:
        """Return a Model's state."""
        workloads = api.items("apps/v1", "Deployment", place(api, claim))
        return cls(
            {pod["metadata"]["uid"]: restarts(pod) for pod in serving(api, claim)},
            {each["metadata"]["uid"]: each["metadata"]["generation"] for each in workloads},
            uids(api, claim),
        )


@contextmanager
def asking(api: Api, claim: Manifest) -> Iterator[Callable[[], list[str]]]:
    """Have a pod ask a Model without a pause; give what returns what became of each request.

    From the first that is answered on: the agent of network policies hears of a new pod a moment after it has started.
    """
    secret = {"secretRef": {"name": claim["status"]["endpoint"]["secretName"]}}
    pod = pods.pod(claim["metadata"]["namespace"], "asking-on", _REQUESTS, envFrom=[secret])
    pods.started(api, pod)

    def became() -> list[str]:
        lines = pods.log(api, pod).splitlines()
        return lines[lines.index(_ANSWERED) :] if _ANSWERED in lines else []

    wait_for("a request to be answered", lambda: became() != [])
    try:
        yield became
    finally:
        pods.remove(api, pod)


@contextmanager
def from_a_mirror(real: Plane, settings: Mapping[str, Any]) -> Iterator[Mirror]:
    """Have Crossplane take all packages from a mirror for a while, and the functions' pods their images.

    Args:
        real: the control plane.
        settings: of function-vllm's input, as the Configuration has them.
    """
    api = real.api
    live = configuration(api)
    with opened(real) as mirror:
        mirror.copy(
            *functions(FIRST).values(), *packages.dependencies(), own(real.layout, live, settings, FIRST)
        )
        try:
            for manifest in (*mirror.install(FIRST), *mirror.rules()):
                api.apply(manifest)
            wait_for(
                "the functions' pods to be the mirror's",
                lambda: _images(api) == _names(mirror, FIRST),
                _SECONDS,
            )
            yield mirror
        finally:
            for manifest in mirror.rules():
                api.delete(manifest)
            for manifest in load(INSTALL):
                api.apply(manifest)
            world = {published(f"function-{short}") for short in FUNCTIONS}
            wait_for("the functions' pods to be the world's", lambda: _images(api) == world, _SECONDS)


def configuration(api: Api) -> str:
    """Return the tag of the Configuration."""
    live: str = api.get(packages.API, "Configuration", CONFIGURATION)["spec"]["package"]
    return live.rpartition(":")[2]


def _images(api: Api) -> set[str]:
    """Return the images of the functions' pods once all are ready; pods without our runtime are not found."""
    found = api.items("v1", "Pod", "crossplane-system", "app.kubernetes.io/name=freehold-function")
    ready = all(condition(pod, "Ready").get("status") == "True" for pod in found)
    return {pod["spec"]["containers"][0]["image"] for pod in found} if ready else set()


def _names(mirror: Mirror, tag: str) -> set[str]:
    return {mirror.name(kind.reference) for kind in functions(tag).values()}


def half_way(real: Plane, mirror: Mirror, settings: Mapping[str, Any]) -> None:
    """Upgrade as docs/install.md has it, while the mirror lacks one function: the Configuration waits for it."""
    api, wanted = real.api, functions(NEXT)
    images.place(storage(real.layout), build("agent"), KINDS["agent"].repository, NEXT)
    mirror.copy(*(kind for name, kind in wanted.items() if name != LATE), own(real.layout, NEXT, settings))
    for name, kind in wanted.items():
        packages.ask(api, "Function", object_name(name), kind.reference)
    for name, kind in wanted.items():
        if name != LATE:
            packages.wait_healthy(api, "Function", object_name(name), kind.reference)
    for manifest in mirror.install(NEXT):
        api.apply(manifest)
    packages.ask(api, "Configuration", CONFIGURATION, published(CONFIGURATION, tag=NEXT))
    function = ("Function", object_name(LATE), f"{mirror.host}/freehold/{LATE}:{NEXT}")
    refusal = f"{LATE}@{FIRST} is incompatible with constraint >={NEXT}"
    waiting = ("Configuration", CONFIGURATION, refusal)
    _wait_said(api, *function)
    _wait_said(api, *waiting)


def _wait_said(api: Api, kind: str, name: str, words: str) -> None:
    def said() -> bool:
        return words in condition(api.get(packages.API, kind, name), "Healthy").get("message", "")

    wait_for(f"{kind} {name} to say {words}", said, _SECONDS)


def goes_on(real: Plane, mirror: Mirror) -> None:
    """Copy what the mirror lacks; return when the next version is installed."""
    kind = functions(NEXT)[LATE]
    mirror.copy(kind)
    packages.wait_healthy(real.api, "Function", object_name(LATE), kind.reference)
    packages.wait_healthy(real.api, "Configuration", CONFIGURATION, published(CONFIGURATION, tag=NEXT))
    wait_for(
        "the functions' pods to be the next", lambda: _images(real.api) == _names(mirror, NEXT), _SECONDS
    )


def back(real: Plane, mirror: Mirror, tag: str) -> None:
    """Roll back: the Configuration to a tag, then the functions to the first version, then install.yaml."""
    packages.ask(real.api, "Configuration", CONFIGURATION, published(CONFIGURATION, tag=tag))
    packages.wait_healthy(real.api, "Configuration", CONFIGURATION, published(CONFIGURATION, tag=tag))
    wanted = functions(FIRST)
    for name, kind in wanted.items():
        packages.ask(real.api, "Function", object_name(name), kind.reference)
    for name, kind in wanted.items():
        packages.wait_healthy(real.api, "Function", object_name(name), kind.reference)
    for manifest in mirror.install(FIRST):
        real.api.apply(manifest)
    wait_for(
        "the functions' pods to be the first", lambda: _images(real.api) == _names(mirror, FIRST), _SECONDS
    )


def agents(api: Api) -> set[str]:
    """Return the versions of both agents that run: of the control plane, and of the cluster."""
    places = (("crossplane-system", "freehold-agent"), ("freehold-agent", "agent"))
    return {_version(api.get("apps/v1", "Deployment", name, namespace)) for namespace, name in places}


def _version(deployment: Manifest) -> str:
    """Return the tag of the image whose pod runs; an empty one while pods are replaced."""
    status = deployment["status"]
    counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    if counts != {1} or status["observedGeneration"] != deployment["metadata"]["generation"]:
        return ""
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return str(container["image"]).rpartition(":")[2]


def latest(real: Plane, claim: Manifest) -> str | None:
    """Return the newer engine image that a Model's claim names after a look of its own."""
    reconcile(real, claim, 60)
    engine: Manifest = refreshed(real.api, claim)["status"]["engine"]
    return engine.get("latest")


def names_latest(real: Plane, claim: Manifest, expected: str | None) -> None:
    """Return once a Model's claim names a newer engine image, or none.

    A look that was under way when the functions' pods changed still writes what the former ones said.
    """
    wait_for(f"{expected} as the newest engine", lambda: latest(real, claim) == expected, _SECONDS)
