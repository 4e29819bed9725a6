"""A Model's own key that changes: the gateway takes both for a while, and no key of before comes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent import rotation
from agent.made import made_secret
from tests.agent.api_server import Answer
from tests.agent.deliveries import COMPOSITE, asked, base64_of
from tests.agent.test_deliverer import World, quick, within_seconds, world
from tests.agent.test_keys import BESIDE, MADE, SOURCE, beside_claim, decoded, gpu, into_cluster, plane

__all__ = ["quick"]

OWN, FORMER = "team-a.chat", "team-a.chat__former"
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def rotating(made: dict[str, Any], number: int, minutes: int = 60) -> dict[str, Any]:
    made["spec"]["rotation"] = {"number": number, "overlapMinutes": minutes, "key": FORMER}
    made["metadata"]["generation"] = number + 1 + minutes
    return made


def has(now: World, number: int, minutes: int = 60) -> None:
    now.has(rotating(into_cluster(), number, minutes), rotating(beside_claim(), number, minutes))


def at_gateway(now: World) -> dict[str, str]:
    return decoded(now.gpu.applied[-1].body["data"]) if now.gpu.applied else {}


def beside(now: World) -> str:
    found = now.plane.secrets.get(BESIDE)
    return decoded(found[1]).get("OPENAI_API_KEY", "") if found else ""


def test_another_key_is_made_and_both_are_taken() -> None:
    with world(plane(), gpu()) as now:
        has(now, 0)
        within_seconds(lambda: set(at_gateway(now)) == {OWN} and beside(now) != "")
        first = beside(now)
        has(now, 1)
        within_seconds(lambda: beside(now) not in ("", first))
        assert at_gateway(now) == {OWN: beside(now), FORMER: first}
        assert set(decoded(now.plane.secrets[BESIDE][1])) & {FORMER} == set(), (
            "an app needs the new one alone"
        )
        written = now.plane.secrets[MADE][0]
        looks = len(now.asked)
        within_seconds(lambda: len(now.asked) > looks + 12)
        assert now.plane.secrets[MADE][0] == written, "it is changed once"
        second = beside(now)
        has(now, 2)
        within_seconds(lambda: beside(now) not in (first, second))
        assert at_gateway(now) == {OWN: beside(now), FORMER: second}, "the first is taken no more"


def test_a_lower_number_changes_nothing_and_brings_no_key_back() -> None:
    """Such as that of a place that the Model is leaving, or of a commit that is reverted."""
    with world(plane(), gpu()) as now:
        has(now, 3)
        within_seconds(lambda: beside(now) != "")
        key = beside(now)
        for number in (1, 3):
            now.asked.clear()
            has(now, number)
            within_seconds(lambda: len(now.asked) > 12)
            assert (beside(now), at_gateway(now)) == (key, {OWN: key})


def test_the_key_of_before_goes_when_its_time_is_over() -> None:
    with world(plane(), gpu()) as now:
        has(now, 0)
        within_seconds(lambda: beside(now) != "")
        has(now, 1)
        within_seconds(lambda: set(at_gateway(now)) == {OWN, FORMER})
        now.plane.annotations[MADE]["agent.freehold.dev/rotated-at"] = "2026-01-01T00:00:00+00:00"
        within_seconds(lambda: set(at_gateway(now)) == {OWN})
        assert set(now.plane.secrets[MADE][1]) == {"key"}


def test_an_overlap_that_is_lowered_ends_the_key_of_before() -> None:
    with world(plane(), gpu()) as now:
        has(now, 0)
        within_seconds(lambda: beside(now) != "")
        has(now, 1)
        within_seconds(lambda: set(at_gateway(now)) == {OWN, FORMER})
        has(now, 1, minutes=0)
        within_seconds(lambda: set(at_gateway(now)) == {OWN})


def test_without_an_overlap_the_key_of_before_is_refused_at_once() -> None:
    with world(plane(), gpu()) as now:
        has(now, 0, minutes=0)
        within_seconds(lambda: beside(now) != "")
        first = beside(now)
        has(now, 1, minutes=0)
        within_seconds(lambda: beside(now) != first)
        assert [set(decoded(request.body["data"])) for request in now.gpu.applied if request.body] == [
            {OWN}
        ] * len(now.gpu.applied)


def test_no_other_key_is_made_while_the_cluster_takes_none() -> None:
    """Else apps would have a key that the gateway does not know."""
    with world(plane(), gpu()) as now:
        has(now, 0)
        within_seconds(lambda: beside(now) != "")
        first, now.gpu.owners = beside(now), {}
        has(now, 1)
        within_seconds(lambda: now.said("in")[0] == "OwnerMissing")
        assert decoded(now.plane.secrets[MADE][1]) == {"key": first}
        now.gpu.owners = {"api-key": "in"}
        within_seconds(lambda: beside(now) not in ("", first))
        within_seconds(lambda: at_gateway(now).get(FORMER) == first)


def test_an_agent_that_may_change_nothing_is_told_and_the_key_stays() -> None:
    there = plane()
    with world(there, gpu()) as now:
        has(now, 0)
        within_seconds(lambda: beside(now) != "")
        first, there.unchanged = beside(now), Answer(403, {"message": "forbidden"})
        has(now, 1)
        within_seconds(lambda: now.said("in")[0] == "NotReadable")
        assert "apply package/install.yaml of this version" in now.said("in")[1]
        assert (beside(now), at_gateway(now)) == (first, {OWN: first})


# What is changed.


def secret(**annotations: str) -> dict[str, Any]:
    given = {f"agent.freehold.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    metadata = {"resourceVersion": "7", "annotations": given, "ownerReferences": [COMPOSITE]}
    return {"metadata": metadata, "data": {"key": base64_of("now"), "former": base64_of("before")}}


def of(number: int, minutes: int = 60) -> Any:
    made = asked(made=True, source=SOURCE)
    spec = made.spec.model_validate(
        {**made.spec.plain(), "rotation": {"number": number, "overlapMinutes": minutes, "key": FORMER}}
    )
    return made._replace(spec=spec)


@pytest.mark.parametrize(("minutes", "over"), [(0, False), (59, False), (60, True), (100, True), (-5, False)])
def test_the_time_is_counted_from_the_change(minutes: int, over: bool) -> None:
    found = secret(rotation="1", rotated_at=NOW.isoformat())
    later = NOW + timedelta(minutes=minutes)
    assert rotation.is_due(of(1), found["metadata"], later) is over
    assert rotation.former(of(1), found, later) == ({} if over else {FORMER: base64_of("before")})


@pytest.mark.parametrize("when", ["", "yesterday", "2026-13-01"])
def test_a_time_that_is_none_is_over(when: str) -> None:
    found = secret(rotation="1", rotated_at=when)
    assert rotation.is_due(of(1), found["metadata"], NOW)
    assert rotation.former(of(1), found, NOW) == {}


def test_a_value_of_before_without_a_time_is_not_taken() -> None:
    assert rotation.former(of(1), secret(rotation="1"), NOW) == {}
    assert rotation.former(asked(made=True, source=SOURCE), secret(rotated_at=NOW.isoformat()), NOW) == {}


def test_a_change_is_of_the_version_that_was_seen_and_keeps_one_value_of_before() -> None:
    patch = rotation.changed(of(2), secret(rotation="1", rotated_at=NOW.isoformat()), NOW)
    assert patch["metadata"]["resourceVersion"] == "7"
    assert patch["data"]["former"] == base64_of("now")
    assert patch["data"]["key"] not in (base64_of("now"), base64_of("before"))


def test_a_new_secret_needs_no_change() -> None:
    made = made_secret(of(5), datetime.now(UTC))
    assert not rotation.is_due(of(5), made["metadata"], NOW)
    assert rotation.is_due(of(6), made["metadata"], NOW)
    assert not rotation.is_due(asked(made=True, source=SOURCE), made["metadata"], NOW)
