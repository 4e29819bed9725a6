"""A pytest plugin: the first failure is printed and ends the run, before any fixture is torn down."""

from __future__ import annotations

import os
import sys

import pytest


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """End at once: with a deliberate fault, teardown may wait for objects that will never go."""
    if report.failed:
        outcome = "FAILED" if report.when == "call" else "ERROR"
        print(f"\n{report.longreprtext}\n{outcome} {report.nodeid}")
        sys.stdout.flush()
        os._exit(pytest.ExitCode.TESTS_FAILED)
