"""Every example, played by the real CLI and core once for all golden tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tools import paths
from tools.definitions import Definitions
from tools.demo import Example, find, play
from tools.inputs import functions_of
from tools.servers import running
from tools.settle import Settled


@dataclass(frozen=True)
class Played:
    """The examples and how each went, by `FOLDER/NAME` of its file."""

    examples: dict[str, tuple[Example, Settled]]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Play clusters first: settled, they are what Models are placed on."""
    definitions = Definitions()
    examples = find(paths.EXAMPLES, definitions)
    clusters = [e for e in examples if e.claim["kind"] == "InferenceCluster"]
    models = [e for e in examples if e.claim["kind"] == "Model"]
    functions = functions_of([e.claim for e in examples], definitions)
    with running(functions, log_dir=tmp_path_factory.mktemp("log")) as servers:
        done = play(clusters, servers.targets, definitions, required=())
        done += play(models, servers.targets, definitions, [settled.xr for _, settled in done])
        yield Played({_key(example): (example, settled) for example, settled in done})


def _key(example: Example) -> str:
    return str(example.path.relative_to(paths.EXAMPLES).with_suffix(""))
