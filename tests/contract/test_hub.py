"""The image of the small Hub: huggingface_hub downloads from it what vLLM serves."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.rootfs import command, unpacked
from tools.control_plane.waiting import patience
from tools.images.command import build
from tools.servers import free_port
from tools.vllm_cpu import environment, models

DOWNLOADS = """
import sys, huggingface_hub
for kind in sys.argv[2:]:
    huggingface_hub.snapshot_download(f"freehold/tiny-{kind}", local_dir=f"{sys.argv[1]}/{kind}", token="hf_x")
"""


def files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    # huggingface_hub keeps its notes there.
    return {str(name): path.read_bytes() for name, path in found.items() if name.parts[0] != ".cache"}


def test_the_models_of_the_image_are_downloaded(pods: None, tmp_path: Path) -> None:
    del pods
    built = build("hub")
    root = unpacked(built, tmp_path / "root")
    port = free_port()
    start = [*built.config["config"]["Entrypoint"], *built.config["config"]["Cmd"]]
    address = ["--address", f"127.0.0.1:{port}"]
    with subprocess.Popen(command(built, root, *start, *address), stdout=subprocess.PIPE) as hub:
        assert hub.stdout is not None, "a pipe"
        assert hub.stdout.readline().startswith(b"serving freehold/tiny-chat, freehold/tiny-sentence")
        words = [str(environment.python()), "-c", DOWNLOADS, str(tmp_path), *models.KINDS]
        variables = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HUB_DISABLE_TELEMETRY": "1"}
        done = subprocess.run(
            words, env=variables, capture_output=True, text=True, timeout=120 * patience(), check=False
        )
        hub.terminate()
    assert done.returncode == 0, done.stderr
    for kind in models.KINDS:
        assert files(tmp_path / kind) == files(models.provide() / kind) != {}
