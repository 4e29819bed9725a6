"""A host that two clusters ask for: who has it, what the other is told, and what serves goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from functions.base import Condition, Request
from functions.base.assemble import assemble
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import COMPOSITE, aws, cluster, existing

HOST = "models.example.org"
OFFER, PREFIX = "node-pools/offer", "node-pools/gateway-host-"
WORKS = {"components": ["gateway"]}


def spec(host: str = HOST) -> dict[str, Any]:
    return {
        **existing(),
        "gateway": {"host": host, "reach": "Cluster", "tls": {"secretRef": {"name": "tls"}}},
    }


def composed(request: Request) -> dict[str, dict[str, Any]]:
    found = FUNCTION.compose(request)
    return {r.name: dict(r.manifest) for r in found.resources if r.manifest is not None}


def record(since: str = "", host: str = HOST, composite: str = COMPOSITE, **more: Any) -> dict[str, Any]:
    """Return the record of a cluster as the control plane has it."""
    made = composed(cluster(spec(host), composite=composite, given=OPEN, **more))
    [found] = [manifest for name, manifest in made.items() if name.startswith(PREFIX)]
    return {**found, "metadata": {**found["metadata"], "creationTimestamp": since}}


def name_of(host: str = HOST) -> str:
    [name] = [name for name in composed(cluster(spec(host))) if name.startswith(PREFIX)]
    return name


OPEN = {"kubeconfigNamespaces": ["*"]}
THEIRS = {"namespace": "team-b", "name": "hidden"}
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"


def asked(
    *records: Mapping[str, Any], own: str | None = LATE, host: str = HOST, offered: str = "", **more: Any
) -> Request:
    """Return the request of a cluster among records of others."""
    live: dict[str, Any] = {}
    mine = [] if own is None else [record(own, host)]
    if own is not None:
        live[name_of(host)] = mine[0]
    if offered:
        before = cluster(spec(offered), status=WORKS)
        live[OFFER] = composed(before)[OFFER]
    answers = {"gateway-host": (*records, *mine), "models": ()}
    return cluster(spec(host), observed=live, answers=answers, status=WORKS, **more)


def planned(request: Request) -> tuple[str, str, str]:
    desired = assemble(request, FUNCTION, FUNCTION.compose(request))
    said = desired.conditions["Planned"]
    assert isinstance(said, Condition)
    return said.status.value, said.reason, said.message


def offers(request: Request) -> Any:
    told = json.loads(composed(request)[OFFER]["data"]["offer"]).get("gateway")
    assert told == FUNCTION.compose(request).status["gateway"]
    return told and told["host"]


def test_the_record_of_a_host() -> None:
    # Proves: a cluster is woken by clusters with the same host alone, and leaves a record for them.
    request = cluster(spec())
    found = composed(request)[name_of()]
    assert found["metadata"]["namespace"] == "crossplane-system"
    assert found["metadata"]["labels"] == {"freehold.dev/gateway-host": HOST}
    assert found["data"] == {"composite": COMPOSITE, "host": HOST, "claim": "platform/eu-prod"}
    FUNCTION.compose(request)
    selector = request.requirements["gateway-host"]
    assert (selector.labels, selector.namespace) == (
        (("freehold.dev/gateway-host", HOST),),
        "crossplane-system",
    )
    plain = cluster(existing())
    FUNCTION.compose(plain)
    assert "gateway-host" not in plain.requirements


def test_a_long_host_has_a_record_too() -> None:
    host = ".".join(["a" * 60] * 4)
    found = record(host=host)
    assert found["data"]["host"] == host
    assert len(found["metadata"]["labels"]["freehold.dev/gateway-host"]) <= 63


def test_who_asked_first_has_it() -> None:
    other = record(EARLY, composite="theirs", claim=THEIRS)
    assert planned(asked(other))[:2] == ("False", "HostTaken")
    assert offers(asked(other)) is None
    assert planned(asked(record(LATE, composite="theirs", claim=THEIRS), own=EARLY))[0] == "True"
    assert offers(asked(record(LATE, composite="theirs", claim=THEIRS), own=EARLY)) == HOST


def test_of_two_at_once_one_has_it() -> None:
    # Proves: both come to the same answer, whichever looks first.
    ours, theirs = record(LATE), record(LATE, composite="theirs", claim=THEIRS)
    mine = planned(asked(theirs))[0]
    answers = {"gateway-host": (ours, theirs), "models": ()}
    other = cluster(
        spec(),
        composite="theirs",
        claim=THEIRS,
        given=OPEN,
        observed={name_of(): theirs},
        answers=answers,
        status=WORKS,
    )
    assert {mine, planned(other)[0]} == {"True", "False"}


def test_one_that_has_no_record_yet_comes_last() -> None:
    assert planned(asked(record(LATE, composite="theirs", claim=THEIRS), own=None))[1] == "HostTaken"


def test_another_tenant_is_not_named() -> None:
    _, _, words = planned(asked(record(EARLY, composite="theirs", claim=THEIRS)))
    assert "team-b" not in words
    assert "hidden" not in words
    assert "theirs" not in words
    assert f"{HOST} belongs to another InferenceCluster of this control plane" in words
    ours = {"namespace": "platform", "name": "us-prod"}
    assert (
        "belongs to InferenceCluster platform/us-prod"
        in planned(asked(record(EARLY, composite="second", claim=ours)))[2]
    )


def test_what_serves_goes_on() -> None:
    # Proves: neither a cluster that serves under the host, nor one whose spec moves to it, takes an address away.
    other = record(EARLY, composite="theirs", claim=THEIRS)
    serves = asked(other, offered=HOST)
    assert (planned(serves)[1], offers(serves)) == ("HostTaken", HOST)
    moves = asked(other, offered="old.example.org")
    assert (planned(moves)[1], offers(moves)) == ("HostTaken", "old.example.org")


def test_a_host_that_is_given_up_is_free() -> None:
    # Proves: the record goes when the spec has another host, or no gateway.
    live = {name_of(): record(EARLY)}
    for new in (spec("new.example.org"), existing()):
        assert name_of() in FUNCTION.compose(cluster(new, observed=live)).gone
    assert planned(asked())[0] == "True"


def test_the_name_of_a_service_is_each_clusters_own() -> None:
    for host in ("models.freehold-gateway.svc", "models.freehold-gateway.svc.cluster.local"):
        assert not [name for name in composed(cluster(spec(host))) if name.startswith(PREFIX)]


def test_a_crossplane_that_has_not_answered_changes_nothing() -> None:
    request = cluster(spec(), status=WORKS, answers={"models": ()})
    assert (planned(request)[0], offers(request)) == ("True", HOST)


@pytest.mark.parametrize("under", [aws(), existing()], ids=["aws", "existing"])
def test_what_is_wrong_with_the_plan_goes_first(under: dict[str, Any]) -> None:
    asked_for = {**under, "gateway": spec()["gateway"]}
    answers = {"gateway-host": (record(EARLY, composite="theirs", claim=THEIRS),), "models": ()}
    assert planned(cluster(asked_for, answers=answers))[1] == "HostTaken"
