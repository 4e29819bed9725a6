"""What every test may use."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run: a red test is a defect of the change at hand. A slow
# machine is not a defect.
settings.register_profile(
    "freehold", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("freehold")


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
