"""What the package ships beside its functions, as a platform team applies it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tools import paths
from tools.errors import SchemaMissingError
from tools.images.image import NOBODY
from tools.images.kinds.packages import kinds
from tools.install import GUARD, NAMESPACE_GUARD, PLATFORM
from tools.install_agent import GUARD as AGENT_GUARD
from tools.install_functions import FUNCTIONS
from tools.manifests import Manifest, load
from tools.validate import validate


def test_it_is_valid() -> None:
    try:
        problems = validate(load(paths.INSTALL))
    except SchemaMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    assert [str(problem) for problem in problems] == []


def test_a_role_grants_claims_and_nothing_else() -> None:
    """Neither composites nor what they compose: those reach into the clusters."""
    roles = [m for m in load(paths.INSTALL) if m["kind"] == "ClusterRole" and "team" in m["metadata"]["name"]]
    rules = [rule for role in roles for rule in role["rules"]]
    assert len(roles) == 2
    assert {group for rule in rules for group in rule["apiGroups"]} == {"freehold.dev"}
    assert {name for rule in rules for name in rule["resources"]} == {"models", "inferenceclusters"}


def test_every_policy_refuses() -> None:
    """A policy without a binding, or one whose errors let requests through, guards nothing.

    Only the policy of namespaces lets them through: where the composites' kind is not installed, a policy that
    fails would keep everybody's namespaces.
    """
    manifests = load(paths.INSTALL)
    policies = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "ValidatingAdmissionPolicy"}
    bindings = [m["spec"] for m in manifests if m["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {name: policy["spec"]["failurePolicy"] for name, policy in policies.items()} == {
        GUARD: "Fail",
        NAMESPACE_GUARD: "Ignore",
        AGENT_GUARD: "Fail",
    }
    assert sorted(policies) == sorted(binding["policyName"] for binding in bindings)
    # A binding with a selector would leave namespaces unguarded, as one of its parameters would leave clusters.
    assert [set(b) - {"paramRef"} for b in bindings] == [{"policyName", "validationActions"}] * len(bindings)
    assert [b["paramRef"] for b in bindings if "paramRef" in b] == [
        {"selector": {}, "parameterNotFoundAction": "Allow"}
    ]
    assert [b["validationActions"] for b in bindings] == [["Deny"]] * len(bindings)


def test_every_claim_is_guarded() -> None:
    xrds = [xrd for path in paths.XRDS.glob("*.yaml") for xrd in load(path)]
    [guard] = [
        m for m in load(paths.INSTALL) if m["metadata"]["name"] == GUARD and "matchConstraints" in m["spec"]
    ]
    [rule] = guard["spec"]["matchConstraints"]["resourceRules"]
    assert set(rule["resources"]) == {xrd["spec"]["claimNames"]["plural"] for xrd in xrds}
    assert rule["operations"] == ["CREATE", "UPDATE"]
    # What the policy asks of the authorizer is the composite's plural.
    for xrd in xrds:
        assert xrd["spec"]["names"]["plural"] == f"x{xrd['spec']['claimNames']['plural']}"


def test_the_shipped_inputs_trust_the_namespace_that_is_made_and_no_other() -> None:
    trusted: set[str] = set()
    for path in paths.COMPOSITIONS.glob("*.yaml"):
        for step in load(path)[0]["spec"]["pipeline"]:
            given = step.get("input", {})
            for listed in (given, *given.get("providerConfigs", ())):
                trusted |= {
                    n for key, names in listed.items() if key.lower().endswith("namespaces") for n in names
                }
    made = {m["metadata"]["name"] for m in load(paths.INSTALL) if m["kind"] == "Namespace"}
    assert trusted == made == {PLATFORM}


def test_security_names_tests_that_exist() -> None:
    text = (paths.ROOT / "SECURITY.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text)) | {
        Path(p).stem for p in re.findall(r"`(tests/\S+\.py)`", text)
    }
    there = {path.stem for path in (paths.ROOT / "tests").rglob("test_*.py")}
    assert named
    assert named <= there


def test_the_agent_lists_no_secret_and_writes_few() -> None:
    """What is bound to it; the admission policy narrows what it writes."""
    manifests = load(paths.INSTALL)
    bound = {m["roleRef"]["name"]: m["kind"] for m in manifests if m["kind"].endswith("RoleBinding")}
    assert bound == {
        "freehold-agent": "RoleBinding",
        "freehold-agent-reads": "ClusterRoleBinding",
        "freehold-agent-hands-out": "ClusterRoleBinding",
    }
    roles = [m for m in manifests if m["kind"] in ("Role", "ClusterRole") and m["metadata"]["name"] in bound]
    rights = {
        (resource, verb)
        for role in roles
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert rights == {
        ("secretdeliveries", "list"),
        ("secretdeliveries", "watch"),
        ("secretdeliveries/status", "patch"),
        ("crdupgrades", "list"),
        ("crdupgrades", "watch"),
        ("crdupgrades/status", "patch"),
        ("providerconfigs", "get"),
        ("secrets", "get"),
        ("secrets", "create"),
        ("secrets", "patch"),
    }
    [policy] = [
        m
        for m in manifests
        if m["kind"] == "ValidatingAdmissionPolicy" and m["metadata"]["name"] == "freehold-agent"
    ]
    [condition] = policy["spec"]["matchConditions"]
    assert "system:serviceaccount:crossplane-system:freehold-agent" in condition["expression"]


FOLLOWED = {"secretdeliveries", "crdupgrades"}


def test_only_core_composes_what_the_agent_follows() -> None:
    """No role for people grants them, and none is added to Kubernetes' own."""
    granting = [
        m["metadata"]
        for m in load(paths.INSTALL)
        if m["kind"] == "ClusterRole" and any(FOLLOWED & set(rule["resources"]) for rule in m["rules"])
    ]
    [role] = granting
    aggregated = {key for key in role["labels"] if "aggregate-to" in key}
    assert aggregated == {"rbac.crossplane.io/aggregate-to-crossplane"}


