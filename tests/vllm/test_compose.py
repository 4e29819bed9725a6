"""A live Model outlives whatever it was made from."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from functions.base import Condition, Invalid, Outcome, Request, Selector, Unanswered
from functions.base.assemble import assemble
from functions.catalog import models
from functions.vllm.compose import FUNCTION, compose
from tests.vllm.world import H100, L4, cluster, request

SPEC = {"model": "Qwen/Qwen3-8B"}
EU = cluster("eu", allowed=["*"])
OFFER = Selector("v1", "ConfigMap", name="eu-x1-offer-63897f", namespace="crossplane-system")
VOLUME = "vllm/weights-543937"
DOWNLOAD = "vllm/download-543937-fbbbc9"


def live(outcome: Outcome) -> dict[str, Any]:
    """What Crossplane observes after an outcome: every resource there and ready."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {r.name: {**(r.manifest or {}), "status": ready} for r in outcome.resources}


def stays(outcome: Outcome, name: str) -> bool:
    """Tell whether a live resource is carried on: neither rendered again nor given up."""
    return manifests(outcome).get(name) is None and name not in outcome.gone


def first() -> Outcome:
    return compose(request(SPEC, EU))


def again(
    spec: dict[str, Any] | None = None, *clusters: dict[str, Any], **more: Any
) -> tuple[Request, Outcome]:
    """Run once more over a live Model."""
    made = first()
    asked = request(
        spec or SPEC, *(clusters or (EU,)), **{"status": dict(made.status), "observed": live(made), **more}
    )
    return asked, compose(asked)


def manifests(outcome: Outcome) -> dict[str, Any]:
    return {r.name: r.manifest for r in outcome.resources}


def reason(outcome: Outcome) -> str:
    condition = outcome.conditions[0]
    assert isinstance(condition, Condition)
    return condition.reason


def test_names() -> None:
    assert [r.name for r in first().resources] == [
        "vllm/namespace",
        "vllm/placed",
        "vllm/placed-last",
        "vllm/network-policy-default-deny",
        "vllm/network-policy-serving",
        "vllm/network-policy-download",
        "vllm/weights-543937",
        DOWNLOAD,
        "vllm/deployment",
        "vllm/service",
        "vllm/connection",
    ]


def kept(outcome: Outcome) -> dict[str, Any]:
    """Manifests of a live Model: its volume and its finished download are carried on, not rendered."""
    return {name: m for name, m in manifests(outcome).items() if name not in (VOLUME, DOWNLOAD)}


def test_nothing_changes_without_a_change() -> None:
    asked, outcome = again()
    assert manifests(outcome) == kept(first())
    assert outcome.status == first().status
    assert asked.requirements == {"cluster": OFFER}, "a placed Model asks for its cluster's offer alone"


def test_the_order_of_a_map_does_not_matter() -> None:
    labels = {"nvidia.com/gpu.count": "8", "nvidia.com/gpu.product": "NVIDIA-L4"}
    turned = dict(reversed(labels.items()))
    one, other = (
        compose(request(SPEC, cluster("eu", {**L4, "nodeSelector": selector}, allowed=["*"])))
        for selector in (labels, turned)
    )
    assert json.dumps(manifests(one), sort_keys=True) == json.dumps(manifests(other), sort_keys=True)


def test_a_new_model_lists_clusters() -> None:
    asked = request(SPEC, answers={})
    with pytest.raises(Unanswered):
        compose(asked)
    assert list(asked.requirements) == ["clusters"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"answers": {}}, None, id="cluster not answered yet"),
        pytest.param({"answers": {"cluster": ()}}, "ClusterMissing", id="cluster gone"),
        pytest.param(
            {"answers": {"cluster": (cluster("eu", allowed=[]),)}}, "NamespaceNotAllowed", id="not admitted"
        ),
        pytest.param(
            {"answers": {"cluster": (cluster("eu", H100, allowed=["*"]),)}}, "PoolMissing", id="pool gone"
        ),
    ],
)
def test_rendered_from_the_record(change: dict[str, Any], expected: str | None) -> None:
    _, outcome = again(**change)
    assert manifests(outcome) == kept(first())
    assert outcome.status == first().status
    assert not outcome.gone
    if expected:
        assert reason(outcome) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({**SPEC, "contextLength": 40960, "concurrency": 4}, "NothingFits", id="grown too large"),
        pytest.param({**SPEC, "gpu": {"model": "H100-80GB"}}, "NothingFits", id="another GPU"),
    ],
)
def test_a_spec_that_no_longer_fits_keeps_the_model(spec: dict[str, Any], expected: str) -> None:
    _, outcome = again(spec)
    assert reason(outcome) == expected
    assert (list(outcome.resources), list(outcome.gone)) == ([], []), "everything is carried on"


