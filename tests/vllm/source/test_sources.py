"""What every source of weights has to be, and that a new one needs no more than its value."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import ModelSpec
from functions.base import Resource
from functions.vllm import source
from functions.vllm.compose import compose
from functions.vllm.plan import Plan
from functions.vllm.serve.objects import in_cluster
from functions.vllm.source import SOURCES
from functions.vllm.source.huggingface import HUGGING_FACE
from functions.vllm.source.source import Reader, Source
from tests.vllm.world import EU, H100, SPEC, cluster, manifests, pod_of, request


@pytest.mark.parametrize("known", SOURCES, ids=lambda known: known.field)
def test_a_source_is_a_field_of_the_spec(known: Source) -> None:
    assert known.field in type(ModelSpec.model_validate(SPEC).source).model_fields
    assert known.identity(ModelSpec.model_validate(SPEC), ()) != known.identity(
        ModelSpec.model_validate({**SPEC, "revision": "v2"}), ()
    )
    assert "object" in known.complete
    assert all(name.startswith("vllm/") for name in known.credential_names)


def _key(plan: Plan) -> list[Resource]:
    metadata = {"name": "key", "namespace": plan.placement.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    return [in_cluster(plan, "key", secret, label="the key of the bucket")]


BUCKET = Source(
    field="hugging_face",
    identity=lambda spec, _: f"b{len(spec.model)}",
    egress=lambda _: [{"protocol": "TCP", "port": 9000}],
    credentials=_key,
    credential_names=("vllm/key",),
    reader=lambda plan: Reader(["copy", plan.spec.model], [{"name": "KEY", "value": "mounted"}]),
    complete="object.status.ready",
    causes={},
    refused=lambda _: None,
    hint="look at the bucket",
)


def test_a_new_source_needs_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SOURCES", (BUCKET,))
    outcome = compose(request(SPEC, EU))
    made = manifests(outcome)
    job = next(r for r in outcome.resources if r.name.startswith("vllm/download-b13-"))
    assert set(job.after) == {
        "vllm/namespace",
        "vllm/network-policy-download",
        "vllm/weights-b13",
        "vllm/key",
    }
    assert made[job.name]["spec"]["readiness"]["celQuery"] == BUCKET.complete
    container = pod_of(made[job.name])["containers"][0]
    assert container["command"] == ["copy", "Qwen/Qwen3-8B"]
    assert {"name": "KEY", "value": "mounted"} in container["env"]
    policy = made["vllm/network-policy-download"]["spec"]["forProvider"]["manifest"]["spec"]
    assert {"protocol": "TCP", "port": 9000} in policy["egress"][0]["ports"]
    claim = pod_of(made["vllm/deployment"])["volumes"][0]["persistentVolumeClaim"]
    assert claim == {"claimName": "weights-b13"}


def test_credentials_go_with_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.vllm.resources.SOURCES", (HUGGING_FACE, BUCKET))
    first = compose(request(SPEC, EU))
    observed = {**{r.name: dict(r.manifest or {}) for r in first.resources}, "vllm/key": {"kind": "Object"}}
    later = compose(request(SPEC, EU, status=dict(first.status), observed=observed))
    assert "vllm/key" in later.gone


MISTRAL = {"model": "mistralai/Mistral-Large-3-675B-Instruct-2512"}
HUGE = cluster("eu", {**H100, "nodes": {"min": 0, "max": 16}}, allowed=["*"], sharedStorage=True)
LOADED_AS_MISTRAL = ["--load-format=mistral"], ["--load_format", "mistral"], ["--load-f=mistral"]


def downloads(spec: dict[str, Any], *clusters: dict[str, Any], **more: Any) -> list[list[str]]:
    """The commands of a Model's downloads."""
    made = manifests(compose(request(spec, *clusters, **more)))
    return [
        pod_of(manifest)["containers"][0]["command"]
        for name, manifest in made.items()
        if name.startswith("vllm/download-")
    ]


def test_files_of_the_format_that_the_engine_reads() -> None:
    # Proves: what the catalog or the spec says of the format decides what is downloaded.
    several = {**HUGE, "status": {**HUGE["status"], "components": ["leader-worker-set"]}}
    assert "--consolidated" in downloads(MISTRAL, several)[0]
    assert (
        "--consolidated" not in downloads({**MISTRAL, "engine": {"args": ["--load-format=auto"]}}, several)[0]
    )
    assert "--consolidated" not in downloads(SPEC, EU)[0]
    for args in LOADED_AS_MISTRAL:
        assert "--consolidated" in downloads({**SPEC, "engine": {"args": args}}, EU)[0]


def test_another_format_is_another_volume() -> None:
    # Proves: a live Model that is told to read another format gets its files before it restarts.
    plain, recorded = ModelSpec.model_validate(SPEC), ["--load-format=mistral"]
    told = ModelSpec.model_validate({**SPEC, "engine": {"args": recorded}})
    identity = HUGGING_FACE.identity
    assert identity(plain, ()) != identity(plain, recorded) == identity(told, ())
