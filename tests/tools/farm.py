"""A made-up kind of claim, and the function that serves it."""

import sys
from pathlib import Path
from typing import Any

from tools.manifests import Manifest

FOLDER = Path(__file__).parent
COMMAND = (sys.executable, str(FOLDER / "fake_function.py"))
"""Starts the function; `servers.running` adds the name and address."""


def made_claim(**spec: Any) -> Manifest:
    """Return a claim of the made-up kind."""
    return {
        "apiVersion": "test.freehold.dev/v1alpha1",
        "kind": "Farm",
        "metadata": {"name": "home", "namespace": "team-a"},
        "spec": {"wheat": {}, **spec},
    }
