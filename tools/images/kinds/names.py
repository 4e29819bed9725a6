"""The names that images are published under, and what they say of where they come from."""

import subprocess
import tomllib

from tools.errors import ToolError, last_lines
from tools.paths import ROOT

__all__ = ["LICENCE", "REGISTRY", "SOURCE", "here", "is_dirty", "labels", "published", "revision", "version"]

REGISTRY = "ghcr.io/freehold-dev"
SOURCE = "https://github.com/freehold-dev/freehold"
LICENCE = "Apache-2.0"


def version() -> str:
    """Return the project's version as tags spell it, such as v0.1.0."""
    return f"v{tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['version']}"


def published(name: str, registry: str = REGISTRY, tag: str = "") -> str:
    """Return the name of an image of this project, such as ghcr.io/freehold-dev/agent:v0.1.0."""
    return f"{registry}/{name}:{tag or version()}"


def here() -> str:
    """Return the version of this clone: "-dirty" when something was changed since its commit."""
    return f"{version()}{_dirty()}"


def labels(name: str) -> dict[str, str]:
    """Return the labels of an image of this project, by the OCI specification: what it is, of which commit.

    What was changed since the commit makes both "-dirty". Raises ToolError outside of a clone.
    """
    said = {
        "title": name,
        "version": here(),
        "revision": f"{revision()}{_dirty()}",
        "source": SOURCE,
        "licenses": LICENCE,
    }
    return {f"org.opencontainers.image.{key}": value for key, value in said.items()}


def revision() -> str:
    """Return the commit of this clone. Raises ToolError outside of one."""
    return _git("rev-parse", "HEAD")


def is_dirty() -> bool:
    """Tell whether something was changed since the commit. Raises ToolError outside of a clone."""
    return bool(_git("status", "--porcelain", "--untracked-files=normal"))


def _dirty() -> str:
    return "-dirty" if is_dirty() else ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"images say of which commit they are, and git says:\n{last_lines(done.stderr)}")
    return done.stdout.strip()
