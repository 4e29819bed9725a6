"""What every test may use."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

# The same examples in every run: a red test is a defect of the change at hand. A slow
# machine is not a defect.
settings.register_profile(
    "freehold", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("freehold")


class OncePlayed(LoadFileScheduling):  # type: ignore[misc]  # xdist's schedulers have no types
    """One worker runs a module from beginning to end, and one all golden tests: each would play all examples."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        folder = "tests/golden"
        return folder if scope.startswith(f"{folder}/") else scope


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> OncePlayed:
    """Have xdist distribute the tests by `OncePlayed`, where a folder has no scheduler of its own."""
    return OncePlayed(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--golden-update`."""
    parser.addoption(
        "--golden-update",
        action="store_true",
        help="rewrite the golden files from what is rendered now, instead of comparing with them",
    )


@pytest.fixture
def golden_update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are rewritten."""
    return bool(request.config.getoption("--golden-update"))
