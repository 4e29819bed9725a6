"""What a function can ask of its request."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from functions.base import Claim, Invalid, Outcome, Request, parse
from tests.base import support as s


class Pool(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    max: int = Field(default=1, le=9)

    @field_validator("name")
    @classmethod
    def not_reserved(cls, value: str) -> str:
        if value == "system":
            raise ValueError("the name system is taken")
        return value


class Spec(BaseModel):
    pools: list[Pool] = []
    region: str = "here"
    zones: list[str] = Field(["a"], min_length=1)
    sizes: dict[Annotated[str, Field(pattern=r"^1\.\d{2}$")], int] = {}


PARSED: list[tuple[str, dict[str, Any], str]] = [
    ("missing", {"pools": [{}]}, "spec.pools[0].name: is missing. Correct this field."),
    (
        "wrong type",
        {"pools": [{"name": "a"}, {"name": "b", "max": "x"}]},
        "spec.pools[1].max: has to be a whole number (got 'x'). Correct this field.",
    ),
    (
        "own rule",
        {"pools": [{"name": "system"}]},
        "spec.pools[0].name: the name system is taken (got 'system'). Correct this field.",
    ),
    (
        "unknown field",
        {"pools": [{"name": "a", "mni": 1}]},
        "spec.pools[0].mni: there is no such field. Fields are name, max.",
    ),
    ("empty list", {"zones": []}, "spec.zones: needs at least one item and has 0. Correct this field."),
    (
        "key of a map",
        {"sizes": {"foo": 1}},
        "spec.sizes: a key does not match ^1\\.\\d{2}$ (got 'foo'). Correct this field.",
    ),
    (
        "several",
        {"pools": [{"name": "a", "max": 10}, {}], "region": 5},
        "spec.pools[0].max: has to be at most 9 (got 10). Correct this field and 2 more.",
    ),
]


@pytest.mark.parametrize(("data", "want"), [p[1:] for p in PARSED], ids=[p[0] for p in PARSED])
def test_invalid_spec_says_where_and_what(data: dict[str, Any], want: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(Spec, data, "spec")
    assert str(caught.value) == want


def asked(message: Any) -> Request:
    """Return the request that a function gets."""
    got = []

    def compose(request: Request) -> Outcome:
        got.append(request)
        return Outcome()

    s.answer(s.function(compose), message)
    return got[0]


def test_the_claim_is_the_claim_reference_alone() -> None:
    composite = s.xr()
    composite["metadata"]["labels"] = {"crossplane.io/claim-namespace": "evil"}
    request = asked(s.request(composite))
    assert request.claim == Claim("team", "claim"), "labels are the tenant's own"
    assert request.name == "claim-x7f2k"


def test_a_composite_without_a_claim_is_its_own() -> None:
    request = asked(s.request({**s.xr(), "spec": {}}))
    assert request.claim == Claim("", "claim-x7f2k")


def test_spec_and_input_are_parsed() -> None:
    request = asked(
        s.request(
            s.xr(spec={"region": "there"}), input={"kind": "Input", "metadata": {}, "pools": [{"name": "p"}]}
        )
    )
    assert request.spec(Spec) == Spec(region="there")
    assert request.parameters(Spec) == Spec(pools=[Pool(name="p")])


def test_observed_resources_come_in_one_order() -> None:
    request = asked(s.request(observed={f"demo/{n}": s.managed(n, ready=True) for n in "cadb"}))
    assert list(request.observed) == ["demo/a", "demo/b", "demo/c", "demo/d"], "whatever the map's order"


def test_a_resource_of_any_step_can_be_looked_at() -> None:
    request = asked(s.request(observed={"other/a": s.managed("a", ready=True)}))
    found = request.resource("other/a")
    assert found is not None
    assert found.name == "a"
    assert request.resource("other/b") is None
    assert list(request.observed) == ["other/a"], "looking for a resource must not make it"


class Chart(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    values: dict[str, Any] = {}


class Given(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    platform_namespace: str = "crossplane-system"
    chart: Chart | None = None
    charts: list[Chart] = []
    by_name: dict[str, Chart] = {}


TYPOS: list[tuple[str, dict[str, Any], str]] = [
    (
        "at the top",
        {"platformNamspace": "infra"},
        "input.platformNamspace: there is no such field. Did you mean platformNamespace? Fields are "
        "platformNamespace, chart, charts, byName.",
    ),
    (
        "spelled in small letters",
        {"platformnamespace": "infra"},
        "input.platformnamespace: there is no such field. Did you mean platformNamespace? Fields are "
        "platformNamespace, chart, charts, byName.",
    ),
    (
        "below",
        {"chart": {"value": {}}},
        "input.chart.value: there is no such field. Did you mean values? Fields are values.",
    ),
    (
        "in a list",
        {"charts": [{"vals": {}}]},
        "input.charts[0].vals: there is no such field. Did you mean values? Fields are values.",
    ),
    (
        "in a map",
        {"byName": {"a/b": {"x": 1}}},
        "input.byName.a/b.x: there is no such field. Fields are values.",
    ),
    (
        "before all else that is wrong",
        {"charts": 5, "nothing": 1},
        "input.nothing: there is no such field. Fields are platformNamespace, chart, charts, byName.",
    ),
]


@pytest.mark.parametrize(("data", "want"), [t[1:] for t in TYPOS], ids=[t[0] for t in TYPOS])
def test_a_typo_in_an_input_is_refused_by_name(data: dict[str, Any], want: str) -> None:
    """Nobody else looks at an input: neither the API server nor Crossplane prunes or refuses it."""

    def compose(request: Request) -> Outcome:
        request.parameters(Given)
        return Outcome()

    got = s.answer(s.function(compose), s.request(input={"apiVersion": "a/v1", "kind": "G", **data}))
    refused = got["results"][-1]
    assert (refused["severity"], refused["message"]) == ("SEVERITY_FATAL", want)
    assert got["conditions"][0]["message"] == f"[platform] {want}", "the platform team writes it"


def test_what_an_input_holds_for_others_is_free() -> None:
    given = Request({}, {}, {}, {}, {}, {"chart": {"values": {"any": {"thing": 1}}}}).parameters(Given)
    assert given.chart == Chart(values={"any": {"thing": 1}})


class Status(BaseModel):
    zones: list[str] = []


@pytest.mark.parametrize(
    ("before", "want"),
    [({}, ["here"]), ({"zones": ["there"]}, ["there"])],
    ids=["of the composite where no step has said anything", "of an earlier step"],
)
def test_a_status_is_the_newest(before: dict[str, Any], want: list[str]) -> None:
    status = Request({"status": {"zones": ["here"]}}, {}, {}, before, {}, {}).status(Status)
    assert status is not None
    assert status.zones == want


def test_what_is_read_once_is_read_of_each_request() -> None:
    read: list[str] = []

    def name(request: Request) -> str:
        read.append(request.name)
        return request.name

    one, other = (Request({"metadata": {"name": n}}, {}, {}, {}, {}, {}) for n in ("one", "other"))
    assert [one.once(name), one.once(name), other.once(name)] == ["one", "one", "other"]
    assert read == ["one", "other"]
