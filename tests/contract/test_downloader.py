"""The download as it is rendered, against a small Hub: what it fetches, goes on with, and says when it fails."""

from __future__ import annotations

import atexit
import contextlib
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from functions.api import ModelSpec
from functions.vllm.compose import compose
from functions.vllm.source import source_of
from tests.contract.pod import Pod, run, wait_for
from tests.contract.rendered import Container, containers_in
from tests.vllm.world import ARCHITECTURE, EU, request
from tools.control_plane.certificates import Authority
from tools.control_plane.waiting import patience
from tools.hub.server import COMMIT, Hub

HOST, PORT = "hub.test", 8080
MODEL = "acme/tiny"
TOKEN = "hf_known_and_admitted"
MIB = 2**20
SHARDS = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
INDEX = "model.safetensors.index.json"
END_SECONDS = 120 * patience()
"""For a download of some MiB, on a machine with other work."""


def weights(size: int) -> bytes:
    """Return a file of safetensors with one tensor of some bytes."""
    tensors = {"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


NEEDED = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    INDEX: json.dumps({"weight_map": {f"layer.{i}": name for i, name in enumerate(SHARDS)}}).encode(),
    **{shard: weights(4 * MIB) for shard in SHARDS},
}
NOT_NEEDED = {
    "README.md": b"# Tiny",
    "pytorch_model.bin": bytes(MIB),
    "original/consolidated.00.pth": bytes(MIB),
    "original/model.safetensors": weights(MIB),
    "consolidated.safetensors": weights(MIB),
    "model.gguf": bytes(MIB),
}


@dataclass(frozen=True)
class Ended:
    """How a download ended."""

    code: int
    told: Mapping[str, Any]
    """The termination message."""
    log: str


@dataclass
class Downloads:
    """Runs downloads of one Model into one volume."""

    folder: Path
    hub: Hub
    spec: dict[str, Any]
    image: Path
    trusts: bool = True
    """Whether the platform's input has the authority of the Hub, as it is for a company's mirror."""
    runs: int = 0

    @property
    def volume(self) -> Path:
        """The folder that the pod mounts as the weights' volume."""
        return self.folder / "volume"

    @property
    def files(self) -> dict[str, bytes]:
        """What is in the volume for an engine: no folder or file with a leading dot."""
        found = (path for path in self.volume.rglob("*") if path.is_file())
        names = {path.relative_to(self.volume).as_posix(): path for path in found}
        return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".")}

    @property
    def leftovers(self) -> list[Path]:
        """Files of downloads that did not end."""
        return list(self.volume.rglob("*.incomplete"))

    def fetched(self, name: str) -> int:
        """Return how often a file was asked for."""
        return sum(a.method == "GET" and a.path.endswith(f"/{name}") for a in self.hub.asked)

    @contextlib.contextmanager
    def running(self, token: str | None = None) -> Iterator[Pod]:
        """Start the Job's container; the Hub listens in its network."""
        self.volume.mkdir(exist_ok=True)
        self.runs += 1
        with contextlib.ExitStack() as stack:

            def serve(pod: Pod) -> None:
                stack.enter_context(self.hub.listening(pod.socket, PORT, _certificates()))

            secrets = {} if token is None else {"HF_TOKEN": token}
            yield stack.enter_context(
                run(
                    _container(self.spec, self.trusts),
                    self.folder / f"run-{self.runs}",
                    {"models": self.volume},
                    image=self.image,
                    hosts=[HOST],
                    secrets=secrets,
                    before=serve,
                )
            )

    def run(self, token: str | None = None) -> Ended:
        """Run the Job's container to its end."""
        with self.running(token) as pod:
            return ended(pod)


def ended(pod: Pod) -> Ended:
    """Wait for the end of a download."""
    try:
        code = pod.end(END_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"the download has not ended:\n{pod.said()}") from error
    said = pod.termination_log.read_text()
    return Ended(code, json.loads(said) if said else {}, pod.said())


