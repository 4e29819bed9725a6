"""The names that images are published under."""

import tomllib

from tools.paths import ROOT

__all__ = ["REGISTRY", "published", "version"]

REGISTRY = "ghcr.io/freehold-dev"


def version() -> str:
    """Return the project's version as tags spell it, such as v0.1.0."""
    return f"v{tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['version']}"


def published(name: str, registry: str = REGISTRY, tag: str = "") -> str:
    """Return the name of an image of this project, such as ghcr.io/freehold-dev/agent:v0.1.0."""
    return f"{registry}/{name}:{tag or version()}"
