"""A Model without a row: from the claim to a placement by what a pod reads of the model's own files."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from functions.api import contract
from functions.base import Condition, Outcome, Unanswered
from functions.checkpoint.report import report
from functions.vllm.compose import compose
from tests.tools.inspect.folders import text
from tests.vllm.world import (
    ARCHITECTURE,
    EU,
    cluster,
    condition_text,
    first,
    live,
    manifests,
    reason,
    request,
)

HOUSE = {"model": "acme/house"}
CONFIG = text("qwen3", 36, 4096, 32, 8, 40960, head_dim=128, vocab_size=151936, intermediate_size=12288)
REPORT = json.dumps(report(CONFIG, None, {"bytes": 16_381_516_800}, "c0ffee"))
US = cluster("us", allowed=["*"])


def pod_name(made: Outcome) -> str:
    return next(name for name in manifests(made) if name.startswith("vllm/files-pod-"))


def with_status(observed: dict[str, Any], pod: str, status: dict[str, Any]) -> dict[str, Any]:
    """What is observed once the kubelet has said something of the pod."""
    seen = {**observed[pod], "status": {"atProvider": {"manifest": {"status": status}}}}
    return {**observed, pod: seen}


def ended(message: str, code: int = 0, at: str = "state") -> dict[str, Any]:
    state = {at: {"terminated": {"exitCode": code, "message": message}}}
    return {"phase": "Succeeded" if code == 0 else "Running", "containerStatuses": [state]}


def after(
    message: str | dict[str, Any], spec: dict[str, Any] | None = None, **more: Any
) -> tuple[Outcome, dict[str, Any]]:
    """Run a first time, let the pod end, and run again."""
    made = compose(request(spec or HOUSE, EU, **more))
    pod = pod_name(made)
    status = ended(message, 0 if "error" not in message else 1) if isinstance(message, str) else message
    observed = with_status(live(made), pod, status)
    return compose(request(spec or HOUSE, EU, observed=observed, **more)), observed


def test_a_pod_reads_what_nothing_knows() -> None:
    made = compose(request(HOUSE, EU))
    assert list(manifests(made)) == [
        "vllm/files-namespace",
        "vllm/files-network-policy",
        pod_name(made),
    ]
    assert condition_text(made) == (
        "[infrastructure] the catalog does not have acme/house, so a pod in InferenceCluster platform/eu reads "
        "the model's files; `freehold inspect` does the same by hand"
    )
    assert reason(made) == "ReadingModel"
    assert [c.reason for c in made.conditions[1:] if isinstance(c, Condition)] == ["NotPlaced", "NotPlaced"]


def test_the_pod_has_no_privilege_and_no_gpu() -> None:
    made = compose(request(HOUSE, EU))
    spec = manifests(made)[pod_name(made)]["spec"]
    pod = spec["forProvider"]["manifest"]["spec"]
    [container] = pod["containers"]
    assert spec["watch"], "the message is seen at once"
    assert spec["providerConfigRef"]["name"] == "eu-kubernetes"
    assert not pod["automountServiceAccountToken"]
    labels = spec["forProvider"]["manifest"]["metadata"]["labels"]
    assert contract.MODEL not in labels, "the agent sums up the pods of Models alone"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert "nvidia.com/gpu" not in {**container["resources"]["limits"], **container["resources"]["requests"]}
    assert container["command"][3:] == ["acme/house", "main"]
    policy = manifests(made)["vllm/files-network-policy"]["spec"]["forProvider"]["manifest"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy


def test_the_token_goes_along_by_reference() -> None:
    spec = {**HOUSE, "source": {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}}
    made = compose(request(spec, EU))
    delivery = manifests(made)["vllm/files-hub-token-delivery"]
    owner = manifests(made)["vllm/files-hub-token-owner"]["spec"]["forProvider"]["manifest"]
    assert delivery["spec"]["source"] == {"namespace": "team-a", "name": "hub", "key": "token"}
    assert delivery["spec"]["providerConfigRef"]["name"] == "eu-kubernetes"
    assert owner["metadata"]["annotations"] == {"agent.freehold.dev/delivery": delivery["metadata"]["name"]}
    target = delivery["spec"]["target"]
    assert (target["namespace"], target["name"]) == (
        owner["metadata"]["namespace"],
        owner["metadata"]["name"],
    )
    assert contract.MODEL not in target["labels"]
    pod = next(r for r in made.resources if r.name == pod_name(made))
    assert "vllm/files-hub-token-delivery" in pod.after


def test_a_token_that_nobody_delivers_is_told() -> None:
    spec = {**HOUSE, "source": {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}}
    observed = live(compose(request(spec, EU)))
    observed["vllm/files-hub-token-delivery"]["status"] = {}
    made = compose(request(spec, EU, observed=observed))
    assert (reason(made), condition_text(made)) == (
        "WaitsForAgent",
        "[platform] the agent has not delivered the Hub token that spec.source.huggingFace.tokenSecretRef names to "
        "the cluster yet: if this lasts, look why Deployment freehold-agent in namespace crossplane-system of the "
        "control plane does not run",
    )


def test_only_where_the_model_may_be_placed() -> None:
    """The token goes along, so a cluster that placement would not take does not read either."""
    strange = cluster("strange", allowed=["*"], namespace="elsewhere")
    closed = cluster("closed", allowed=["team-z"])
    assert reason(compose(request(HOUSE, strange))) == "NoCluster"
    assert reason(compose(request(HOUSE, closed))) == "NamespaceNotAllowed"
    assert reason(compose(request(HOUSE, cluster("new", allowed=["*"], ready=False)))) == "ClusterNotReady"
    read = manifests(compose(request(HOUSE, US, strange, closed, EU)))["vllm/files-namespace"]
    assert read["spec"]["providerConfigRef"]["name"] == "eu-kubernetes", "the first, whatever the order"


def test_what_was_read_places_the_model() -> None:
    placed, _ = after(REPORT)
    assert reason(placed) == "Placed"
    model = placed.status["model"]
    assert (model["name"], model["revision"], model["commit"]) == ("acme/house", "main", "c0ffee")
    assert model["summary"] == (
        "8.2 billion parameters in bf16, 15.3 GiB of files, 36 layers, at most 40960 tokens"
    )
    assert placed.status["sizing"]["weightsGiB"] == 15.26
    assert pod_name(placed), "the pod stays until the status has what was read"


def test_the_pod_goes_once_the_status_has_it() -> None:
    placed, observed = after(REPORT)
    observed = {**observed, **live(placed)}
    again = compose(request(HOUSE, EU, observed=observed, status=dict(placed.status)))
    assert sorted(again.gone) == sorted(name for name in observed if name.startswith("vllm/files-"))
    assert not [name for name in manifests(again) if name.startswith("vllm/files-")]
    assert "model" not in again.status, "what is recorded stays"
    assert manifests(again)["vllm/deployment"] == manifests(placed)["vllm/deployment"]


def test_a_changed_spec_is_sized_by_what_is_recorded() -> None:
    placed, _ = after(REPORT)
    grown = {**HOUSE, "contextLength": 8192}
    again = compose(request(grown, EU, observed=live(placed), status=dict(placed.status)))
    assert reason(again) == "Placed"
    assert again.status["sizing"]["contextLength"] == 8192


def test_another_revision_is_read_again_only_when_it_has_to_be_sized() -> None:
    placed, _ = after(REPORT)
    observed = {n: o for n, o in live(placed).items() if not n.startswith("vllm/files-")}
    other = {**HOUSE, "revision": "v2"}
    same = compose(request(other, EU, observed=observed, status=dict(placed.status)))
    assert not [name for name in manifests(same) if name.startswith("vllm/files-")]
    sized = compose(
        request({**other, "contextLength": 32768}, EU, observed=observed, status=dict(placed.status))
    )
    assert reason(sized) == "ReadingModel"
    assert condition_text(sized).endswith("Until then the Model runs as before")
    assert manifests(sized)[pod_name(sized)]["spec"]["providerConfigRef"]["name"] == "eu-kubernetes"
    assert not set(sized.gone) & set(observed), "what serves is carried on"


def test_a_live_model_that_changes_to_one_that_nothing_knows() -> None:
    made = first()
    again = compose(request(HOUSE, EU, observed=live(made), status=dict(made.status)))
    assert reason(again) == "ReadingModel"
    assert not again.gone


def test_the_spec_goes_first() -> None:
    _, observed = after(REPORT)
    spec = {**HOUSE, "architecture": ARCHITECTURE}
    placed = compose(request(spec, EU, observed=observed))
    assert reason(placed) == "Placed"
    assert placed.status["sizing"]["weightsGiB"] == 5.77
    assert set(placed.gone) == {name for name in observed if name.startswith("vllm/files-")}


def test_a_lost_status_reads_again_and_loses_nothing() -> None:
    placed, _ = after(REPORT)
    observed = {n: o for n, o in live(placed).items() if not n.startswith("vllm/files-")}
    lost = compose(request(HOUSE, EU, observed=observed, answers={"cluster": (EU,)}))
    assert not lost.gone
    assert pod_name(lost)


def test_unanswered_clusters_give_nothing_up() -> None:
    _, observed = after(REPORT)
    with pytest.raises(Unanswered):
        compose(request(HOUSE, EU, observed=observed, answers={}))


def test_a_cluster_that_no_longer_admits_reads_no_more() -> None:
    _, observed = after({"phase": "Pending"})
    config = {"metadata": {"name": "eu-kubernetes"}}
    left = compose(
        request(HOUSE, observed=observed, answers={"clusters": (US,), "provider-config": (config,)})
    )
    assert set(left.gone) == set(observed)
    assert not left.unreachable


def test_a_cluster_that_is_gone_for_good_holds_nothing() -> None:
    """Its Objects are told to leave it alone before they are deleted: else they would wait for ever."""
    _, observed = after({"phase": "Pending"})
    answers = {"clusters": (US,), "provider-config": ()}
    told = compose(request(HOUSE, observed=observed, answers=answers))
    assert (list(told.gone), told.unreachable) == ([], True)
    left = {
        name: {**o, "spec": {**o["spec"], "managementPolicies": ["Observe", "Create", "Update"]}}
        for name, o in observed.items()
    }
    assert set(compose(request(HOUSE, observed=left, answers=answers)).gone) == set(observed)


def test_an_evicted_pod_is_made_again() -> None:
    again, observed = after({"phase": "Failed", "reason": "Evicted"})
    [gone] = again.gone
    assert gone.startswith("vllm/files-pod-")
    rest = {name: o for name, o in observed.items() if name != gone}
    assert pod_name(compose(request(HOUSE, EU, observed=rest))) == gone


HUB = "https://huggingface.co"
TOLD = [
    (
        {"error": "RepoNotFound"},
        "ModelNotFound",
        f"[model] {HUB} has no model acme/house, or it is private: correct spec.model, or name a Secret with a token "
        "in spec.source.huggingFace.tokenSecretRef.",
    ),
    (
        {"error": "RevisionNotFound"},
        "RevisionNotFound",
        "[model] acme/house has no revision main: set spec.revision to a branch, a tag or a commit that "
        f"{HUB}/acme/house has.",
    ),
    (
        {"error": "GatedRepo"},
        "GatedModel",
        f"[model] acme/house is gated: accept its terms at {HUB}/acme/house, put a token of that account into a "
        "Secret in this namespace and name it in spec.source.huggingFace.tokenSecretRef.",
    ),
    (
        {"error": "NoConfig"},
        "NotUnderstood",
        "[model] acme/house at main has no config.json: name another model, or set spec.architecture from the "
        "model's card, or spec.baseModel where it is a fine-tune of a model that the catalog has.",
    ),
    (
        {"error": "Unreachable", "detail": "https://mirror answers 503"},
        "HubUnreachable",
        "[platform] the Hub cannot be reached (https://mirror answers 503): check the cluster's firewall and name "
        "servers, or name a mirror in weights.endpoint of function-vllm's input.",
    ),
    (
        {"error": "NotTrusted", "detail": "self-signed certificate in certificate chain"},
        "CertificateNotTrusted",
        f"[platform] the certificate of {HUB}, or of a proxy before it, is not trusted (self-signed certificate in "
        "certificate chain): set weights.caBundle in function-vllm's input to the certificate of the authority that "
        "signed it.",
    ),
    (
        {"error": "RateLimited", "detail": f"{HUB} answers 429"},
        "RateLimited",
        f"[infrastructure] {HUB} limits the requests that are made now (429): wait; a token in "
        "spec.source.huggingFace.tokenSecretRef raises the limit.",
    ),
]


@pytest.mark.parametrize(("said", "told", "message"), TOLD, ids=[t[1] for t in TOLD])
def test_failures_are_told(said: dict[str, str], told: str, message: str) -> None:
    made, observed = after(json.dumps(said))
    assert (reason(made), condition_text(made)) == (
        told,
        f"{message} The pod tries again by itself, at the latest every 5 minutes",
    )
    assert pod_name(made), "it tries again"
    # Between two tries the kubelet has moved what it said.
    moved = with_status(observed, pod_name(made), ended(json.dumps(said), 1, "lastState"))
    assert condition_text(compose(request(HOUSE, EU, observed=moved))) == condition_text(made)


@pytest.mark.parametrize(
    ("resource", "told", "words"),
    [
        (
            "vllm/files-hub-token-delivery",
            "SourceMissing",
            "[model] the Hub token that spec.source.huggingFace.tokenSecretRef names cannot be delivered to the "
            'cluster: secrets "hub" not found.',
        ),
        (
            "vllm/files-namespace",
            "ReadingRefused",
            '[platform] InferenceCluster platform/eu does not take what reads the files of acme/house (secrets "hub" '
            "not found): ask its owner, or set spec.architecture from the model's card",
        ),
    ],
)
def test_what_cannot_be_made_is_told(resource: str, told: str, words: str) -> None:
    spec = {**HOUSE, "source": {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}}
    observed = live(compose(request(spec, EU)))
    unsynced = {
        "type": "Synced",
        "status": "False",
        "reason": "SourceMissing",
        "message": 'secrets "hub" not found.',
    }
    observed[resource] = {**observed[resource], "status": {"conditions": [unsynced]}}
    made = compose(request(spec, EU, observed=observed))
    assert (reason(made), condition_text(made)) == (told, words)


def test_a_refused_token_is_told() -> None:
    spec = {**HOUSE, "source": {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}}
    made, _ = after(json.dumps({"error": "TokenRefused", "detail": "Invalid credentials."}), spec)
    assert condition_text(made).startswith(
        f"[model] {HUB} refuses the token in Secret team-a/hub for acme/house (Invalid credentials): put a token into "
    )


def test_a_misspelt_model_is_told_what_was_likely_meant() -> None:
    made, _ = after(json.dumps({"error": "RepoNotFound"}), {"model": "Qwen/Qwen3-8c"})
    assert "(did you mean Qwen/Qwen3-8B or" in condition_text(made)


@pytest.mark.parametrize("name", ["Qwen/Qwen3-8b", "Qwen/Qwen-3-8B"])
def test_a_misspelt_model_is_told_while_its_files_are_read(name: str) -> None:
    told = condition_text(compose(request({"model": name}, EU)))
    assert f"the catalog does not have {name} (did you mean Qwen/Qwen3-8B" in told


@pytest.mark.parametrize("message", [{}, {"message": ""}])
def test_a_pod_that_dies_without_a_word_is_told(message: dict[str, str]) -> None:
    """As one that the kernel kills for its memory, again and again."""
    died = {"terminated": {"exitCode": 137, "reason": "OOMKilled", **message}}
    status = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": died, "restartCount": 40}
    made, _ = after({"phase": "Running", "containerStatuses": [status]})
    assert reason(made) == "ReadingFailed"
    assert "fails (OOMKilled, exit code 137, without a word)" in condition_text(made)


def test_a_pod_that_crashes_is_told() -> None:
    made, _ = after({"phase": "Running", **ended("Traceback\nMemoryError", 1)})
    assert reason(made) == "ReadingFailed"
    assert "fails (Traceback MemoryError)" in condition_text(made)


@pytest.mark.parametrize(
    "key",
    [
        {"num_hidden_layers": 10**12, "index_topk": 2048},
        {"max_position_embeddings": 10**12},
        {"rope_scaling": {"rope_type": "yarn", "factor": 1e308, "original_max_position_embeddings": 40960}},
    ],
    ids=lambda key: next(iter(key)),
)
def test_a_number_that_no_model_has_is_refused(key: dict[str, Any]) -> None:
    """Anybody can publish a config.json: one Model must not hold up the function for all."""
    made, _ = after(json.dumps(report({**CONFIG, **key}, None, {"bytes": 2**35})))
    assert reason(made) == "NotUnderstood"
    assert re.search(rf"config.json: {next(iter(key))}(: factor)?: it is beyond", condition_text(made))


@pytest.mark.parametrize("key", ["bytes", "parameters"])
def test_weights_that_no_model_has_are_refused(key: str) -> None:
    made, _ = after(json.dumps(report(CONFIG, None, {"bytes": 2**35, key: 10**400})))
    assert reason(made) == "NotUnderstood"


def test_a_report_that_no_kubelet_would_pass_on_is_not_recorded() -> None:
    made, _ = after(json.dumps({**json.loads(REPORT), "more": "x" * 5000}))
    assert (reason(made), "model" in made.status) == ("NotUnderstood", False)
    assert "a report of" in condition_text(made)


def test_what_cannot_be_understood_names_the_key_and_the_way_out() -> None:
    made, _ = after(json.dumps(report({**CONFIG, "model_type": "rwkv7"}, None, {"bytes": 1})))
    assert reason(made) == "NotUnderstood"
    assert condition_text(made) == (
        "[model] the files of acme/house: config.json: model_type: this version does not know what vLLM caches of models of type rwkv7. Name a "
        "model of a known type, or ask for this type to be supported, or set spec.architecture from the model's card, "
        "or spec.baseModel where it is a fine-tune of a model that the catalog has"
    )
    assert "model" not in made.status


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available."}
                ]
            },
            "reads the model's files: no node takes it (0/3 nodes are available);",
        ),
        (
            {
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "denied"}}}
                ]
            },
            "reads the model's files: it waits, ImagePullBackOff (denied);",
        ),
    ],
)
def test_what_the_pod_waits_for_is_told(status: dict[str, Any], said: str) -> None:
    made, _ = after({"phase": "Pending", **status})
    assert said in condition_text(made)


@pytest.mark.parametrize("name", ["minicpm3", "modelopt"])
def test_cases_are_sized_as_the_engine_takes_them(name: str) -> None:
    """MiniCPM3's cache is 29 GiB of 32768 tokens, not 1.1; ModelOpt's fp8 is fp8, not bf16."""
    if name == "minicpm3":
        config = text("minicpm3", 62, 2560, 40, 40, 32768, kv_lora_rank=256, qk_rope_head_dim=32)
        made = report({**config, "qk_nope_head_dim": 64}, None, {"bytes": 8_147_691_520})
        spec: dict[str, Any] = {"model": "openbmb/MiniCPM3-4B", "contextLength": 32768}
    else:
        config = text("llama", 80, 8192, 64, 8, 131072, vocab_size=128256, intermediate_size=28672)
        made = report(config, {"quantization": {"quant_algo": "FP8"}}, {"bytes": 72_656_000_000})
        spec = {"model": "nvidia/Llama-3.1-70B-Instruct-FP8"}
    pool = {
        "name": "h200",
        "gpuModel": "H200-141GB",
        "gpusPerNode": 8,
        "gpuMemoryMiB": 143771,
        "nodes": {"min": 0, "max": 1},
        "ready": True,
    }
    big = cluster("big", pool, allowed=["*"])
    asked = compose(request(spec, big))
    observed = with_status(live(asked), pod_name(asked), ended(json.dumps(made)))
    sizing = compose(request(spec, big, observed=observed)).status["sizing"]
    if name == "minicpm3":
        assert sizing["kvCacheGiB"] == pytest.approx(29.06, abs=0.01)
    else:
        assert sizing["weightsGiB"] == pytest.approx(67.67, abs=0.01)


def test_the_pod_reaches_the_hub_as_downloads_do() -> None:
    weights = {
        "endpoint": "https://mirror.corp/hf",
        "proxy": "http://proxy.corp:3128",
        "caBundle": "-----BEGIN CERTIFICATE-----",
        "image": "mirror.corp/python:3.13",
        "env": [{"name": "NO_PROXY", "value": ".corp"}],
    }
    made = compose(request(HOUSE, EU, given={"weights": weights}))
    [container] = manifests(made)[pod_name(made)]["spec"]["forProvider"]["manifest"]["spec"]["containers"]
    assert container["image"] == "mirror.corp/python:3.13"
    assert {v["name"]: v["value"] for v in container["env"]} == {
        "HF_ENDPOINT": "https://mirror.corp/hf",
        "NVIDIA_VISIBLE_DEVICES": "void",
        "HTTPS_PROXY": "http://proxy.corp:3128",
        "HTTP_PROXY": "http://proxy.corp:3128",
        "CA_BUNDLE": "-----BEGIN CERTIFICATE-----",
        "NO_PROXY": ".corp",
    }
    policy = manifests(made)["vllm/files-network-policy"]["spec"]["forProvider"]["manifest"]["spec"]
    assert {"protocol": "TCP", "port": 3128} in policy["egress"][0]["ports"]


def test_what_was_read_of_another_model_is_not_kept() -> None:
    placed, _ = after(REPORT)
    observed = {n: o for n, o in live(placed).items() if not n.startswith("vllm/files-")}
    other = compose(request({"model": "Qwen/Qwen3-4B"}, EU, observed=observed, status=dict(placed.status)))
    assert other.status["model"] is None
    assert reason(other) == "Placed"
