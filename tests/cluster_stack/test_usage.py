"""Who is told of requests at a gateway: standard output always, and a collector where the spec names one."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import contract
from functions.cluster_stack.gateway.usage import RECORD
from tests.cluster_stack.stack import REACHABLE, composed
from tests.cluster_stack.test_gateway import BY_SECRET, CHART, G, inside, spec
from tools.errors import SchemaMissingError
from tools.validate import validate

READY = [REACHABLE, *CHART, f"{G}-class"]
COLLECTOR = {"namespace": "monitoring", "service": "otel", "port": 5317}


def made(**usage: Any) -> dict[str, Any]:
    return composed(spec({**BY_SECRET, "usage": usage}), ready=READY)


def sinks(objects: dict[str, Any]) -> dict[str, Any]:
    [setting] = inside(objects, "proxies")["spec"]["telemetry"]["accessLog"]["settings"]
    assert setting["format"]["json"] == RECORD
    return {each["type"]: each for each in setting["sinks"]}


def egress(objects: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = inside(objects, "network-policy-proxies")["spec"]["egress"]
    return found


def test_a_collector_gets_each_record_and_envoys_reach_its_port_alone() -> None:
    without, told = made(), made(collector=COLLECTOR)
    assert set(sinks(without)) == {"File"}
    assert set(sinks(told)) == {"File", "OpenTelemetry"}
    to = sinks(told)["OpenTelemetry"]["openTelemetry"]
    assert (to["host"], to["port"]) == ("otel.monitoring.svc", 5317)
    assert to["resourceAttributes"] == {"service.name": contract.GATEWAY_NAMESPACE}
    [more] = [rule for rule in egress(told) if rule not in egress(without)]
    assert more == {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "ports": [{"protocol": "TCP", "port": 5317}],
    }


def test_envoy_gateway_knows_such_a_sink() -> None:
    try:
        assert validate([inside(made(collector=COLLECTOR), "proxies")]) == []
    except SchemaMissingError as error:
        pytest.skip(f"NOT VALIDATED: {error}")
