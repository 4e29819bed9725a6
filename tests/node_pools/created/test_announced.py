"""What replaces nodes under Models is told before it happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from functions.node_pools.compose import FUNCTION
from tests.node_pools.models.test_in_use import record
from tests.node_pools.requests import aws, settled

NEXT = (
    "Kubernetes 1.36 comes: once the control plane runs it, the nodes are replaced one after the other, and "
)


@pytest.mark.parametrize(
    ("version", "models", "told"),
    [
        pytest.param("1.36", ("a/chat",), [f"{NEXT}Model a/chat restarts"], id="one"),
        pytest.param("1.36", ("a/chat", "b/x"), [f"{NEXT}Models a/chat, b/x restart"], id="two"),
        pytest.param("1.36", (), [], id="nobody"),
        pytest.param("1.35", ("a/chat",), [], id="no-upgrade"),
    ],
)
def test_an_upgrade_names_the_models_that_restart(
    version: str, models: tuple[str, ...], told: list[str]
) -> None:
    # Proves: while the control plane is upgraded, so before the first node is replaced.
    request, _ = settled(FUNCTION, aws())
    spec = {**request.composite["spec"], "kubernetesVersion": version}
    changed = replace(
        request,
        composite={**request.composite, "spec": spec},
        answers={"models": tuple(record(model) for model in models)},
    )
    notes = FUNCTION.compose(changed).notes
    assert [note for note in notes if "Kubernetes" in note and "comes" in note] == told
