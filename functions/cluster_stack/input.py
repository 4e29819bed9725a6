"""The function's input: what a platform team says of each component, made from the registry."""

from __future__ import annotations

from typing import Any

from pydantic import Field, create_model

from functions.api import Chart, Schema

from .component import Component
from .registry import AUXILIARIES, COMPONENTS

__all__ = ["ClusterStackInput", "given"]

_FIELDS: dict[str, Any] = {
    component.field: (component.given, Field(default_factory=component.given, description=component.about))
    for component in COMPONENTS
} | {
    each.name: (each.given, Field(default_factory=each.given, description=each.about)) for each in AUXILIARIES
}
ClusterStackInput: type[Schema] = create_model(
    "ClusterStackInput", __base__=Schema, __doc__="Input of function-cluster-stack.", **_FIELDS
)


def given(parameters: Schema, component: Component) -> Chart:
    """Return what the platform team says of a component's chart."""
    chart: Chart = getattr(parameters, component.field)
    return chart
