"""The table of `freehold plan`, and that it says what the function says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from functions.base import Condition
from functions.vllm.compose import compose
from tests.vllm.world import H100, L4, T4, cluster, request
from tools import paths
from tools.admission import admit
from tools.cli import main
from tools.errors import Exit

EXAMPLES = paths.EXAMPLES
L4X4 = {**L4, "name": "l4x4", "gpusPerNode": 4, "priceUsdPerHour": 4.6016}


def model(spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "qwen", "namespace": "team-a"},
        "spec": spec,
        **more,
    }


def claim(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "InferenceCluster",
        "metadata": {"name": name, "namespace": "platform"},
        "spec": {
            "existing": {"kubeconfigSecretRef": {"name": "kubeconfig"}},
            "allowedNamespaces": ["*"],
            **spec,
        },
    }


def run(folder: Path, *manifests: dict[str, Any], options: tuple[str, ...] = ()) -> int:
    """Plan the first of the manifests on the others."""
    files = []
    for index, manifest in enumerate(manifests):
        files.append(folder / f"{index}.json")
        files[-1].write_text(json.dumps(manifest))
    return main(["plan", *map(str, files), *options])


def test_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Qwen3-8B: needs 15.41 + 2.25 = 17.7 GiB; see docs/sizing.md."""
    closed = cluster("closed", L4, allowed=["research"])
    code = run(
        tmp_path,
        model({"model": "Qwen/Qwen3-8B"}),
        cluster("eu", H100, T4, L4X4, L4, allowed=["*"]),
        cluster("us", L4, allowed=["*"]),
        closed,
    )
    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "   CLUSTER          POOL  REPLICA      NEEDS  HAS   FREE      USD/H  WHY",
        "   platform/closed  l4    1 L4         17.7   18.3  4 of 4    0.80   its spec.allowedNamespaces does not admit team-a",
        "   platform/eu      h100  1 H100-80GB  17.7   69.0  16 of 16  6.88   fits, for 6.88 USD/h instead of 0.80",
        "   platform/eu      t4    1 T4         17.7   11.4  4 of 4    -      the Model needs 17.7 GiB on 1 GPU (weights "
        "15.4, KV cache 2.2), and 11.4 GiB are usable; 2 nodes with 1 GPU each would hold it, but its cluster has no "
        "shared storage for the weights",
        "   platform/eu      l4x4  1 L4         17.7   18.3  16 of 16  1.15   fits, for 1.15 USD/h instead of 0.80",
        "*  platform/eu      l4    1 L4         17.7   18.3  4 of 4    0.80   the lowest price, then the fewest GPUs",
        "   platform/us      l4    1 L4         17.7   18.3  4 of 4    0.80   fits as well, and its name comes later in the alphabet",
        "NEEDS and HAS: GiB on each GPU or slice, for weights and cache. FREE: GPUs or slices of the pool at its largest that no Model takes. USD/H: listed price of what a replica takes.",
        "Sizing: 1 L4 per replica. Usable on each GPU: 22.0 GiB x 0.92 - 2.0 overhead = 18.3 GiB. Needed on each GPU: "
        "weights 15.3, x 1.01 = 15.4, KV cache of 1 x 16384 tokens = 2.2, together 17.7 GiB",
        "Placed=True Placed: on platform/eu, node pool l4, 1 L4 per replica",
    ]


def test_slices_and_what_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Llama 1B: 2.33 + 0.5 = 2.8 GiB; half of 22.03 x 0.92 less 1.9 GiB: 8.3 usable."""
    slices = {"mode": "TimeSlicing", "resource": "nvidia.com/gpu", "perGPU": 2, "memoryMiB": 11444}
    half = {**L4, "name": "half", "sharing": slices, "gpusInUse": 5}
    small = model({"model": "meta-llama/Llama-3.2-1B-Instruct"})
    assert run(tmp_path, small, cluster("eu", half, {**L4, "gpusInUse": 4}, allowed=["*"])) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "*  platform/eu  half  1 slice of L4  2.8    8.3  3 of 8  0.40   the lowest price, then the fewest GPUs",
        "   platform/eu  l4    L4             -      -    0 of 4  -      4 of its 4 GPUs are in use",
    ]


def test_several_nodes_and_a_move(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mixtral on four L4 a node: 22.0 + 0.5 > 16.4, and half of that on each of two nodes."""
    large = {"model": "mistralai/Mixtral-8x7B-Instruct-v0.1"}
    several = cluster(
        "eu",
        {**L4X4, "nodes": {"min": 0, "max": 2}},
        allowed=["*"],
        sharedStorage=True,
        components=["leader-worker-set"],
    )
    assert run(tmp_path, model(large), several) == 0
    row = "*  platform/eu  l4x4  8 L4 on 2 nodes  11.2   16.4  8 of 8  9.20   the lowest price, then the fewest GPUs"
    assert capsys.readouterr().out.splitlines()[1] == row
    here, there = cluster("eu", L4, allowed=["*"]), cluster("us", H100, allowed=["*"])
    status = compose(request({"model": "Qwen/Qwen3-8B"}, here)).status
    changed = {"model": "Qwen/Qwen3-8B", "gpu": {"model": "H100-80GB"}}
    assert run(tmp_path, model(changed, status=status), here, there) == Exit.TO_DO
    assert "The Model can move to platform/us, node pool h100" in capsys.readouterr().out


