"""Volumes of weights, and the downloads that fill them."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.catalog import image
from functions.vllm.compose import compose
from tests.vllm.world import (
    ARCHITECTURE,
    DOWNLOAD,
    EU,
    H100,
    L4,
    SPEC,
    VOLUME,
    again,
    cluster,
    first,
    kept,
    live,
    manifests,
    pod_of,
    reason,
    request,
    stays,
)


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


def test_new_weights_arrive_before_the_old_ones_go() -> None:
    new = {"model": "Qwen/Qwen3-4B"}
    _, waiting = again(new)
    resources = manifests(waiting)
    for name in (VOLUME, DOWNLOAD, "vllm/deployment", "vllm/connection"):
        assert stays(waiting, name), f"{name} is carried on: the old weights are served"
    assert waiting.status["placement"]["weights"] == "543937"
    assert waiting.status["endpoint"] == first().status["endpoint"]
    download = next(name for name, manifest in resources.items() if "/download-" in name and manifest)
    assert "podAffinity" in pod_of(resources[download])["affinity"], "where the serving pod is"
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
        pytest.param({"engine": {"args": ["--load-format=mistral"]}}, id="files"),
        pytest.param({"source": {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}}, id="token"),
    ],
)
def test_a_job_never_changes(change: dict[str, Any]) -> None:
    """The API server refuses a change of a Job's pods."""
    _, outcome = again({**SPEC, **change})
    assert stays(outcome, DOWNLOAD), "done: carried on"
    names = manifests(compose(request({**SPEC, **change}, EU)))
    assert DOWNLOAD not in names, "not done: another Job, by another name"
    assert any(name.startswith("vllm/download-") for name in names)


@pytest.mark.parametrize("image", [None, "mirror/vllm:v1"])
def test_a_download_that_is_served_stays(image: str | None) -> None:
    """Its Object is not Ready for a moment, as when the cluster cannot be reached."""
    observed = live(first())
    observed[DOWNLOAD]["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    _, outcome = again({**SPEC, "engine": {"image": image} if image else {}}, observed=observed)
    assert [name for name in manifests(outcome) if "/download-" in name] == []
    assert stays(outcome, DOWNLOAD)


def test_a_download_under_way_goes_on() -> None:
    """It kept away from serving pods before its Model had any, which does not make it another one."""
    made = live(first())
    del made["vllm/deployment"]
    made[DOWNLOAD]["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    _, outcome = again(observed=made)
    assert manifests(outcome)[DOWNLOAD] == manifests(first())[DOWNLOAD]


def test_a_volume_keeps_its_class_and_access_mode() -> None:
    shared = cluster("eu", allowed=["*"], sharedStorage=True, storageClassName="nfs")
    _, outcome = again(SPEC, shared)
    assert manifests(outcome) == kept(first())


def test_a_volume_never_shrinks() -> None:
    """Not when the same model turns out smaller, and not after a change to a smaller model."""
    _, smaller = again(
        {**SPEC, "architecture": ARCHITECTURE | {"parametersBillions": 1.0, "weightsGiB": 1.9}}
    )
    assert stays(smaller, VOLUME)
    _, waiting = again({"model": "Qwen/Qwen3-4B"})
    new = {n: m for n, m in manifests(waiting).items() if n.startswith("vllm/weights-") and m}
    _, later = again(
        {"model": "Qwen/Qwen3-4B"}, status=dict(waiting.status), observed={**live(first()), **new}
    )
    assert stays(later, next(iter(new)))


def test_the_token_comes_from_the_claims_own_namespace() -> None:
    ref = {"tokenSecretRef": {"name": "hub", "namespace": "someone-else"}}
    outcome = compose(request({**SPEC, "source": {"huggingFace": ref}}, EU))
    delivery = manifests(outcome)["vllm/hub-token-delivery"]
    assert delivery["spec"]["source"] == {"namespace": "team-a", "name": "hub", "key": "token"}
    pods = [
        pod_of(manifests(outcome)[n]) for n in manifests(outcome) if n.startswith(("vllm/depl", "vllm/downl"))
    ]
    envs = [{e["name"] for e in pod["containers"][0]["env"]} for pod in pods]
    assert ["HF_TOKEN" in env for env in envs] == [True, False]


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({"model": "mistralai/Mistral-Small-3.2-24B-Instruct-2506"}, True),
        (
            {
                "model": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
                "engine": {"args": ["--load-format=hf"]},
            },
            False,
        ),
        ({**SPEC, "engine": {"args": ["--load_format", "mistral"]}}, True),
        (SPEC, False),
    ],
)
def test_the_files_are_those_that_the_engine_loads(spec: dict[str, Any], taken: bool) -> None:
    """V8: the vendor's own flags were given, and the files that they load were excluded."""
    outcome = compose(request(spec, cluster("eu", H100, allowed=["*"])))
    download = next(m for n, m in manifests(outcome).items() if n.startswith("vllm/download-"))
    command = pod_of(download)["containers"][0]["command"]
    assert ("--consolidated" in command) == taken


