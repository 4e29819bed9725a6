"""A stand-in library satisfies the loader: a real program that links a missing library runs with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.vllm_cpu import stubs

TORCH = """
extern int cudnnCreate(void);
extern int ncclInit(void);
int ask(void) { return cudnnCreate() + ncclInit(); }
"""


def _library(folder: Path, name: str, source: str, *options: str) -> Path:
    """Compile a shared library."""
    code, made = folder / f"{name}.c", folder / name
    code.write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", made, code, *options], check=True)
    code.unlink()
    return made


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """PyTorch with one library that links two of NVIDIA's, which are then gone."""
    folder, elsewhere = tmp_path / "torch" / "lib", tmp_path / "elsewhere"
    folder.mkdir(parents=True)
    elsewhere.mkdir()
    versions = elsewhere / "versions"
    versions.write_text("libcudnn.so.9 { global: cudnnCreate; };")
    versioned = f"-Wl,--version-script={versions}"
    cudnn = _library(elsewhere, "libcudnn.so.9", "int cudnnCreate(void) { return 1; }", versioned)
    nccl = _library(elsewhere, "libnccl.so.2", "int ncclInit(void) { return 2; }")
    _library(folder, "libtorch_cuda.so", TORCH, str(cudnn), str(nccl), "-Wl,-rpath,$ORIGIN")
    return tmp_path


def test_a_stand_in_takes_the_place_of_each_missing_library(site_packages: Path) -> None:
    assert stubs.write_stubs(site_packages) == ["libcudnn.so.9", "libnccl.so.2"]
    library = site_packages / "torch" / "lib" / "libtorch_cuda.so"
    ask = f"import ctypes; print(ctypes.CDLL({str(library)!r}).ask())"
    done = subprocess.run(["python3", "-c", ask], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("200", ""), "each says that there is no device"


def test_nothing_else_is_left(site_packages: Path) -> None:
    stubs.write_stubs(site_packages)
    names = sorted(path.name for path in (site_packages / "torch" / "lib").iterdir())
    assert names == ["libcudnn.so.9", "libnccl.so.2", "libtorch_cuda.so"]


def test_a_library_that_a_wheel_brought_stays(site_packages: Path) -> None:
    brought = site_packages / "nvidia" / "nccl" / "lib" / "libnccl.so.2"
    brought.parent.mkdir(parents=True)
    brought.write_bytes((site_packages / "elsewhere" / "libnccl.so.2").read_bytes())
    assert stubs.write_stubs(site_packages) == ["libcudnn.so.9"]


def test_a_machine_without_a_compiler_is_told(site_packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="apt-get install gcc binutils"):
        stubs.write_stubs(site_packages)