def test_claims_are_planned_from_their_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Memory and price are the catalog's: no status was there to say them."""
    pools = [
        {"name": "a", "gpu": {"model": "L40S", "count": 2}},
        {"name": "b", "gpu": {"model": "L4", "count": 4}},
    ]
    code = run(
        tmp_path,
        model({"model": "Qwen/Qwen3-32B-AWQ", "contextLength": 32768}),
        claim("eu", nodePools=pools),
        options=("--json",),
    )
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    assert [(p["pool"], p["gpus"], p["chosen"], p["why"]) for p in found["pools"]] == [
        ("a", 1, True, "the lowest price, then the fewest GPUs"),
        ("b", 2, False, "fits, on 2 GPUs instead of 1"),
    ]
    # The driver's 46068 MiB and 23034 MiB: x 0.92 / 1024 - 2.5, or 3.0 on two GPUs.
    assert [p["usableGiBPerGPU"] for p in found["pools"]] == [38.87, 16.93]
    assert found["condition"]["message"] == "on platform/eu, node pool a, 1 L40S per replica"


WORDS = [
    ({"model": "Qwen/Qwen3-8B"}, [cluster("eu", allowed=["*"])]),
    ({"model": "Qwen/Qwen3-8B"}, []),
    ({"model": "Qwen/Qwen3-8B"}, [cluster("eu", allowed=["*"], ready=False)]),
    ({"model": "Qwen/Qwen3-8B"}, [cluster("eu", allowed=["*"], namespace="evil")]),
    ({"model": "Qwen/Qwen3-8B", "cluster": {"name": "us"}}, [cluster("eu", allowed=["*"])]),
    ({"model": "Qwen/Qwen3-8B", "contextLength": 40960, "concurrency": 2}, [cluster("eu", allowed=["*"])]),
    ({"model": "meta-llama/Llama-3.3-70B-Instruct"}, [cluster("eu", L4, T4, allowed=["*"])]),
]