def test_a_refused_spec_does_not_hide_what_broke() -> None:
    observed = live(first())
    observed["vllm/deployment"]["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    asked, outcome = again({**SPEC, "contextLength": 40960, "concurrency": 64}, observed=observed)
    settled = assemble(asked, FUNCTION, outcome).conditions
    assert [(c.type, c.status.value) for c in settled.values()] == [
        ("Placed", "False"),
        ("WeightsReady", "True"),
        ("Serving", "False"),
    ]


def test_a_newer_catalog_moves_nothing_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = first()
    bigger = replace(models()["Qwen/Qwen3-8B"], weights_gib=40.0, max_context=8192)
    monkeypatch.setitem(models(), "Qwen/Qwen3-8B", bigger)
    asked = request(SPEC, EU, status=dict(before.status), observed=live(before))
    assert manifests(compose(asked)) == kept(before)


def test_another_revision_is_other_weights() -> None:
    _, outcome = again({**SPEC, "revision": "v2"})
    assert outcome.status["placement"]["weights"] == "543937", "served until the new ones are there"
    assert len([name for name in manifests(outcome) if "/download-" in name]) == 1
    assert stays(outcome, DOWNLOAD)


def test_a_change_of_mind_downloads_nothing_again() -> None:
    """A to B and back before B is there: A's volume and download were kept."""
    _, waiting = again({"model": "Qwen/Qwen3-4B"})
    new = {
        n: m for n, m in manifests(waiting).items() if m and n.startswith(("vllm/weights-", "vllm/download-"))
    }
    _, back = again(SPEC, status=dict(waiting.status), observed={**live(first()), **new})
    assert manifests(back) == kept(first())


def test_the_volume_served_keeps_what_it_was_made_with() -> None:
    """While other weights arrive the cluster's storage becomes shared; the old volume does not."""
    shared = cluster("eu", allowed=["*"], sharedStorage=True)
    _, waiting = again({"model": "Qwen/Qwen3-4B"}, shared)
    assert (
        "sharedStorage" not in waiting.status["placement"] or not waiting.status["placement"]["sharedStorage"]
    )
    _, back = again({**SPEC, "replicas": {"min": 2}}, shared, status=dict(waiting.status))
    assert reason(back) == "VolumeNotShared"


@pytest.mark.parametrize("choice", [{"name": "us"}, {"name": "eu", "namespace": "other"}])
def test_a_live_model_stays_when_the_spec_names_what_is_not_there(choice: dict[str, str]) -> None:
    _, outcome = again({**SPEC, "cluster": choice})
    assert (reason(outcome), list(outcome.resources), list(outcome.gone)) == ("ClusterNotFound", [], [])
    assert condition_text(outcome).endswith(". Until then the Model runs as before")


@pytest.mark.parametrize("data", [{}, {"offer": "{"}, {"offer": '{"nodePools": 1}'}])
def test_an_offer_that_cannot_be_read(data: dict[str, str]) -> None:
    asked, _ = again()
    unreadable = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}
    outcome = compose(replace(asked, answers={"cluster": (unreadable,)}))
    assert (reason(outcome), manifests(outcome)) == ("ClusterMissing", kept(first()))


def test_scaled_to_zero_does_not_serve() -> None:
    _, outcome = again({**SPEC, "replicas": {"min": 0}})
    serving = outcome.conditions[2]
    assert isinstance(serving, Condition)
    assert (serving.status.value, serving.reason) == ("False", "ScaledToZero")