@cache
def _certificates() -> Path:
    """Return the folder of the Hub's certificates, by an authority of its own."""
    folder = Path(tempfile.mkdtemp(prefix="freehold-hub-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Authority(folder).serve("hub", HOST)


def _composed(spec: dict[str, Any], kind: str, *, trusts: bool = True) -> dict[str, Any]:
    """Return the manifest of a kind that is composed for a Model, for the cluster it is on."""
    weights = {"endpoint": f"https://{HOST}:{PORT}"}
    authority = {"caBundle": (_certificates() / "ca.crt").read_text()} if trusts else {}
    given = {"weights": {**weights, **authority}}
    outcome = compose(request(spec, EU, given=given))
    objects = (r.manifest for r in outcome.resources if r.manifest and r.manifest["kind"] == "Object")
    manifests = (each["spec"]["forProvider"]["manifest"] for each in objects)
    return next(dict(manifest) for manifest in manifests if manifest["kind"] == kind)


def _container(spec: dict[str, Any], trusts: bool) -> Container:
    return next(c for c in containers_in(_composed(spec, "Job", trusts=trusts)) if c.name == "download")


@pytest.fixture
def downloads(pods: None, vllm_image: Path, tmp_path: Path) -> Downloads:
    """Downloads of a public model with two files of weights, in the image that Jobs name."""
    del pods
    hub = Hub(MODEL, {**NEEDED, **NOT_NEEDED})
    return Downloads(tmp_path, hub, {"model": MODEL, "architecture": ARCHITECTURE}, vllm_image)


@pytest.fixture
def gated(downloads: Downloads) -> Downloads:
    """Downloads of a gated model."""
    downloads.hub.token = TOKEN
    return downloads


@contextlib.contextmanager
def _volume_of(downloads: Downloads, size: int) -> Iterator[None]:
    """Give the downloads a volume of some bytes."""
    downloads.volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", downloads.volume], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", downloads.volume], check=True)


def test_what_is_needed_arrives_and_nothing_else(downloads: Downloads) -> None:
    done = downloads.run()
    assert done.code == 0, done.log
    assert downloads.files == NEEDED
    assert done.told["commit"] == COMMIT
    assert {a.token for a in downloads.hub.asked} == {""}


def test_serving_pods_wait_for_all_weights(downloads: Downloads) -> None:
    """V16: the volume of a Model that serves, deleted and created again empty, was served as complete."""
    check, _ = containers_in(_composed(downloads.spec, "Deployment"), "initContainers")

    def ends(run_name: str) -> Ended:
        with run(
            check, downloads.folder / run_name, {"models": downloads.volume}, image=downloads.image
        ) as pod:
            pod.end(END_SECONDS)
            return Ended(pod.process.returncode, {}, pod.said() + pod.termination_log.read_text())

    downloads.volume.mkdir()
    before = ends("before")
    assert (before.code, "not downloaded" in before.log) == (1, True), before.log
    assert downloads.run().code == 0
    after = ends("after")
    assert (after.code, after.log) == (0, "")


def test_consolidated_weights_where_there_are_no_others(downloads: Downloads) -> None:
    """V8: a download that had excluded them succeeded, and there was nothing to load."""
    downloads.hub.files = {"params.json": b"{}", "consolidated.safetensors": weights(MIB), "README.md": b"#"}
    done = downloads.run()
    assert done.code == 0, done.log
    assert set(downloads.files) == {"params.json", "consolidated.safetensors"}


def test_a_killed_download_goes_on(downloads: Downloads) -> None:
    """V19: what a killed one leaves is removed, so that it fits a volume of little more than the files."""
    last = SHARDS[1]
    downloads.hub.stop_after = {last: 3 * MIB}
    with _volume_of(downloads, 10 * MIB):
        with downloads.running() as pod:
            assert downloads.hub.stopped.wait(END_SECONDS), pod.said()
            wait_for((downloads.volume / SHARDS[0]).is_file, 30, "the other file is there")
            pod.signal(signal.SIGKILL)
            pod.end(10)
        assert downloads.leftovers, "the killed download leaves a part of a file"
        downloads.hub.stop_after = {}
        # The branch moves on meanwhile: half of the weights would be of one commit, half of the other.
        downloads.hub.revisions = {"main": "e" * 40, "before": COMMIT}
        done = downloads.run()
        assert done.code == 0, done.log
        assert downloads.files == NEEDED
        assert not downloads.leftovers
    assert done.told["commit"] == COMMIT
    assert downloads.fetched(SHARDS[0]) == 1, "what had arrived is not downloaded again"


def test_a_download_that_is_told_to_end_does_so(downloads: Downloads) -> None:
    """The first process of a container has no default for SIGTERM: the kernel drops it."""
    downloads.hub.stop_after = {SHARDS[0]: MIB}
    with downloads.running() as pod:
        assert downloads.hub.stopped.wait(END_SECONDS), pod.said()
        pod.signal(signal.SIGTERM)
        assert pod.end(10) == 128 + signal.SIGTERM


def test_a_broken_connection_is_made_anew(downloads: Downloads) -> None:
    downloads.hub.cut_after = {SHARDS[0]: MIB}
    done = downloads.run()
    assert done.code == 0, done.log
    assert downloads.files == NEEDED


