"""Another source of a gateway's certificate: the listener turns once the other certificate is in the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.base.assemble import assemble
from functions.cluster_stack.compose import FUNCTION
from tests.cluster_stack.stack import REACHABLE, composed
from tests.cluster_stack.test_gateway import BY_ISSUER, BY_SECRET, MADE, G, inside, is_ready, played, spec


def turned(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the listener's Secret, and what makes Secrets, in each reconcile once the spec asks for another.

    What is new is ready one reconcile later than it is there, and Envoy Gateway's listener, too.
    """
    makers = (f"{G}-certificate-owner", f"{G}-certificate-delivery", f"{G}-issued")
    seen = {name: in_place(manifest) for name, manifest in composed(before).items()}
    found: list[tuple[str, list[str]]] = []
    while True:
        asked = played(after, seen, ready=[REACHABLE])
        manifests = assemble(asked, FUNCTION, FUNCTION.compose(asked)).manifests
        [ref] = inside(manifests, "listener")["spec"]["listeners"][0]["tls"]["certificateRefs"]
        made = [name.removeprefix(f"{G}-") for name in makers if name in manifests]
        if found and found[-1] == (ref["name"], made) and seen == settled(manifests, seen):
            return found
        if not found or found[-1] != (ref["name"], made):
            found.append((ref["name"], made))
        seen = settled(manifests, seen)


def settled(manifests: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is observed next: what is new exists, what was there before has done as it was told."""
    return {name: in_place(m) if name in seen else dict(m) for name, m in manifests.items()}


def in_place(manifest: Any) -> dict[str, Any]:
    found = is_ready(manifest)
    made = manifest.get("spec", {}).get("forProvider", {}).get("manifest")
    return {**found, "status": {**found["status"], "atProvider": {"manifest": made}}} if made else found


BROUGHT_BY = ["certificate-owner", "certificate-delivery"]


@pytest.mark.parametrize("brought", [BY_SECRET, MADE], ids=["the claim's", "made"])
def test_the_listener_turns_to_another_certificate_once_that_is_there(brought: Any) -> None:
    # Proves: no client is cut off while cert-manager, or the agent, takes its time or fails.
    there = turned(spec(brought), spec(BY_ISSUER))
    assert there == [
        ("certificate", [*BROUGHT_BY, "issued"]),
        ("issued-certificate", [*BROUGHT_BY, "issued"]),
        ("issued-certificate", ["issued"]),
    ]
    back = turned(spec(BY_ISSUER), spec(brought))
    assert back == [
        ("issued-certificate", ["certificate-owner", "issued"]),
        ("issued-certificate", [*BROUGHT_BY, "issued"]),
        ("certificate", [*BROUGHT_BY, "issued"]),
        ("certificate", BROUGHT_BY),
    ]


def test_what_makes_the_certificate_of_before_stays_as_it_was() -> None:
    """Its Secret and its issuer stand in no spec any more."""
    for before, after, name in ((BY_SECRET, BY_ISSUER, "certificate-delivery"), (BY_ISSUER, MADE, "issued")):
        live = composed(spec(before))
        asked = played(spec(after), {name: in_place(m) for name, m in live.items()}, ready=[REACHABLE])
        found = {r.name: r.manifest for r in FUNCTION.compose(asked).resources}
        assert found[f"{G}-{name}"] == live[f"{G}-{name}"]