def test_the_agents_pod_is_restricted() -> None:
    [deployment] = [m for m in load(paths.INSTALL) if m["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    # Certificates of clusters, which never reach a disk.
    assert [volume["emptyDir"]["medium"] for volume in pod["volumes"]] == ["Memory"]


def functions_parts() -> tuple[Manifest, Manifest, Manifest]:
    """The runtime of the functions, what gives it to them, and their network policy."""
    named = {m["kind"]: m for m in load(paths.INSTALL) if m["metadata"]["name"] == FUNCTIONS}
    return named["DeploymentRuntimeConfig"], named["ImageConfig"], named["NetworkPolicy"]


def test_the_functions_pods_are_restricted_and_have_no_token() -> None:
    runtime, _, _ = functions_parts()
    pod = runtime["spec"]["deploymentTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    # By its name Crossplane knows the container of the function.
    assert container["name"] == "package-runtime"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    user = pod["securityContext"]
    assert (user["runAsNonRoot"], user["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == NOBODY, "the image's own"
    assert pod["automountServiceAccountToken"] is False


def test_every_function_has_that_runtime_by_its_name() -> None:
    runtime, config, _ = functions_parts()
    assert config["spec"]["runtime"]["configRef"]["name"] == runtime["metadata"]["name"]
    [matched] = config["spec"]["matchImages"]
    ours = [kind.reference for kind in kinds() if kind.name.startswith("function-")]
    assert [name for name in ours if not name.startswith(matched["prefix"])] == []


def test_functions_call_nobody_and_are_called_by_pods_beside_them() -> None:
    runtime, _, policy = functions_parts()
    labels = runtime["spec"]["deploymentTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"] == {"matchLabels": labels}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy["spec"]
    [rule] = policy["spec"]["ingress"]
    assert rule == {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 9443}]}
