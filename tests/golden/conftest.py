"""Every example, played by the real reconciler once for all golden tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tools import paths
from tools.definitions import Definitions
from tools.demo import Example, find, settle_all
from tools.inputs import functions_of
from tools.manifests import resource_name
from tools.observe import COLLECTION, observe
from tools.rendering import Rendered, render
from tools.servers import running
from tools.settle import Settled

NO_CAPACITY = (
    "create failed: async create failed: operation error EKS: CreateNodegroup, waiting for state: "
    "AsgInstanceLaunchFailures: Could not launch On-Demand Instances. InsufficientInstanceCapacity - "
    "We currently do not have sufficient capacity in the Availability Zone you requested"
)
"""What the AWS provider says of a node group without machines."""


@dataclass(frozen=True)
class Played:
    """The examples and how each went, by `FOLDER/NAME` of its file."""

    examples: dict[str, tuple[Example, Settled]]
    failing: dict[str, Rendered]
    """Clusters of which one pool then fails, by the same names."""
    without_nodes: dict[str, Rendered]
    """Clusters that are there already, of whose pools no nodes are found."""


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Play every example to its end."""
    definitions = Definitions()
    examples = find(paths.EXAMPLES, definitions)
    functions = functions_of([e.claim for e in examples], definitions)
    with running(functions, log_dir=tmp_path_factory.mktemp("log")) as servers:
        done = settle_all(examples, servers.targets, definitions)
        failing = {
            _key(example): _with_a_failing_pool(settled, pool, servers.targets, definitions)
            for example, settled in done
            for pool in _node_groups(settled)[-1:]
        }
        without_nodes = {
            _key(example): _without_nodes(settled, servers.targets, definitions)
            for example, settled in done
            if "existing" in example.claim["spec"]
        }
        yield Played({_key(example): (example, settled) for example, settled in done}, failing, without_nodes)


def _node_groups(settled: Settled) -> list[str]:
    groups = (resource_name(m) for m in settled.composed if m["kind"] == "NodeGroup")
    return [name for name in groups if name.startswith("node-pools/pool-")]


def _with_a_failing_pool(
    settled: Settled, pool: str, targets: Mapping[str, str], definitions: Definitions
) -> Rendered:
    observed = observe(settled.composed, settled.xr, failing={pool: NO_CAPACITY})
    return render(settled.xr, targets, observed=observed, definitions=definitions)


def _without_nodes(settled: Settled, targets: Mapping[str, str], definitions: Definitions) -> Rendered:
    """Render what follows the search for nodes where it finds none."""
    looking = next(
        r.rendered for r in settled.rounds if any(m["kind"] == COLLECTION for m in r.rendered.composed)
    )
    observed = observe(looking.composed, looking.xr)
    return render(looking.xr, targets, observed=observed, definitions=definitions)


def _key(example: Example) -> str:
    return str(example.path.relative_to(paths.EXAMPLES).with_suffix(""))
