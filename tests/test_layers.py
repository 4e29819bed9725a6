"""The layers: which package may import which, and what a server's image carries."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from functions.api import contract
from functions.main import FUNCTIONS, load

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(p.name for p in (ROOT / "functions").iterdir() if (p / "__init__.py").exists())

MAY_IMPORT = {
    "api": set[str](),
    "catalog": set[str](),
    "checkpoint": {"catalog"},
    "base": set[str](),
    "node_pools": {"api", "base", "catalog"},
    "cluster_stack": {"api", "base", "catalog"},
    "vllm": {"api", "base", "catalog", "checkpoint"},
}
"""For each package of `functions` the others that it stands on; it may always import itself."""

LATE = {"checkpoint"}
"""What no server imports before it is needed: few Models are read by their own files."""

WIRE = ("google", "grpc", "crossplane")
"""What only `base` knows."""


class Import(NamedTuple):
    where: str
    what: str


OURS = ("functions", "tools", "tests")
MODULE = re.compile(rf"(?:{'|'.join(OURS)})(?:\.\w+)+")


def imports_of(path: Path) -> Iterator[Import]:
    """Yield every import in a file, wherever it stands, as absolute module names."""
    return imports_in_text(path.read_text(), path.relative_to(ROOT))


def imports_in_text(text: str, path: Path) -> Iterator[Import]:
    """Yield the imports of Python source, those of modules named in a string too (importlib, runpy)."""
    package = path.parent.parts
    for node in ast.walk(ast.parse(text, path.name)):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in OURS or MODULE.fullmatch(node.value):
                yield Import(where, node.value)
        elif isinstance(node, ast.Import):
            yield from (Import(where, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (Import(where, f"{module}.{alias.name}") for alias in node.names)


def imports_in(package: str) -> list[Import]:
    paths = (ROOT / "functions" / package).rglob("*.py")
    return [found for path in sorted(paths) for found in imports_of(path)]


def test_every_package_has_its_floor() -> None:
    assert sorted(MAY_IMPORT) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_floors(package: str) -> None:
    allowed = {package, *MAY_IMPORT[package]}
    found = imports_in(package)
    assert found, "there is something to look at"
    ours = [i for i in found if i.what.partition(".")[0] == "functions"]
    above = [f"{i.where} imports {i.what}" for i in ours if i.what.split(".")[1] not in allowed]
    assert not above, f"{package} may import only {sorted(allowed)} of functions"


@pytest.mark.parametrize("package", [p for p in PACKAGES if p != "base"])
def test_protobuf_is_known_to_base_alone(package: str) -> None:
    found = [f"{i.where} imports {i.what}" for i in imports_in(package) if i.what.split(".")[0] in WIRE]
    assert not found


def of_tools(found: Iterable[Import]) -> list[str]:
    return [f"{i.where} imports {i.what}" for i in found if i.what.split(".")[0] in ("tools", "tests")]


def test_functions_know_no_agent() -> None:
    paths = sorted((ROOT / "functions").rglob("*.py"))
    found = {i for path in paths for i in imports_of(path) if i.what.split(".")[0] == "agent"}
    assert found == set()


def test_functions_stand_below_the_tools() -> None:
    paths = sorted((ROOT / "functions").rglob("*.py"))
    assert of_tools(found for path in paths for found in imports_of(path)) == []


@pytest.mark.parametrize(
    "text",
    [
        "import tools",
        "import tools.plan as plan",
        "from tools import plan",
        "from tools.plan import run",
        "def late():\n    from tools.plan import run",
        "import importlib; importlib.import_module('tools.plan')",
        "__import__('tools')",
        "import runpy; runpy.run_module('tools')",
    ],
)
def test_an_import_of_the_tools_is_seen_however_it_is_written(text: str) -> None:
    assert of_tools(imports_in_text(text, Path("functions/vllm/size/fit.py")))


def test_the_door_knows_only_the_options() -> None:
    found = {i.what for i in imports_of(ROOT / "functions" / "main.py") if i.what.split(".")[0] in WIRE}
    assert found == {"crossplane.function.cli"}


def test_base_is_used_through_its_front() -> None:
    inside = [
        f"{i.where} imports {i.what}"
        for package in PACKAGES
        if package != "base"
        for i in imports_in(package)
        if i.what.startswith("functions.base.") and i.what.count(".") > 2
    ]
    assert not inside, "import it from functions.base"


def test_the_contract_is_written_once() -> None:
    """Keys and names with a domain or a function in front are nobody's own words."""
    agreed = {v for k, v in vars(contract).items() if k.isupper() and isinstance(v, str) and "/" in v}
    assert len(agreed) > 5
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path in sorted((ROOT / "functions").rglob("*.py"))
        if path != Path(str(contract.__file__))
        for node in ast.walk(ast.parse(path.read_text(), path.name))
        if isinstance(node, ast.Constant) and node.value in agreed and not _tag(path, node.value)
    ]
    assert not found, "import it from functions.api.contract"


