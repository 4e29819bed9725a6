"""`freehold check` on clusters that lack one thing each: what it says, whose it is, and what mends it."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tools.check.clusters import Change, Cluster, control_plane, gpu_cluster, package
from tools import paths
from tools.check import command
from tools.check.core import image_version
from tools.check.equal import differences
from tools.check.finding import Finding, State
from tools.check.rights import allows
from tools.cli import main
from tools.images.kinds.clouds import EVERYWHERE, activation

AWS = "xpkg.upbound.io/upbound/provider-aws-eks"


def found(cluster: Cluster, checks: Any = command.CONTROL_PLANE) -> list[Finding]:
    return [each for title, check in checks for each in command.findings(cluster, title, check)]


def bad(all_: Sequence[Finding]) -> list[Finding]:
    return [each for each in all_ if each.is_bad]


def test_a_cluster_that_has_everything_is_good() -> None:
    every = found(control_plane())
    assert bad(every) == []
    assert {e.subject for e in every if e.state is State.UNKNOWN} == {"Providers of AWS"}
    assert len(every) > 40
    good = found(gpu_cluster(), command.GPU_CLUSTER)
    assert [each.state for each in good] == [State.OK] * 3


def test_an_empty_cluster_is_told_all_that_it_lacks() -> None:
    empty = Cluster([])
    empty.unknown = {"Provider", "ImageConfig", "DeploymentRuntimeConfig", "CompositeResourceDefinition"}
    said = bad(found(empty))
    subjects = {each.subject.partition(" ")[0] for each in said}
    assert {"Crossplane", "Configuration", "Function", "Provider", "XRD", "Composition"} <= subjects
    assert all(each.mend for each in said)


def container(cluster: Cluster, name: str) -> dict[str, Any]:
    [only] = cluster.named("Deployment", name)["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def says(cluster: Cluster, kind: str, name: str, type_: str, message: str) -> None:
    status = cluster.named(kind, name)["status"]
    status["conditions"] = [c for c in status["conditions"] if c["type"] != type_]
    status["conditions"].append({"type": type_, "status": "False", "message": message})


@pytest.mark.parametrize(
    ("change", "subject", "words", "whose", "mend"),
    [
        (
            lambda c: setattr(c, "release", (1, 29)),
            "Kubernetes",
            "is 1.29, needed is 1.30",
            "infrastructure",
            "upgrade the cluster",
        ),
        (
            lambda c: c.without("Deployment", "crossplane"),
            "Crossplane",
            "has no Deployment crossplane in namespace crossplane-system: its kinds are there",
            "infrastructure",
            "helm upgrade --install crossplane",
        ),
        (
            lambda c: container(c, "crossplane").update(image="m.example/crossplane:v2.3.9"),
            "Crossplane's version",
            "is 2.3.9, needed is 2.4.0",
            "infrastructure",
            "helm upgrade --install crossplane",
        ),
        (
            lambda c: container(c, "crossplane").update(args=["core", "start", "--max-reconcile-rate=20"]),
            "Crossplane's --circuit-breaker-burst",
            "is not set, shipped is 3000",
            "infrastructure",
            "helm upgrade --install crossplane",
        ),
        (
            lambda c: container(c, "crossplane").update(
                args=["--circuit-breaker-burst=100", "--max-reconcile-rate=1"]
            ),
            "Crossplane's --circuit-breaker-burst",
            "is 100, needed is 3000: the breaker opens while a cluster is made",
            "infrastructure",
            "helm upgrade --install crossplane",
        ),
        (
            lambda c: says(c, "Deployment", "crossplane", "Available", "no pod is ready"),
            "Crossplane's Deployment",
            "is not available: no pod is ready",
            "infrastructure",
            "kubectl --namespace crossplane-system describe pods",
        ),
        (
            lambda c: c.without("Configuration"),
            "Configuration configuration-freehold",
            "is not installed",
            "platform",
            "echo '{apiVersion: pkg.crossplane.io/v1, kind: Configuration",
        ),
        (
            lambda c: says(c, "Function", "function-vllm", "Healthy", "cannot pull"),
            "Function function-vllm",
            "is not healthy: cannot pull",
            "platform",
            "kubectl describe functions.pkg.crossplane.io function-vllm",
        ),
        (
            lambda c: c.without("Provider", "provider-helm"),
            "Provider provider-helm",
            "is not installed",
            "platform",
            "echo '{apiVersion: pkg.crossplane.io/v1, kind: Provider, metadata: {name: provider-helm}",
        ),
        (
            lambda c: c.put(package("Provider", "provider-helm", "m.example/x/provider-helm:v1.2.9")),
            "Provider provider-helm's version",
            "is 1.2.9, needed is 1.3.0",
            "platform",
            "echo ",
        ),
        (
            lambda c: container(c, "provider-kubernetes-1").update(
                args=["--enable-watches=false", "--sanitize-secrets"]
            ),
            "provider-kubernetes' --enable-watches",
            "is not set: apply install.yaml",
            "platform",
            "kubectl patch providers.pkg.crossplane.io provider-kubernetes --type merge",
        ),
        (
            lambda c: c.unknown.add("kubernetes.m.crossplane.io/v1alpha1"),
            "Kind ProviderConfig of kubernetes.m.crossplane.io",
            "is not served: ",
            "platform",
            "kubectl get managedresourceactivationpolicies",
        ),
        (
            lambda c: c.without("CompositeResourceDefinition", "xmodels.freehold.dev"),
            "XRD xmodels.freehold.dev",
            "is not there",
            "platform",
            "echo ",
        ),
        (
            lambda c: says(c, "CompositeResourceDefinition", "xmodels.freehold.dev", "Offered", ""),
            "XRD xmodels.freehold.dev",
            "is not offered",
            "platform",
            "kubectl describe compositeresourcedefinition xmodels.freehold.dev",
        ),
        (
            lambda c: c.without("Composition", "model"),
            "Composition of XModel",
            "is not there",
            "platform",
            "echo ",
        ),
        (
            lambda c: c.named("Composition", "model")["spec"]["pipeline"][0]["functionRef"].update(name="v"),
            "Composition model",
            "names functions that are not installed (v); installed: function-cluster-stack, ",
            "platform",
            "kubectl edit composition model",
        ),
        (
            lambda c: c.without("ValidatingAdmissionPolicy", "freehold-claims"),
            "ValidatingAdmissionPolicy freehold-claims",
            "is not there",
            "platform",
            f"kubectl apply --server-side --force-conflicts -f {paths.INSTALL}",
        ),
        (
            lambda c: c.named("ClusterRole", "freehold-app-team")["rules"][0].update(verbs=["get"]),
            "ClusterRole freehold-app-team",
            "is not what install.yaml says at rules[0].verbs",
            "platform",
            "kubectl apply --server-side --force-conflicts -f ",
        ),
        (
            lambda c: says(c, "Deployment", "freehold-agent", "Available", "no image"),
            "Deployment crossplane-system/freehold-agent's pods",
            "do not run: no image",
            "platform",
            "kubectl --namespace crossplane-system describe pods",
        ),
        (
            lambda c: c.named("ClusterRole", "crossplane").update(
                rules=[{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["x"]}]
            ),
            "Crossplane's right to configmaps",
            "is not granted",
            "platform",
            "kubectl create clusterrole freehold-composes-configmaps",
        ),
    ],
)
def test_what_a_control_plane_lacks(change: Change, subject: str, words: str, whose: str, mend: str) -> None:
    cluster = control_plane()
    change(cluster)
    said = bad(found(cluster))
    [first] = [each for each in said if each.subject == subject]
    assert first.says.startswith(words)
    assert first.whose == whose
    assert first.mend.startswith(mend)
    area = subject.partition(" ")[0].partition("'")[0]
    others = [each.subject for each in said if area not in each.subject]
    assert others == [], "nothing else is wrong"


@pytest.mark.parametrize(
    ("change", "subject", "words"),
    [
        (
            lambda c: c.without("Deployment", "provider-kubernetes-1"),
            "Arguments of provider-kubernetes",
            "are not seen: no Deployment of its revision is in namespace crossplane-system",
        ),
        (
            lambda c: container(c, "crossplane").update(image="m.example/crossplane@sha256:0123"),
            "Crossplane's version",
            "is not told by its image m.example/crossplane@sha256:0123; needed is 2.4.0",
        ),
        (
            lambda c: c.put(package("Provider", "provider-helm", "m.example/provider-helm@sha256:0")),
            "Provider provider-helm's version",
            "is not told by m.example/provider-helm@sha256:0; needed is 1.3.0",
        ),
    ],
)
def test_what_cannot_be_known_is_said_and_fails_nothing(change: Change, subject: str, words: str) -> None:
    cluster = control_plane()
    change(cluster)
    every = found(cluster)
    assert bad(every) == []
    assert (State.UNKNOWN, words) in {(e.state, e.says) for e in every if e.subject == subject}


@pytest.mark.parametrize(("kinds", "noted"), [(["*"], ["default"]), (["buckets.s3.aws.m.upbound.io"], [])])
def test_activation_by_default_is_noted_and_fails_nothing(kinds: list[str], noted: list[str]) -> None:
    cluster = control_plane()
    cluster.put(activation("freehold", EVERYWHERE))
    cluster.put({**activation("default", {}), "spec": {"activate": kinds}})
    every = found(cluster)
    assert bad(every) == []
    notes = [each for each in every if each.state is State.NOTE]
    assert [each.subject.rpartition(" ")[2] for each in notes] == noted
    assert all(each.mend.startswith("helm upgrade ") and each.says.startswith("activates") for each in notes)


def test_the_configuration_of_a_cloud_asks_for_its_providers() -> None:
    cluster = control_plane()
    name = "configuration-freehold-aws"
    # Its object may be called otherwise, as that of a dependency is.
    cluster.put(package("Configuration", "aws", f"m.example/{name}:v0.1.0"))
    absent = [each.subject for each in bad(found(cluster))]
    assert absent == [f"Provider provider-aws-{each}" for each in ("ec2", "efs", "eks", "iam", "kms")]
    says(cluster, "Configuration", "aws", "Healthy", "needs provider-aws-eks")
    assert f"Configuration {name}" in [each.subject for each in bad(found(cluster))]


def test_one_provider_of_a_cloud_asks_for_the_others() -> None:
    cluster = control_plane()
    cluster.put(package("Provider", "aws-eks", f"{AWS}:v2.6.0"))
    absent = [each.subject for each in bad(found(cluster))]
    assert absent == [f"Provider provider-aws-{name}" for name in ("ec2", "efs", "iam", "kms")]


@pytest.mark.parametrize(
    ("change", "state", "subject", "words"),
    [
        (lambda c: c.without("StorageClass"), State.MISSING, "StorageClass", "is not there"),
        (
            lambda c: c.named("StorageClass", "fast")["metadata"].pop("annotations"),
            State.MISSING,
            "StorageClass",
            "has no default: name one of fast in existing.storageClassName",
        ),
        (lambda c: c.without("DaemonSet"), State.UNKNOWN, "Network policies", "may be enforced by nobody"),
        (lambda c: c.without("Node"), State.UNKNOWN, "Nodes with GPUs", "none of 0 offers nvidia.com/gpu"),
    ],
)
def test_what_a_gpu_cluster_lacks(change: Change, state: State, subject: str, words: str) -> None:
    cluster = gpu_cluster()
    change(cluster)
    [other] = [e for e in found(cluster, command.GPU_CLUSTER) if e.state is not State.OK]
    assert (other.state, other.subject) == (state, subject)
    assert other.says.startswith(words)


@pytest.mark.parametrize(("arguments", "state"), [(["--enable-network-policy=true"], "ok"), ([], "unknown")])
def test_the_vpc_cni_enforces_policies_where_that_is_on(arguments: list[str], state: str) -> None:
    cluster = gpu_cluster()
    cluster.without("DaemonSet")
    pod = {"spec": {"containers": [{"name": "aws-node"}, {"name": "agent", "args": arguments}]}}
    metadata = {"name": "aws-node", "namespace": "kube-system"}
    cluster.put(
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": {"template": pod}}
    )
    said = {each.subject: each.state for each in found(cluster, command.GPU_CLUSTER)}
    assert said["Network policies"] == state


def test_a_right_that_is_missing_is_told_and_the_rest_goes_on() -> None:
    cluster = control_plane()
    cluster.hidden = {"Provider", "Deployment"}
    said = {each.subject: each for each in bad(found(cluster))}
    assert said["packages"].state is State.UNREADABLE
    assert said["packages"].says == "cannot be looked at further: you may not list providers"
    assert said["Crossplane"].mend == (
        "kubectl auth can-i get deployments --namespace crossplane-system, and ask for the right to"
    )
    assert any(each.subject == "Composition model" for each in found(cluster))


@pytest.mark.parametrize(
    ("wanted", "live", "paths_"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {}, "b": []}, {}, []),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2, "d": 3}]}}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
        ({"a": {"b": 1}}, {"a": {}}, ["a.b"]),
        ({"a": {"b": 1}}, {}, ["a"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["a[0].b"]),
    ],
)
def test_differences(wanted: Any, live: Any, paths_: list[str]) -> None:
    assert list(differences(wanted, live)) == paths_


def test_rights_of_several_rules_add_up() -> None:
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        {"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["list"]},
    ]
    assert allows(rules, "", "secrets", ["get", "list"])
    assert not allows(rules, "apps", "secrets", ["get"])
    assert not allows(rules, "", "pods", ["get"])


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("xpkg.example/a/b:v1.3.0", (1, 3, 0)),
        ("localhost:5000/a/b:1.3.0-rc.1", (1, 3, 0)),
        ("localhost:5000/a/b", None),
        ("a/b:v2.4.0@sha256:01", (2, 4, 0)),
        ("a/b:latest", None),
    ],
)
def test_the_version_of_an_image(image: str, version: tuple[int, ...] | None) -> None:
    assert image_version(image) == version


def config(server: str) -> dict[str, Any]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def test_a_cluster_that_cannot_be_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    file = tmp_path / "config"
    file.write_text(json.dumps(config(f"https://127.0.0.1:{port}")))
    assert main(["check", "--kubeconfig", str(file)]) == 1
    [*_, said] = capsys.readouterr().err.splitlines()
    assert said == (
        f"the cluster does not answer at https://127.0.0.1:{port} (Connection refused): check --kubeconfig and "
        "--context, and that this machine reaches it, such as by a VPN"
    )


def test_a_context_that_there_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config"
    file.write_text(json.dumps(config("https://127.0.0.1:1")))
    assert main(["check", "--kubeconfig", str(file), "--context", "other"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{file} names no cluster: ")
    assert said.rstrip().endswith("Give --kubeconfig or --context")


def test_another_format_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-o", "yaml"]) == 2
    assert "json" in capsys.readouterr().err


def test_commands_reach_the_cluster_that_was_looked_at() -> None:
    cluster = control_plane()
    cluster.without("Deployment", "crossplane")
    cluster.without("ClusterRole", "freehold-app-team")
    mends = [command.reaching(each, Path("/k"), "eu").mend for each in bad(found(cluster))]
    assert mends[0].startswith("helm --kubeconfig /k --kube-context eu upgrade --install ")
    assert mends[1].startswith("kubectl --kubeconfig /k --context eu apply ")