def test_environment_once() -> None:
    env = [{"name": "HOME", "value": "/mine"}, {"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    made = manifests(compose(request({**SPEC, "engine": {"env": env}}, EU)))
    container = _pod(made["vllm/deployment"])["containers"][0]
    values = {e["name"]: e["value"] for e in container["env"]}
    assert len(values) == len(container["env"])
    assert (values["HOME"], values["A"]) == ("/mine", "2")


@pytest.mark.parametrize("arg", ["--port=1", "--tensor-parallel-size", "--max-model-len=8"])
def test_arguments_with_a_field_of_their_own(arg: str) -> None:
    with pytest.raises(Invalid) as caught:
        compose(request({**SPEC, "engine": {"args": [arg]}}, EU))
    assert str(caught.value).startswith("spec.engine.args: engine.args takes none of --port,")


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("https://huggingface.co", 443),
        ("http://mirror.corp:8080/hf", 8080),
        ("https://[fd00::1]:8443", 8443),
    ],
)
def test_the_downloader_reaches_the_hubs_port(endpoint: str, port: int) -> None:
    policy = manifests(compose(request(SPEC, EU, given={"weights": {"endpoint": endpoint}})))
    egress = policy["vllm/network-policy-download"]["spec"]["forProvider"]["manifest"]["spec"]["egress"]
    assert {"protocol": "TCP", "port": port} in egress[0]["ports"]


def test_a_mirror_holds_no_password() -> None:
    with pytest.raises(Invalid):
        compose(request(SPEC, EU, given={"weights": {"endpoint": "https://user:pw@mirror.corp"}}))


def test_a_tenant_cannot_search_for_anothers_namespace() -> None:
    assert re.fullmatch(r"team-a-qwen-[0-9a-f]{16}", first().status["placement"]["namespace"])


@pytest.mark.parametrize("model", ["acme/unknown", "meta-llama/Llama-3.3-70B-Instruct"])
def test_another_model_that_cannot_be_served_changes_nothing(model: str) -> None:
    _, outcome = again({"model": model})
    assert (list(outcome.resources), list(outcome.gone)) == ([], [])
    assert reason(outcome) in ("UnknownModel", "NothingFits")


def test_the_place_is_found_without_status() -> None:
    asked, outcome = again(status={}, answers={"cluster": (EU,)})
    assert manifests(outcome) == kept(first())
    assert asked.requirements["cluster"] == OFFER


def test_new_weights_arrive_before_the_old_ones_go() -> None:
    new = {"model": "Qwen/Qwen3-4B"}
    _, waiting = again(new)
    resources = manifests(waiting)
    for name in (VOLUME, DOWNLOAD, "vllm/deployment", "vllm/connection"):
        assert stays(waiting, name), f"{name} is carried on: the old weights are served"
    assert waiting.status["placement"]["weights"] == "543937"
    assert waiting.status["endpoint"] == first().status["endpoint"]
    download = next(name for name, manifest in resources.items() if "/download-" in name and manifest)
    pod = _pod(resources[download])
    assert "nvidia.com/gpu" not in pod["containers"][0]["resources"]["requests"], "the serving pod has them"
    assert "podAffinity" in pod["affinity"]
    observed = {**live(first()), download: {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}}
    _, arrived = again(new, status=dict(waiting.status), observed=observed)
    assert set(arrived.gone) == {VOLUME, DOWNLOAD}
    deployment = manifests(arrived)["vllm/deployment"]["spec"]["forProvider"]["manifest"]
    assert (
        "--served-model-name=Qwen/Qwen3-4B" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"engine": {"image": "mirror/vllm:v1"}}, id="image"),
        pytest.param({"source": {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}}, id="token"),
    ],
)
def test_a_job_never_changes(change: dict[str, Any]) -> None:
    """The API server refuses a change of a Job's pods."""
    _, outcome = again({**SPEC, **change})
    assert stays(outcome, DOWNLOAD), "done: carried on"
    names = manifests(compose(request({**SPEC, **change}, EU)))
    assert DOWNLOAD not in names, "not done: another Job, by another name"
    assert any(name.startswith("vllm/download-543937-") for name in names)