def test_a_complete_volume_needs_no_hub(downloads: Downloads) -> None:
    assert downloads.run().code == 0
    downloads.hub.busy = [503, -1]
    done = downloads.run()
    assert (done.code, done.told["commit"]) == (0, COMMIT), done.log


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_is_busy_for_a_moment(downloads: Downloads, status: int) -> None:
    downloads.hub.busy = [status]
    done = downloads.run()
    assert done.code == 0, done.log
    assert downloads.files == NEEDED


def test_a_token_goes_to_the_hub_alone(gated: Downloads) -> None:
    gated.spec["source"] = {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}
    done = gated.run(TOKEN)
    assert done.code == 0, done.log
    assert {a.token for a in gated.hub.asked} == {TOKEN}
    assert TOKEN not in done.log


def _fails_for_good(downloads: Downloads, done: Ended, reason: str) -> None:
    """Check that the Job ends at once, and that the function has words for the reason."""
    rules = _composed(downloads.spec, "Job")["spec"]["podFailurePolicy"]["rules"]
    codes = [code for rule in rules if rule["action"] == "FailJob" for code in rule["onExitCodes"]["values"]]
    assert done.code in codes, done.log
    causes = source_of(ModelSpec.model_validate(downloads.spec)).causes
    assert causes[done.code].reason == done.told["reason"] == reason
    assert done.told["message"]
    assert not [name for name in downloads.files if name.endswith(".safetensors")]


def test_gated_without_a_token(gated: Downloads) -> None:
    _fails_for_good(gated, gated.run(), "GatedModel")


def test_gated_for_an_account_without_access(gated: Downloads) -> None:
    _fails_for_good(gated, gated.run("hf_known_and_not_admitted"), "GatedModel")


def test_a_token_that_is_not_valid(gated: Downloads) -> None:
    _fails_for_good(gated, gated.run("hf_unknown"), "TokenRefused")


def test_a_certificate_of_an_authority_that_is_not_named(downloads: Downloads) -> None:
    downloads.trusts = False
    _fails_for_good(downloads, downloads.run(), "CertificateNotTrusted")


def test_a_revision_that_does_not_exist(downloads: Downloads) -> None:
    downloads.spec["revision"] = "v2"
    _fails_for_good(downloads, downloads.run(), "RevisionNotFound")


def test_a_model_that_does_not_exist(downloads: Downloads) -> None:
    downloads.hub.repository = "acme/other"
    _fails_for_good(downloads, downloads.run(), "RepositoryNotFound")


def test_a_repository_without_weights(downloads: Downloads) -> None:
    downloads.hub.files = {"config.json": b"{}", "model.gguf": bytes(MIB)}
    _fails_for_good(downloads, downloads.run(), "NoWeights")


def test_a_volume_that_is_too_small(downloads: Downloads) -> None:
    with _volume_of(downloads, 6 * MIB):
        done = downloads.run()
        _fails_for_good(downloads, done, "VolumeFull")


def test_a_volume_that_fills_up_meanwhile(downloads: Downloads) -> None:
    """Another file takes the room that was there when the download began."""
    downloads.hub.stop_after = dict.fromkeys(SHARDS, MIB)
    with _volume_of(downloads, 10 * MIB):
        with downloads.running() as pod:
            assert downloads.hub.stopped.wait(END_SECONDS), pod.said()
            (downloads.volume / "other").write_bytes(bytes(6 * MIB))
            downloads.hub.goes_on.set()
            done = ended(pod)
        (downloads.volume / "other").unlink()
        assert done.told["reason"] == "VolumeFull", done.log


def test_a_volume_that_the_user_may_not_write_to(downloads: Downloads) -> None:
    """A file system that ignores fsGroup."""
    with _volume_of(downloads, 10 * MIB):
        subprocess.run(["mount", "-o", "remount,ro", downloads.volume], check=True)
        done = downloads.run()
        assert done.told["reason"] == "VolumeNotWritable", done.log


def test_a_hub_that_stays_busy_is_told_within_a_minute_and_a_half(
    downloads: Downloads, tmp_path: Path
) -> None:
    other = Downloads(tmp_path / "other", Hub(MODEL, dict(NEEDED)), downloads.spec, downloads.image)
    other.folder.mkdir()
    downloads.hub.busy, other.hub.busy = [503, -1], [429, -1]
    began = time.monotonic()
    with downloads.running() as unreachable, other.running() as limited:
        _fails_for_good(downloads, ended(unreachable), "HubUnreachable")
        _fails_for_good(other, ended(limited), "RateLimited")
    assert time.monotonic() - began < 90
