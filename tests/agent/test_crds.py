"""What a chart's archive has, and what becomes of each CRD in a cluster."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import pytest

from agent import crds as module
from agent.crds import Done, Step, annotated, asked_of, crds_of, refuse_secret, status_of, step
from agent.delivery import Undelivered
from functions.api import Undeliverable
from tests.agent.upgrades import CHART, NAMESPACE, archive, crd, upgrade

NOW = "2026-01-01T00:00:00Z"


def names(packed: bytes) -> list[str]:
    return [each["metadata"]["name"] for each in crds_of(packed)]


def test_crds_are_those_that_helm_takes() -> None:
    # Proves: of the chart's own folder, several in a file, YAML and JSON; nothing else and nothing of subcharts.
    a, b, c = (crd(f"{name}.example.org") for name in "abc")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    text = "\n---\n".join(json.dumps(each) for each in (a, config, b)) + "\n---\n"
    found = {
        "crds/two.yaml": text,
        "crds/deep/c.json": json.dumps(c),
        "crds/README.md": "no: [yaml",
        "templates/d.yaml": "{{ not yaml",
        "charts/inner/crds/e.yaml": json.dumps(crd("e.example.org")),
    }
    assert sorted(names(archive(found))) == ["a.example.org", "b.example.org", "c.example.org"]
    assert names(archive({"Chart.yaml": "name: x"})) == []


def bomb() -> bytes:
    return gzip.compress(b"\0" * (module._MOST_BYTES + 1))


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"<html>", id="no-gzip"),
        pytest.param(gzip.compress(b"no tar"), id="no-tar"),
        pytest.param(archive({"crds/a.yaml": "a: [b"}), id="no-yaml"),
        pytest.param(archive({"crds/a.yaml": "- 1\n- 2"}), id="no-object"),
        pytest.param(
            archive({"crds/a.yaml": json.dumps({**crd("a.example.org"), "metadata": None})}), id="no-name"
        ),
        pytest.param(gzip.compress(b"cut off")[:-9], id="cut-off"),
        pytest.param(bomb(), id="too-large"),
    ],
)
def test_an_archive_that_is_none_is_told(packed: bytes) -> None:
    with pytest.raises(Undelivered, match="the chart's archive cannot be read") as caught:
        crds_of(packed)
    assert caught.value.reason is Undeliverable.CHART_UNREADABLE


def test_a_link_is_not_followed() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        link = tarfile.TarInfo("x/crds/a.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert crds_of(buffer.getvalue()) == []


def there(chart: str = "", *, stored: tuple[str, ...] = ("v1",), **served: bool) -> dict[str, Any]:
    found = crd("a.example.org", **(served or {"v1": True}))
    if chart:
        found["metadata"]["annotations"] = {"agent.freehold.dev/chart": chart}
    return {**found, "status": {"storedVersions": list(stored)}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(None, Step.APPLY, id="not-there"),
        pytest.param(there(), Step.APPLY, id="helms"),
        pytest.param(there("lws v0.9.0"), Step.APPLY, id="older"),
        pytest.param(there("lws v0.9.10"), Step.APPLY, id="older-by-number"),
        pytest.param(there("lws v0.10.0"), Step.CURRENT, id="the-same"),
        pytest.param(there("lws v0.10.0-rc.1"), Step.APPLY, id="a-candidate-of-it"),
        pytest.param(there("lws 0.10.1"), Step.NEWER, id="newer"),
        pytest.param(there("lws v0.11.0-alpha.1"), Step.NEWER, id="a-candidate-of-the-next"),
        pytest.param(there("lws main"), Step.APPLY, id="no-version"),
        pytest.param(there("other v9.0.0"), Step.APPLY, id="another-chart"),
    ],
)
def test_steps(found: dict[str, Any] | None, expected: Step) -> None:
    assert step(crd("a.example.org"), found, CHART) is expected


@pytest.mark.parametrize(
    ("found", "gone"),
    [
        pytest.param(there(v1=True, v1beta1=True), "v1beta1", id="served"),
        pytest.param(there(stored=("v1alpha1", "v1"), v1=True), "v1alpha1", id="stored"),
        pytest.param(there(stored=("v1alpha1", "v1beta1"), v1beta1=True), "v1alpha1 and v1beta1", id="both"),
    ],
)
def test_a_version_in_use_is_never_taken_away(found: dict[str, Any], gone: str) -> None:
    with pytest.raises(Undelivered) as caught:
        step(crd("a.example.org"), found, CHART)
    assert caught.value.reason is Undeliverable.VERSION_IN_USE
    assert str(caught.value).startswith(f"CRD a.example.org of chart {CHART} has {gone} no more")
    assert "nothing is changed" in str(caught.value)


def test_a_version_that_is_no_longer_served_counts_too() -> None:
    with pytest.raises(Undelivered, match="has v1 no more"):
        step(crd("a.example.org", v1=False, v2=True), there(), CHART)
    assert step(crd("a.example.org", v1=True, v0=False), there(v1=True, v0=False), CHART) is Step.APPLY


def test_what_is_applied_says_whose_it_is() -> None:
    # Proves: no status, no uid, labels and annotations of the chart's kept.
    own = crd("a.example.org")
    own["metadata"] |= {
        "annotations": {"a": "b"},
        "labels": {"c": "d"},
        "creationTimestamp": None,
        "uid": "x",
    }
    own["status"] = {"storedVersions": ["v1"]}
    made = annotated(own, CHART)
    assert made["metadata"] == {
        "name": "a.example.org",
        "labels": {"c": "d"},
        "annotations": {"a": "b", "agent.freehold.dev/chart": CHART},
    }
    assert set(made) == {"apiVersion", "kind", "metadata", "spec"}


def test_a_secret_of_somebody_else_is_not_read() -> None:
    for namespace in (NAMESPACE, "platform"):
        refuse_secret(asked_of(upgrade(secret=namespace)))
    with pytest.raises(Undelivered, match="Secret team-b/charts is not this upgrade's to read") as caught:
        refuse_secret(asked_of(upgrade(secret="team-b")))
    assert caught.value.reason is Undeliverable.NOT_ALLOWED
    with pytest.raises(Undelivered):
        refuse_secret(asked_of(upgrade(secret="platform", labels={})))


def test_a_status_keeps_what_was_applied() -> None:
    # Proves: Ready is of the chart that is asked for now; a failure forgets nothing.
    asked = asked_of(upgrade())
    status = status_of(asked, Done(("a", "b"), ("b",)), NOW)
    assert status["applied"] == {"name": "lws", "version": "v0.10.0", "crds": ["a", "b"]}
    assert [(c["type"], c["status"], c["message"]) for c in status["conditions"]] == [
        ("Ready", "True", ""),
        ("Synced", "True", "b: of a newer version, and left alone"),
    ]
    no = Undelivered(Undeliverable.REFUSED, "no")
    after = status_of(asked._replace(status=status), no, "later")
    assert after["applied"] == status["applied"]
    assert [(c["status"], c["reason"], c["lastTransitionTime"]) for c in after["conditions"]] == [
        ("True", "Applied", NOW),
        ("False", "Refused", "later"),
    ]
    moved = asked_of(upgrade(version="v0.11.0", generation=2))._replace(status=after)
    assert moved.applied is None
    assert [c["status"] for c in status_of(moved, no, "later")["conditions"]] == ["False", "False"]