@pytest.mark.parametrize(
    ("given", "env", "port"),
    [
        ({"proxy": "http://proxy.corp:3128"}, {"HTTPS_PROXY": "http://proxy.corp:3128"}, 3128),
        ({"caBundle": "-----BEGIN CERTIFICATE-----"}, {"CA_BUNDLE": "-----BEGIN CERTIFICATE-----"}, 443),
        ({"env": [{"name": "HF_HUB_DISABLE_XET", "value": "1"}]}, {"HF_HUB_DISABLE_XET": "1"}, 443),
    ],
)
def test_what_a_platform_sets_of_downloads(given: dict[str, Any], env: dict[str, str], port: int) -> None:
    made = manifests(compose(request(SPEC, EU, given={"weights": given})))
    download = next(m for n, m in made.items() if n.startswith("vllm/download-"))
    set_ = {e["name"]: e.get("value") for e in pod_of(download)["containers"][0]["env"]}
    assert env.items() <= set_.items()
    policy = made["vllm/network-policy-download"]["spec"]["forProvider"]["manifest"]["spec"]
    assert {"protocol": "TCP", "port": port} in policy["egress"][0]["ports"]
    asked = [
        made[n]["spec"]["forProvider"]["manifest"]["metadata"] for n in made if n.startswith("vllm/download-")
    ]
    assert asked[0]["name"] != DOWNLOAD.removeprefix("vllm/"), "a download under way begins again with it"


def test_a_platform_names_the_image_and_the_user() -> None:
    given = {"weights": {"image": "mirror/downloader:v1", "user": 5000}}
    made = manifests(compose(request({**SPEC, "engine": {"image": "mirror/vllm:v0.20.0"}}, EU, given=given)))
    download = next(m for n, m in made.items() if n.startswith("vllm/download-"))
    assert pod_of(download)["containers"][0]["image"] == "mirror/downloader:v1"
    for manifest in (download, made["vllm/deployment"]):
        context = pod_of(manifest)["securityContext"]
        assert {context["runAsUser"], context["runAsGroup"], context["fsGroup"]} == {5000}


def test_an_engine_of_ones_own_downloads_nothing() -> None:
    """V8: an old image has an old library, which took one pattern of several."""
    made = manifests(compose(request({**SPEC, "engine": {"image": "mirror/vllm:v0.20.0"}}, EU)))
    download = next(m for n, m in made.items() if n.startswith("vllm/download-"))
    assert pod_of(download)["containers"][0]["image"] == image("vllm")


def test_memory_is_bounded() -> None:
    """V24: hf_xet takes up to 8 GB by default, and the pod was killed at 4."""
    download = manifests(first())[DOWNLOAD]
    [container] = pod_of(download)["containers"]
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert env["HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_LIMIT"] == "1gb"
    assert container["resources"]["limits"]["memory"] == "4Gi"


@pytest.mark.parametrize(
    ("zones", "replicas", "class_", "mode"),
    [
        (["euc1-az1"], 1, "zonal", "ReadWriteOnce"),
        (["euc1-az1"], 2, "efs", "ReadWriteMany"),
        (["euc1-az1", "euc1-az2"], 1, "efs", "ReadWriteMany"),
        # Those that have the machine, of which there may be several.
        (None, 1, "efs", "ReadWriteMany"),
    ],
)
def test_what_one_zone_cannot_serve_is_on_shared_storage(
    zones: list[str] | None, replicas: int, class_: str, mode: str
) -> None:
    """B8: a pod could not come back where the pool's next node was in another zone than the volume."""
    pool = {**L4, "zones": zones} if zones else L4
    both = cluster("eu", pool, allowed=["*"], storageClassName="zonal", sharedStorageClassName="efs")
    outcome = compose(request({**SPEC, "replicas": {"min": replicas}}, both))
    volume = manifests(outcome)[VOLUME]["spec"]["forProvider"]["manifest"]["spec"]
    assert (volume["storageClassName"], volume["accessModes"]) == (class_, [mode])


def test_a_download_sees_no_gpu() -> None:
    """It requests none, so it holds none, and none is held where it fails.

    C7: on nodes whose default runtime is NVIDIA's the image's own variable would give it all of them.
    """
    _, later = again({"model": "Qwen/Qwen3-4B"})
    for outcome in (first(), later):
        found = [m for n, m in manifests(outcome).items() if n.startswith("vllm/download-") and m]
        assert found
        for download in found:
            [container] = pod_of(download)["containers"]
            env = {e["name"]: e.get("value") for e in container["env"]}
            assert env["NVIDIA_VISIBLE_DEVICES"] == "void"
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert set(container["resources"]["limits"]) == {"memory"}