def _tag(path: Path, value: str) -> bool:
    """Tell whether the same words are a tag in a cloud, which nobody else reads."""
    return value == contract.RECORD_CLUSTER and "node_pools" in path.parts


# The rooms of a package.

ROOMS: dict[str, dict[str, set[str]]] = {
    "vllm": {
        "engine": set(),
        "size": {"engine"},
        "place": {"engine", "size"},
        "plan": {"engine"},
        "serve": {"engine", "place", "plan"},
        "source": {"engine", "plan", "serve"},
        "hub": {"place", "serve", "size"},
        "live": {"engine", "hub", "place", "plan", "serve", "size", "source"},
        "status": {"live", "plan", "serve", "source"},
        "resources": {"live", "plan", "serve", "source", "status"},
        "compose": {"engine", "hub", "live", "place", "plan", "resources", "serve", "size", "status"},
    },
}
"""For each folder and module of a package the others that it imports, each of which stands before it."""


def rooms_in(package: str) -> dict[str, set[str]]:
    """Return which other rooms each room of a package imports."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "functions" / package).rglob("*.py")):
        room = path.relative_to(ROOT / "functions" / package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        below = [i.what.split(".") for i in imports_of(path) if i.what.startswith(f"functions.{package}.")]
        found.setdefault(room, set()).update(what[2] for what in below if what[2] != room)
    return found


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_what_they_may(package: str) -> None:
    assert rooms_in(package) == ROOMS[package]


@pytest.mark.parametrize("package", ROOMS)
def test_a_room_stands_on_rooms_before_it(package: str) -> None:
    rooms = list(ROOMS[package])
    above = [(room, sorted(ROOMS[package][room] - set(rooms[:i]))) for i, room in enumerate(rooms)]
    assert [(room, others) for room, others in above if others] == []


def modules_imported() -> dict[str, set[str]]:
    """Return which modules of `functions` each of them imports."""
    paths = {
        p: ".".join(p.relative_to(ROOT).with_suffix("").parts) for p in (ROOT / "functions").rglob("*.py")
    }
    names = {path: name.removesuffix(".__init__") for path, name in paths.items()}
    modules = set(names.values())
    found: dict[str, set[str]] = {}
    for path, name in names.items():
        what = [i.what for i in imports_of(path)]
        found[name] = {w if w in modules else w.rpartition(".")[0] for w in what} & modules - {name}
    return found


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return modules that import one another in a circle; none if there is no circle."""
    left = {name: set(others) for name, others in imports.items()}
    while done := {name for name, others in left.items() if not others}:
        left = {name: others - done for name, others in left.items() if name not in done}
    return sorted(left)


def test_no_module_imports_itself_through_others() -> None:
    imports = modules_imported()
    assert "functions.vllm.size.memory" in imports["functions.vllm.place.pools"]
    # A package's front imports its modules, which import one another and not the front.
    assert circle(imports) == []


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


# What is really in a server's memory.

LIBRARY_MODULES = 430
"""Most modules of libraries. Measured on Python 3.11: 391; and a tenth for other versions.

A module costs start-up time and memory in each of three pods: one library more is often a
hundred modules. The functions' own modules are small and are not counted.
"""
TOO_HEAVY = ("yaml", "kubernetes", "jinja2", "typer", "requests", "boto3", "pytest", "hypothesis")

LOAD = """
import json, sys
sys.modules["rich"] = None  # structlog loads it where it is installed: here for the tools, not in the images
import functions.base.server
from functions.api import contract
from functions.main import load
function = load(sys.argv[1])
print(json.dumps([function.name, list(function.conditions), sorted(sys.modules)]))
"""


class Loaded(NamedTuple):
    name: str
    conditions: list[str]
    modules: list[str]


@pytest.fixture(scope="module", params=FUNCTIONS)
def loaded(request: pytest.FixtureRequest) -> Loaded:
    """What a fresh interpreter holds once a function is ready to serve."""
    command = [sys.executable, "-c", LOAD, request.param]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    name, conditions, modules = json.loads(done.stdout)
    assert name == request.param
    return Loaded(name, conditions, modules)


def test_a_server_is_small(loaded: Loaded) -> None:
    heavy = [m for m in loaded.modules if m.split(".")[0] in TOO_HEAVY]
    assert not heavy
    assert sum(not m.startswith("functions.") for m in loaded.modules) <= LIBRARY_MODULES


def test_a_server_holds_one_function(loaded: Loaded) -> None:
    own = FUNCTIONS[loaded.name].split(".")[1]
    packages = {m.split(".")[1] for m in loaded.modules if m.startswith("functions.")}
    assert packages - {"main"} == {own, *MAY_IMPORT[own]} - LATE


@pytest.mark.parametrize("what", ["conditions", "status"])
def test_steps_of_one_pipeline_do_not_share(what: str) -> None:
    """Two steps that set one condition or status key would overwrite each other's."""
    first, second = (set(getattr(load(name), what)) for name in ("node-pools", "cluster-stack"))
    assert not first & second