@pytest.mark.parametrize(("spec", "clusters"), WORDS)
def test_the_words_are_the_functions(
    spec: dict[str, Any], clusters: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = compose(request(spec, *clusters)).conditions[0]
    assert isinstance(said, Condition)
    code = run(tmp_path, model(spec), *clusters)
    assert (
        capsys.readouterr().out.splitlines()[-1] == f"Placed={said.status.value} {said.reason}: {said.text}"
    )
    assert code == (Exit.DONE if said.status.value == "True" else Exit.TO_DO)


def test_a_cluster_by_its_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Crossplane answers a selector; a file has nobody to ask."""
    gold, other = cluster("eu", allowed=["*"]), cluster("us", allowed=["*"])
    gold["metadata"]["labels"] = {"tier": "gold"}
    spec = {"model": "Qwen/Qwen3-8B", "cluster": {"matchLabels": {"tier": "gold"}}}
    assert run(tmp_path, model(spec), other, gold) == 0
    out = capsys.readouterr().out
    assert "platform/us  l4    1 L4     17.7   18.3  4 of 4  0.80   spec.cluster names another cluster" in out
    assert out.endswith("on platform/eu, node pool l4, 1 L4 per replica\n")


def test_a_placed_model_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, cheaper = cluster("eu", H100, L4, allowed=["*"]), cluster("us", L4, allowed=["*"])
    spec = {"model": "Qwen/Qwen3-8B"}
    asked = {"gpu": {"model": "H100-80GB"}}
    status = compose(request({**spec, **asked}, here)).status
    assert run(tmp_path, model(spec, status=status), here, cheaper) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("*  platform/eu  h100")
    assert lines[1].endswith("the Model is placed here")
    assert lines[2].endswith("the Model stays on pool h100")
    assert lines[3].endswith("the Model stays on platform/eu")


def test_a_model_that_the_catalog_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, model({"model": "acme/house"}), cluster("eu", allowed=["*"])) == Exit.TO_DO
    assert " ".join(capsys.readouterr().out.split()) == (
        "Placed=False ReadingModel: [infrastructure] the catalog does not have acme/house, so a pod in InferenceCluster "
        "platform/eu reads the model's files; `freehold inspect` does the same by hand"
    )


def test_an_invalid_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(tmp_path, model({"model": "Qwen/Qwen3-8B", "contextLength": 50000}), cluster("eu"))
        == Exit.REFUSED
    )
    assert capsys.readouterr().err == (
        "spec.contextLength: 50000 tokens exceed the longest context of Qwen/Qwen3-8B. Set at most 40960.\n"
    )


def test_an_invalid_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = claim("eu", nodePools=[{"name": "a", "gpu": {"model": "H1000"}}])
    assert run(tmp_path, model({"model": "Qwen/Qwen3-8B"}), bad) == Exit.REFUSED
    said = capsys.readouterr().err
    assert said.startswith("InferenceCluster platform/eu: spec.nodePools[0].gpu: H1000 is not an NVIDIA GPU")


_POOL = {"name": "a", "gpu": {"model": "L4", "cuont": 2}}
MISSPELLED = [
    (
        [model({"model": "Qwen/Qwen3-8B", "contxtLength": 4096, "gpu": {"size": 2, "count": 1}})],
        [
            "Model team-a/qwen: spec.contxtLength: unknown field",
            "Model team-a/qwen: spec.gpu.size: unknown field",
        ],
    ),
    (
        [model({"model": "Qwen/Qwen3-8B", "engine": {"env": [{"name": "A", "val": "1"}]}}, speck={})],
        [
            "Model team-a/qwen: spec.engine.env[0].val: unknown field",
            "Model team-a/qwen: speck: unknown field",
        ],
    ),
    (
        [model({"model": "Qwen/Qwen3-8B"}), claim("eu", nodePools=[_POOL], claimRef={})],
        [
            "InferenceCluster platform/eu: spec.claimRef: unknown field",
            "InferenceCluster platform/eu: spec.nodePools[0].gpu.cuont: unknown field",
        ],
    ),
]


@pytest.mark.parametrize(("manifests", "problems"), MISSPELLED)
def test_unknown_fields_are_refused_as_an_api_server_does(
    manifests: list[dict[str, Any]], problems: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, *manifests) == Exit.FAILED
    said = capsys.readouterr()
    assert said.err.splitlines() == ["an API server would refuse this:", *problems]
    assert said.out == ""
    assert [str(p) for p in admit(manifests) if p.message == "unknown field"] == problems


def test_fields_of_crossplane_and_free_ones_are_known(tmp_path: Path) -> None:
    """A live claim as kubectl prints it: a status of another version says more than this one knows."""
    manifest = model(
        {
            "model": "Qwen/Qwen3-8B",
            "cluster": {"matchLabels": {"tier": "gold"}},
            "compositeDeletePolicy": "Foreground",
            "compositionUpdatePolicy": "Automatic",
            "resourceRef": {"apiVersion": "freehold.dev/v1alpha1", "kind": "XModel", "name": "qwen-x"},
        },
        status={"fromTheFuture": 1},
    )
    assert run(tmp_path, manifest) == Exit.TO_DO


@pytest.mark.parametrize(
    ("manifests", "message"),
    [
        (
            [model({}) | {"apiVersion": "freehold.dev/v9"}],
            "an API server would refuse this:\nModel team-a/qwen: apiVersion: freehold.dev/v9 is not served",
        ),
        ([claim("eu", nodePools=[])], "InferenceCluster platform/eu is not a Model"),
        ([model({}), model({})], "Model team-a/qwen is not an InferenceCluster"),
        ([{**model({}), "metadata": {}}], "Model (no name): metadata.name is missing"),
        ([{"kind": "Pod"}], "None Pod is no claim or XR"),
    ],
)
def test_wrong_files(
    manifests: list[dict[str, Any]], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, *manifests) == Exit.FAILED
    assert capsys.readouterr().err.startswith(message)


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(tmp_path / "none.yaml")]) == Exit.USAGE
    # In a box, whose lines break wherever the path is long.
    assert "does not exist" in " ".join(capsys.readouterr().err.replace("\u2502", " ").split())


def test_as_a_module() -> None:
    files = [str(EXAMPLES / "models" / "minimal.yaml"), str(EXAMPLES / "aws")]
    command = [sys.executable, "-m", "tools", "plan", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=paths.ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Placed=True Placed: on platform/eu-prod, node pool l4, 1 L4 per replica\n")
