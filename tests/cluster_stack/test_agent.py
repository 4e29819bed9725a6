"""The agent: what it may do, how its pod runs, and that no cluster waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.api import AgentInput, Distribution, Gateway, NodeImage, contract
from functions.base import Outcome, Progress, unique_name
from functions.base.assemble import assemble
from functions.cluster_stack.agent import AUXILIARY
from functions.cluster_stack.compose import FUNCTION
from functions.cluster_stack.facts import Facts
from tests.base.apiserver import observe
from tests.cluster_stack.stack import (
    AGENT,
    AGENT_ALL,
    AGENT_GOES,
    ALWAYS,
    EXISTING,
    REACHABLE,
    composed,
    live,
    request,
)

FACTS = Facts(
    None,
    NodeImage(driver=True, container_toolkit=True),
    Distribution.OTHER,
    "1.35",
    pools=(),
    autoscaler=None,
)
OBJECTS = AUXILIARY.manifests(AgentInput(), FACTS)


def message(**more: Any) -> str:
    asked = request(ready=[REACHABLE, *ALWAYS], **more)
    return str(assemble(asked, FUNCTION, FUNCTION.compose(asked)).conditions["ComponentsReady"].message)


def test_what_it_may_do() -> None:
    """No Secrets, no pods/exec, and nothing written but the reports."""
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in OBJECTS["role"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == {
        ("", "pods"): {"list", "watch"},
        ("", "events"): {"list", "watch"},
        ("", "pods/log"): {"get"},
        ("agent.freehold.dev", "modelreports"): {"list", "watch", "patch"},
    }


def test_its_pod_meets_the_restricted_standard_and_writes_no_file() -> None:
    assert AUXILIARY.namespace.pod_security == "restricted"
    pod = OBJECTS["deployment"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "volumes" not in pod


def test_it_runs_on_gpu_nodes_where_a_cluster_has_no_others() -> None:
    [toleration] = OBJECTS["deployment"]["spec"]["template"]["spec"]["tolerations"]
    assert toleration == {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def test_it_reaches_the_ports_of_api_servers_alone() -> None:
    policy = OBJECTS["network-policy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert policy["egress"] == [
        {"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]}
    ]
    labels = OBJECTS["deployment"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()


API_SERVER, POLICY = f"{AGENT}-api-server", f"{AGENT}-network-policy"


def service(*ports: dict[str, Any]) -> dict[str, Any]:
    """Return an Object that observes Service default/kubernetes."""
    manifest = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": list(ports)}}
    return {**live(ready=True), "status": {"atProvider": {"manifest": manifest}}}


def ports_with(observed: dict[str, dict[str, Any]], spec: Any = EXISTING) -> list[int]:
    """Return the ports that the policy lets out to, with these composed resources there."""
    asked = replace(request(spec), observed=observed)
    made = {r.name: r.manifest for r in FUNCTION.compose(asked).resources}
    policy: Any = made[POLICY]
    rule = policy["spec"]["forProvider"]["manifest"]["spec"]["egress"][0]
    assert list(rule) == ["ports"]
    return [port["port"] for port in rule["ports"]]


@pytest.mark.parametrize(
    ("ports", "allowed"),
    [
        ([{"port": 443, "targetPort": 16443}], [443, 16443]),
        ([{"port": 443, "targetPort": 443.0}], [443]),
        ([{"port": 443, "targetPort": "https"}], [443]),
        ([{"port": 0, "targetPort": 2**16}, {"port": True}, {}], [443, 6443]),
        ([], [443, 6443]),
    ],
)
def test_it_reaches_the_api_server_wherever_an_existing_cluster_has_it(
    ports: list[dict[str, Any]], allowed: list[int]
) -> None:
    """MicroK8s has it at 16443."""
    assert ports_with({API_SERVER: service(*ports)}) == allowed


def test_it_is_not_cut_off_while_the_service_is_not_seen() -> None:
    before = composed(EXISTING)[POLICY]
    assert ports_with({POLICY: observe(before)}) == [443, 6443]
    asked = replace(request(EXISTING), observed={API_SERVER: service({"port": 443, "targetPort": 16443})})
    policy = next(r.manifest for r in FUNCTION.compose(asked).resources if r.name == POLICY)
    assert policy is not None
    for seen in ({}, {API_SERVER: live(ready=False)}):
        assert ports_with({POLICY: observe(policy), **seen}) == [443, 16443]


def test_ports_of_a_gateway_are_none_of_the_api_servers() -> None:
    gateway = {"host": "h.example.org", "tls": {"issuerRef": {"name": "i"}}}
    spec = {**EXISTING, "gateway": gateway}
    asked = replace(request(spec), observed={API_SERVER: service({"port": 443, "targetPort": 16443})})
    policy = next(r.manifest for r in FUNCTION.compose(asked).resources if r.name == POLICY)
    assert policy is not None
    assert ports_with({POLICY: observe(policy)}, spec) == [443, 16443]


def test_the_service_of_an_existing_cluster_is_looked_at_and_no_more() -> None:
    """Watched, every Service of the cluster would be kept in the provider's memory."""
    made = composed(EXISTING)
    spec = made[API_SERVER]["spec"]
    assert spec["managementPolicies"] == ["Observe"]
    assert "watch" not in spec
    metadata = {"name": "kubernetes", "namespace": "default"}
    assert spec["forProvider"]["manifest"] == {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    assert f"{API_SERVER}-first" not in made
    assert API_SERVER not in composed()
    asked = request(EXISTING, given={"agent": {"install": False}}, ready=[API_SERVER])
    outcome = FUNCTION.compose(asked)
    assert API_SERVER not in [r.name for r in outcome.resources]
    assert API_SERVER in outcome.gone


GATED = AUXILIARY.manifests(
    AgentInput(),
    replace(
        FACTS, gateway=Gateway.model_validate({"host": "h.example.org", "tls": {"issuerRef": {"name": "i"}}})
    ),
)


def test_every_part_is_listed() -> None:
    assert tuple(GATED) == AUXILIARY.parts
    assert set(GATED) - set(OBJECTS) == {"service", "grant"}
    assert list(OBJECTS)[-1] == list(GATED)[-1] == "deployment"


def test_what_it_may_do_for_a_gateway() -> None:
    """Of Secrets those of one name, which only Freehold gives; and no namespace or route is changed."""
    before, after = OBJECTS["role"]["rules"], GATED["role"]["rules"]
    more = [rule for rule in after if rule not in before]
    assert {resource: set(rule["verbs"]) for rule in more for resource in rule["resources"]} == {
        "namespaces": {"list", "watch"},
        "httproutes": {"list", "watch"},
        "secrets": {"list", "watch"},
    }
    [secrets] = [rule for rule in more if rule["resources"] == ["secrets"]]
    assert secrets["resourceNames"] == [contract.MODEL_KEYS]


def test_only_a_gateways_envoys_reach_it() -> None:
    [rule] = GATED["network-policy"]["spec"]["ingress"]
    [envoys] = rule["from"]
    assert envoys["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": contract.GATEWAY_NAMESPACE
    }
    assert envoys["podSelector"]["matchLabels"] == {contract.COMPONENT: contract.GATEWAY_PROXY}
    [port] = rule["ports"]
    [container] = GATED["deployment"]["spec"]["template"]["spec"]["containers"]
    assert f"--models=:{port['port']}" in container["args"]
    [served] = GATED["service"]["spec"]["ports"]
    assert served["port"] == served["targetPort"] == port["port"]
    labels = GATED["deployment"]["spec"]["template"]["metadata"]["labels"]
    assert GATED["service"]["spec"]["selector"].items() <= labels.items()
    [to], [by] = GATED["grant"]["spec"]["to"], GATED["grant"]["spec"]["from"]
    assert to["name"] == GATED["service"]["metadata"]["name"]
    assert by["namespace"] == contract.GATEWAY_NAMESPACE


def gated(reach: str = "Cluster", authorities: str = "") -> dict[str, Any]:
    """Return the agent's container where there is a gateway."""
    asked = {"host": "h.example.org", "reach": reach, "tls": {"issuerRef": {"name": "i"}}}
    facts = replace(FACTS, gateway=Gateway.model_validate(asked), gateway_authorities=authorities)
    made = AUXILIARY.manifests(AgentInput(), facts)["deployment"]
    [container] = made["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def test_it_asks_through_the_gateways_service_and_knows_it_as_clients_do() -> None:
    assert gated()["args"][:3] == [
        "--models=:8082",
        "--gateway=models.freehold-gateway.svc:443",
        "--clients-are-here",
    ]
    assert "--clients-are-here" not in gated("Internet")["args"]
    assert "env" not in gated()
    assert gated(authorities="PEM")["env"] == [{"name": "GATEWAY_AUTHORITIES", "value": "PEM"}]


def test_it_reaches_the_gateways_envoys_and_name_servers_too() -> None:
    api_server, envoys, names = GATED["network-policy"]["spec"]["egress"]
    assert "to" not in api_server
    [to] = envoys["to"]
    assert to["podSelector"]["matchLabels"] == {contract.COMPONENT: contract.GATEWAY_PROXY}
    assert [port["port"] for port in envoys["ports"]] == [443, 10443]
    assert {port["port"] for port in names["ports"]} == {53, 5353}
    [without] = OBJECTS["network-policy"]["spec"]["egress"]
    assert without == api_server


def test_a_cluster_is_ready_without_it() -> None:
    """Its image may be one that nobody has pushed yet."""
    outcome = FUNCTION.compose(request(ready=[REACHABLE, *ALWAYS], unready=AGENT_ALL))
    [components] = [c for c in outcome.conditions if isinstance(c, Progress)]
    assert not set(components.resources) & set(AGENT_ALL)
    asked = request(ready=[REACHABLE, *ALWAYS], unready=AGENT_ALL)
    desired = assemble(asked, FUNCTION, FUNCTION.compose(asked))
    assert desired.conditions["ComponentsReady"].status.value == "True"
    assert all(desired.ready[name] for name in AGENT_ALL)


def test_that_it_does_not_run_is_told() -> None:
    assert message(unready=AGENT_ALL).startswith(
        "Node Feature Discovery and the GPU Operator run. The agent does not run yet: why a Model's pods do not "
        "start is told late and without their logs. If this lasts, look at the pods in namespace freehold-agent of "
        "the cluster"
    )


def test_a_restart_of_it_is_no_news() -> None:
    """Models without a place read the list of what has worked."""
    again = request(recorded=["agent"], unready=AGENT_ALL)
    assert FUNCTION.compose(again).status["components"] == ["agent"]
    assert FUNCTION.compose(request(recorded=["agent"])).status["components"] == []
    assert FUNCTION.compose(request(unready=AGENT_ALL)).status["components"] == []
    assert FUNCTION.compose(request(ready=AGENT_ALL)).status["components"] == ["agent"]


def outcome_of(given: dict[str, Any], **more: Any) -> Outcome:
    return FUNCTION.compose(request(given={"agent": given}, **more))


def test_a_platform_team_names_its_own_image() -> None:
    made = {r.name: r.manifest for r in outcome_of({"image": "registry.example.org/agent:v9"}).resources}
    manifest: Any = made[f"{AGENT}-deployment"]
    pod = manifest["spec"]["forProvider"]["manifest"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example.org/agent:v9"


def test_a_platform_team_does_without_it() -> None:
    """The kind of the reports is there all the same: each Model has one, which nobody fills."""
    outcome = outcome_of({"install": False}, ready=[REACHABLE, *ALWAYS, *AGENT_ALL])
    assert [r.name for r in outcome.resources if r.name.startswith(AGENT)] == [f"{AGENT}-crd"]
    assert {name for name in outcome.gone if name in AGENT_ALL} == set(AGENT_ALL) - {f"{AGENT}-crd"}
    assert outcome.status["components"] == ["node-feature-discovery", "gpu-operator"]
    [components] = [c for c in outcome.conditions if isinstance(c, Progress)]
    assert components.ready == "Node Feature Discovery and the GPU Operator run"


def test_it_goes_with_a_cluster_that_is_deleted() -> None:
    """Nothing of it is deleted by itself, which would hold the claim once the cluster is gone."""
    made = composed()
    assert {tuple(made[name]["spec"]["managementPolicies"]) for name in AGENT_ALL} == {
        ("Observe", "Create", "Update")
    }
    assert not [name for name in made if name.startswith(AGENT) and name.endswith("-first")]


def test_it_leaves_a_cluster_that_stays_before_the_mark_of_the_claim() -> None:
    made = composed(EXISTING)
    assert [name for name in AGENT_ALL if "managementPolicies" not in made[name]["spec"]] == AGENT_GOES
    inside = [made[name]["spec"]["forProvider"]["manifest"]["metadata"] for name in AGENT_ALL]
    assert {m.get("namespace") for m, n in zip(inside, AGENT_ALL, strict=True) if n not in AGENT_GOES} == {
        "freehold-agent"
    }
    usages = {name: made[f"{name}-first"]["spec"] for name in AGENT_GOES}
    assert {spec["of"]["resourceRef"]["name"] for spec in usages.values()} == {
        unique_name("eu-prod-x7k2p", "holder")
    }
    for name, spec in usages.items():
        assert spec["by"]["resourceRef"]["name"] == made[name]["metadata"]["name"]
        assert spec["replayDeletion"] is True


def test_a_claim_whose_cluster_another_one_has_taken_leaves_the_agent_there() -> None:
    """Somebody deleted the mark, and the other claim has installed the same agent."""
    before = {name: made for name, made in composed(EXISTING).items() if name in AGENT_ALL}
    seen = {name: observe(manifest) for name, manifest in before.items()}
    asked = replace(request(EXISTING, status={"heldBy": "platform/other"}), observed=seen)
    desired = assemble(asked, FUNCTION, FUNCTION.compose(asked))
    for name in AGENT_ALL:
        assert desired.manifests[name]["spec"]["managementPolicies"] == ["Observe", "Create", "Update"]


def test_its_workload_alone_is_watched() -> None:
    made = composed()
    assert [name for name in AGENT_ALL if made[name]["spec"].get("watch")] == [f"{AGENT}-deployment"]
