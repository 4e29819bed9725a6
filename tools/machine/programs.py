"""Programs of the distribution that a node runs: those installed, else Debian's packages unpacked in .tools.

Nothing is installed on this machine: the unpacked files lie over /usr inside the machine alone.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.console import say
from tools.errors import ToolError, last_lines
from tools.paths import MADE

PROGRAMS = {
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "iptables-restore": "iptables",
    "ipset": "ipset",
}
"""By the program, its package in Debian and Ubuntu."""
_ROOT = MADE / "debian"
_MERGED = ("bin", "sbin", "lib", "lib64")
_NAMES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
"""What Debian's alternatives link to the variant for nftables when iptables is installed."""


def provide() -> Path | None:
    """Return the folder whose `usr` has the programs that are not installed; None when all are.

    Raises:
        ToolError: when some are missing and cannot be downloaded.
    """
    lost = sorted({package for program, package in PROGRAMS.items() if _which(program) is None})
    if not lost:
        return None
    # Never changed once it is there: it may lie over the /usr of a running machine.
    root = _ROOT / hashlib.sha256(" ".join(lost).encode()).hexdigest()[:10]
    if not root.is_dir():
        _unpack(lost, root)
    return root


def _which(program: str) -> str | None:
    return shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


def _unpack(packages: list[str], target: Path) -> None:
    """Download packages with what they need that is not installed, and unpack them."""
    names = ", ".join(packages)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ToolError(f"not installed, and there is no apt-get to download with: {names}. Install them")
    say(f"{names}: not installed; unpacking Debian's packages in {target}, where nothing else sees them")
    MADE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MADE, prefix="debian-") as made:
        downloads, root = Path(made, "downloads"), Path(made, "root")
        downloads.mkdir()
        index = Path(made, "index")
        try:
            needed = _needed(packages, [])
            _apt(["download", *needed], downloads, [])
        except ToolError:
            # No index of packages on this machine, or an old one: one of its own.
            options = _own_index(index)
            _apt(["update"], downloads, options)
            needed = _needed(packages, options)
            _apt(["download", *needed], downloads, options)
        for file in sorted(downloads.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(file), str(root)], downloads)
        _merge(root)
        target.parent.mkdir(exist_ok=True)
        # Unless another process was as fast.
        if not target.exists():
            root.rename(target)


def _own_index(folder: Path) -> list[str]:
    (folder / "lists" / "partial").mkdir(parents=True)
    return ["-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder}"]


def _needed(packages: list[str], options: list[str]) -> list[str]:
    """Return packages, and those they depend on, that are not installed: NAME=VERSION each."""
    said = _apt(["install", "--simulate", "--no-install-recommends", *packages], Path("/"), options)
    lines = (line.split() for line in said.splitlines() if line.startswith("Inst "))
    # Inst NAME (VERSION ..., or Inst NAME [INSTALLED] (VERSION ...
    found = [(words[1], next(word for word in words if word.startswith("("))[1:]) for words in lines]
    return [f"{name}={version}" for name, version in found]


def _apt(arguments: list[str], folder: Path, options: list[str]) -> str:
    return _run(["apt-get", "--quiet", *options, *arguments], folder)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"`{' '.join(command)}` failed:\n{last_lines(done.stdout + done.stderr)}")
    return done.stdout


def _merge(root: Path) -> None:
    """Move what packages have beside usr into usr, as Debian's own /bin, /sbin and /lib are links into it."""
    for name in _MERGED:
        beside = root / name
        if beside.is_dir() and not beside.is_symlink():
            shutil.copytree(beside, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(beside)
    sbin = root / "usr" / "sbin"
    for name in _NAMES:
        variant = name.replace("tables", "tables-nft", 1)
        if (sbin / variant).exists() and not (sbin / name).exists():
            (sbin / name).symlink_to(variant)