@pytest.mark.parametrize("image", [None, "mirror/vllm:v1"])
def test_a_download_that_is_served_stays(image: str | None) -> None:
    """Its Object is not Ready for a moment, as when the cluster cannot be reached."""
    observed = live(first())
    observed[DOWNLOAD]["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    _, outcome = again({**SPEC, "engine": {"image": image} if image else {}}, observed=observed)
    assert [name for name in manifests(outcome) if "/download-" in name] == []
    assert stays(outcome, DOWNLOAD)


def test_a_download_under_way_goes_on() -> None:
    """It took the GPUs before the Deployment was there, which does not make it another one."""
    made = live(first())
    del made["vllm/deployment"]
    made[DOWNLOAD]["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    _, outcome = again(observed=made)
    assert manifests(outcome)[DOWNLOAD] == manifests(first())[DOWNLOAD]


def test_a_volume_keeps_its_class_and_access_mode() -> None:
    shared = cluster("eu", allowed=["*"], sharedStorage=True, storageClassName="nfs")
    _, outcome = again(SPEC, shared)
    assert manifests(outcome) == kept(first())


def test_replicas_need_a_volume_made_for_them() -> None:
    shared = cluster("eu", allowed=["*"], sharedStorage=True)
    _, outcome = again({**SPEC, "replicas": {"min": 2}}, shared)
    assert reason(outcome) == "VolumeNotShared"
    assert (list(outcome.resources), list(outcome.gone)) == ([], []), "no second pod that could never start"
    new = compose(request({**SPEC, "replicas": {"min": 2}}, shared))
    volume = manifests(new)["vllm/weights-543937"]["spec"]["forProvider"]["manifest"]
    assert volume["spec"]["accessModes"] == ["ReadWriteMany"]


def test_more_replicas_than_the_pool_holds() -> None:
    shared = cluster("eu", allowed=["*"], sharedStorage=True)
    made = compose(request(SPEC, shared))
    asked = request({**SPEC, "replicas": {"min": 5}}, shared, status=dict(made.status), observed=live(made))
    outcome = compose(asked)
    condition = outcome.conditions[0]
    assert isinstance(condition, Condition)
    assert (condition.reason, list(outcome.resources), list(outcome.gone)) == ("PoolTooSmall", [], [])
    assert condition.text == (
        "[model] 5 replicas of 1 L4 do not fit node pool l4, which holds 4: lower spec.replicas.min, or "
        "ask the owner of platform/eu for more nodes. Until then the Model runs as before"
    )


def test_a_volume_never_shrinks() -> None:
    """Not when the same model turns out smaller, and not after a change to a smaller model."""
    _, smaller = again({**SPEC, "architecture": HOUSE | {"parametersBillions": 1.0}})
    assert stays(smaller, VOLUME)
    _, waiting = again({"model": "Qwen/Qwen3-4B"})
    new = {n: m for n, m in manifests(waiting).items() if n.startswith("vllm/weights-") and m}
    _, later = again(
        {"model": "Qwen/Qwen3-4B"}, status=dict(waiting.status), observed={**live(first()), **new}
    )
    assert stays(later, next(iter(new)))


HOUSE = {
    "parametersBillions": 3.1,
    "layers": 36,
    "attentionHeads": 16,
    "kvHeads": 2,
    "headDim": 128,
    "maxContextLength": 32768,
}


def test_unknown_model() -> None:
    with pytest.raises(Invalid) as caught:
        compose(request({"model": "Qwen/Qwen3-8b"}, EU))
    assert str(caught.value).startswith(
        "spec.model: Qwen/Qwen3-8b is not in the catalog, so its size is not known. Did you mean Qwen/Qwen3-8B or"
    )
    assert "add spec.architecture with parametersBillions, layers, attentionHeads, kvHeads" in str(
        caught.value
    )


def test_architecture_from_the_platform() -> None:
    outcome = compose(request({"model": "acme/house"}, EU, given={"architectures": {"acme/house": HOUSE}}))
    assert reason(outcome) == "Placed"


def test_same_names_in_two_namespaces_never_meet() -> None:
    one, two = (compose(request(SPEC, EU, namespace=n)) for n in ("team-a", "team-b"))
    assert one.status["placement"]["namespace"] != two.status["placement"]["namespace"]
    assert one.status["endpoint"] != two.status["endpoint"]


def test_the_token_comes_from_the_claims_own_namespace() -> None:
    ref = {"tokenSecretRef": {"name": "hub", "namespace": "someone-else"}}
    outcome = compose(request({**SPEC, "source": {"huggingFace": ref}}, EU))
    token = manifests(outcome)["vllm/hub-token"]
    assert token["spec"]["references"] == [
        {
            "patchesFrom": {
                "apiVersion": "v1",
                "kind": "Secret",
                "name": "hub",
                "namespace": "team-a",
                "fieldPath": "data[token]",
            },
            "toFieldPath": "data.token",
        }
    ]
    pods = [
        _pod(manifests(outcome)[n]) for n in manifests(outcome) if n.startswith(("vllm/depl", "vllm/downl"))
    ]
    envs = [{e["name"] for e in pod["containers"][0]["env"]} for pod in pods]
    assert ["HF_TOKEN" in env for env in envs] == [True, False]


def _pod(manifest: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = manifest["spec"]["forProvider"]["manifest"]["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize(
    ("mode", "resource", "utilization"),
    [
        # 0.92 / 2: the engine sees the whole GPU.
        ("TimeSlicing", "nvidia.com/gpu", "0.46"),
        ("MPS", "nvidia.com/gpu", "0.46"),
        ("MIG", "nvidia.com/mig-1g.10gb", "0.92"),
    ],
)
def test_a_replica_takes_one_slice(mode: str, resource: str, utilization: str) -> None:
    slices = {"mode": mode, "resource": resource, "perGPU": 2, "memoryMiB": 11444}
    shared = cluster("eu", {**L4, "sharing": slices}, allowed=["*"])
    outcome = compose(request({"model": "meta-llama/Llama-3.2-1B-Instruct"}, shared))
    container = _pod(manifests(outcome)["vllm/deployment"])["containers"][0]
    assert f"--gpu-memory-utilization={utilization}" in container["args"]
    assert container["resources"]["requests"][resource] == container["resources"]["limits"][resource] == "1"
    pod = _pod(manifests(outcome)["vllm/deployment"])
    # With MPS the device plugin mounts its daemon's shared memory there.
    shared_memory = set() if mode == "MPS" else {"shm"}
    assert {v["name"] for v in pod["volumes"]} == {"models", "cache", "tmp"} | shared_memory
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    download = next(m for n, m in manifests(outcome).items() if n.startswith("vllm/download-"))
    assert _pod(download)["containers"][0]["resources"]["limits"][resource] == "1"
    assert condition_text(outcome) == "on platform/eu, node pool l4, 1 slice of L4 per replica"


def test_ranks_cache_requests_of_their_own() -> None:
    """DeepSeek-R1's latent would be on every GPU; experts are divided."""
    h200 = {**H100, "gpuModel": "H200-141GB", "gpuMemoryMiB": 143771}
    spec = {"model": "deepseek-ai/DeepSeek-R1", "contextLength": 163840}
    for concurrency, args in (
        (4, {"--tensor-parallel-size=8"}),
        (5, {"--tensor-parallel-size=1", "--data-parallel-size=8", "--enable-expert-parallel"}),
    ):
        outcome = compose(request({**spec, "concurrency": concurrency}, cluster("eu", h200, allowed=["*"])))
        container = _pod(manifests(outcome)["vllm/deployment"])["containers"][0]
        assert {arg for arg in container["args"] if "parallel" in arg} == args
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
    assert "weights (17.8 + 609.1 of experts / 8) x 1.02 = 95.8" in outcome.status["sizing"]["explanation"]


def test_a_shared_gpu_is_not_taken_whole() -> None:
    # vLLM takes the last of two equal arguments.
    slices = {"mode": "TimeSlicing", "resource": "nvidia.com/gpu", "perGPU": 2, "memoryMiB": 11444}
    spec = {
        "model": "meta-llama/Llama-3.2-1B-Instruct",
        "engine": {"args": ["--gpu-memory-utilization=0.95"]},
    }
    for pool, last in (({**L4, "sharing": slices}, "0.46"), (L4, "0.95")):
        outcome = compose(request(spec, cluster("eu", pool, allowed=["*"])))
        args = _pod(manifests(outcome)["vllm/deployment"])["containers"][0]["args"]
        assert [a for a in args if "utilization" in a][-1] == f"--gpu-memory-utilization={last}"


@pytest.mark.parametrize("what", ["vllm/deployment", DOWNLOAD])
def test_no_autoscaler_takes_the_node_of_a_pod_that_loads(what: str) -> None:
    template = manifests(first())[what]["spec"]["forProvider"]["manifest"]["spec"]["template"]
    assert template["metadata"]["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}


def condition_text(outcome: Outcome) -> str:
    condition = outcome.conditions[0]
    assert isinstance(condition, Condition)
    return condition.text


def test_the_pools_taints_are_tolerated() -> None:
    taint = {"key": "team", "value": "ml", "effect": "NoExecute"}
    outcome = compose(request(SPEC, cluster("eu", {**L4, "taints": [taint]}, allowed=["*"])))
    pods = [
        _pod(m) for n, m in manifests(outcome).items() if n.startswith(("vllm/deployment", "vllm/download-"))
    ]
    assert [pod["tolerations"] for pod in pods] == 2 * [
        [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "team", "operator": "Equal", "value": "ml", "effect": "NoExecute"},
        ]
    ]


def test_several_replicas_share_a_class_of_their_own() -> None:
    both = cluster("eu", allowed=["*"], storageClassName="zonal", sharedStorageClassName="efs")
    for replicas, class_, mode in ((1, "zonal", "ReadWriteOnce"), (2, "efs", "ReadWriteMany")):
        outcome = compose(request({**SPEC, "replicas": {"min": replicas}}, both))
        volume = manifests(outcome)[VOLUME]["spec"]["forProvider"]["manifest"]["spec"]
        assert (volume["storageClassName"], volume["accessModes"]) == (class_, [mode])


def test_what_others_take_moves_nothing() -> None:
    full = cluster("eu", {**L4, "gpusInUse": 4}, allowed=["*"])
    _, outcome = again(SPEC, full)
    assert manifests(outcome) == kept(first())
    assert reason(outcome) == "Placed"


@pytest.mark.parametrize("what", ["vllm/deployment", DOWNLOAD])
def test_pods_are_restricted(what: str) -> None:
    pod = _pod(manifests(first())[what])
    container = pod["containers"][0]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_the_drain_fits_in_the_grace_period() -> None:
    pod = _pod(manifests(first())["vllm/deployment"])
    container = pod["containers"][0]
    timeout = next(int(a.split("=")[1]) for a in container["args"] if a.startswith("--shutdown-timeout="))
    stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= stop + timeout + 15


@pytest.mark.parametrize(
    ("model", "minutes"),
    [("Qwen/Qwen3-8B", 30), ("meta-llama/Llama-3.3-70B-Instruct", 55), ("deepseek-ai/DeepSeek-R1", 180)],
)
def test_the_startup_budget_grows_with_the_weights(model: str, minutes: int) -> None:
    # 15 min + 18 s/GiB: 15.26 -> 19.6, so the least 30; 131.42 -> 54.4; 641.3 -> 207, so the most 180
    pool = {**H100, "gpusPerNode": 16}
    outcome = compose(request({"model": model}, cluster("eu", pool, allowed=["*"])))
    probe = _pod(manifests(outcome)["vllm/deployment"])["containers"][0]["startupProbe"]
    assert -(-probe["failureThreshold"] * probe["periodSeconds"] // 60) == minutes


WAY = {"metadata": {"name": "eu-kubernetes"}}
GOING = {"deletionTimestamp": "2026-11-24T00:00:00Z"}
CREATED = {"labels": {"freehold.dev/created-by-claim": "true"}}


@pytest.mark.parametrize(
    ("way", "left"),
    [
        pytest.param(None, False, id="not-answered-yet"),
        pytest.param((WAY,), False, id="still-there"),
        pytest.param(({"metadata": GOING},), False, id="going-and-somebody-else-s"),
        pytest.param(({"metadata": CREATED},), False, id="its-claim-s-and-there"),
        pytest.param(({"metadata": {**GOING, **CREATED}},), True, id="going-with-its-claim"),
        pytest.param((), True, id="gone"),
    ],
)
def test_nothing_hangs_on_a_cluster_that_died_first(
    way: tuple[dict[str, Any], ...] | None, left: bool
) -> None:
    # Proves: what can never be reached again is not asked for when the Model goes; all else is cleaned up.
    answers: dict[str, Any] = {"cluster": ()} if way is None else {"cluster": (), "way": way}
    asked, outcome = again(answers=answers)
    assert (reason(outcome), outcome.unreachable) == ("ClusterMissing", left)
    assert asked.requirements["way"] == Selector(
        "kubernetes.m.crossplane.io/v1alpha1",
        "ProviderConfig",
        name="eu-kubernetes",
        namespace="crossplane-system",
    )
    desired = assemble(asked, FUNCTION, outcome).manifests
    assert set(desired) == set(asked.observed)
    policies = {
        m["spec"].get("managementPolicies") and tuple(m["spec"]["managementPolicies"])
        for m in desired.values()
        if m["kind"] == "Object"
    }
    assert policies == ({("Observe", "Create", "Update")} if left else {None})


def test_a_cluster_that_offers_something_is_asked_for_nothing_more() -> None:
    asked, outcome = again()
    assert (list(asked.requirements), outcome.unreachable) == (["cluster"], False)
