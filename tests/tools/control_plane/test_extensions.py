"""CRDs on an API server that is short of CPU."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tools.control_plane.api import Api, ApiError
from tools.control_plane.extensions import create
from tools.errors import ToolError

CRD = {"metadata": {"name": "models.example.org"}}


class Server:
    """An API server that gives some answers, one after the other; 0 for success."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)

    def path(self, *_: object) -> str:
        return "/crds"

    def call(self, *_: object) -> dict[str, Any]:
        if code := self.answers.pop(0):
            raise ApiError(code, f"answer {code}")
        return {}


@pytest.mark.parametrize("answers", [(0,), (409,), (504, 0), (504, 504, 409)])
def test_a_crd_is_created_in_the_end(answers: tuple[int, ...]) -> None:
    server = Server(*answers)
    create(cast("Api", server), CRD)
    assert server.answers == []


@pytest.mark.parametrize("answers", [(422, 0), (504, 504, 504, 0)])
def test_a_refusal_is_told_and_not_repeated_for_ever(answers: tuple[int, ...]) -> None:
    with pytest.raises(ToolError, match=f"^models.example.org: answer {answers[-2]}$"):
        create(cast("Api", Server(*answers)), CRD)
