"""What the tests of the tools share: made-up definitions, a function, real schemas."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.tools.farm import COMMAND, FOLDER, made_claim
from tools.definitions import Definitions
from tools.errors import SchemaMissingError
from tools.manifests import Manifest
from tools.servers import running
from tools.validate import schemas_folder


@pytest.fixture(scope="session")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    """One XRD with a claim, and its composition."""
    folder = tmp_path_factory.mktemp("definitions")
    for name, file in (("xrds", "xrd.yaml"), ("compositions", "composition.yaml")):
        (folder / name).mkdir()
        (folder / name / file).write_text((FOLDER / "data" / file).read_text())
    return Definitions(folder / "xrds", folder / "compositions")


@pytest.fixture
def claim() -> Manifest:
    """A claim that is in order."""
    return made_claim()


@pytest.fixture(scope="session")
def targets() -> Iterator[Mapping[str, str]]:
    """The address of the made-up function, as a running server."""
    with running(["function-farm"], command=COMMAND) as servers:
        yield servers.targets


@pytest.fixture(scope="session")
def schemas() -> Path:
    """The real schemas; without them a test is skipped, but in CI it fails."""
    try:
        return schemas_folder()
    except SchemaMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
