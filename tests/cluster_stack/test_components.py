"""What only some clusters need: composed whole where a pool or the cloud asks for it, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.base import unique_name
from functions.cluster_stack.compose import FUNCTION
from tests.cluster_stack.stack import (
    AGENT_ALL,
    ALWAYS,
    AWS,
    CRDS,
    EXISTING,
    NFD,
    OPERATOR,
    REACHABLE,
    composed,
    pool,
    request,
    values,
)

AUTOSCALER = "cluster-stack/cluster-autoscaler"
EFA = "cluster-stack/efa-device-plugin"
LWS = "cluster-stack/leader-worker-set"
LWS_ALL = [f"{LWS}-namespace", LWS, f"{LWS}-deployment"]
SIZED = {
    "autoscaler": {"cloud": "aws", "clusterName": "eu-prod-x7k2p", "region": "eu-central-1"},
    "kubernetesVersion": "1.34",
}
RDMA = {"resource": "vpc.amazonaws.com/efa", "perNode": 32}
H100 = pool("h100", gpusPerNode=8, fabric=RDMA, instanceType="p5.48xlarge")
TAINTED = pool("b200", fabric=RDMA, instanceType="p6-b200.48xlarge", taints=[{"key": "team", "value": "a"}])


HELM_NAMES = {
    "cluster-autoscaler": "freehold-cluster-autoscaler-57d7f8",
    "efa-device-plugin": "freehold-efa-device-plugin-512b63",
    "leader-worker-set": "freehold-leader-worker-set-7a7df0",
}


def release(component: str, namespace: str, chart: Mapping[str, str], own: Mapping[str, Any]) -> Any:
    """Return the Release of a cluster that the claim created."""
    return {
        "apiVersion": "helm.m.crossplane.io/v1beta1",
        "kind": "Release",
        "metadata": {
            "name": unique_name("eu-prod-x7k2p", component),
            "namespace": "crossplane-system",
            "annotations": {"crossplane.io/external-name": HELM_NAMES[component]},
        },
        "spec": {
            "managementPolicies": ["Observe", "Create", "Update"],
            "forProvider": {"chart": chart, "namespace": namespace, "values": own},
            "rollbackLimit": 1000,
            "providerConfigRef": {"kind": "ProviderConfig", "name": "eu-prod-helm"},
        },
    }


@pytest.mark.parametrize(
    ("status", "pools", "expected"),
    [
        pytest.param({}, [pool()], [], id="one-GPU-a-node"),
        pytest.param(SIZED, [pool()], [AUTOSCALER, f"{AUTOSCALER}-deployment"], id="sized"),
        pytest.param({}, [H100], [EFA, f"{EFA}-daemonset", *LWS_ALL], id="fabric"),
        pytest.param(
            {},
            [pool(fabric={"resource": "rdma/shared", "perNode": 8})],
            LWS_ALL,
            id="another-fabric",
        ),
        pytest.param({}, [pool(gpusPerNode=8)], LWS_ALL, id="several-GPUs-a-node"),
        pytest.param({}, [pool(gpusPerNode=8, nodes={"min": 1, "max": 1})], [], id="a-single-node"),
        pytest.param(
            {},
            [
                pool(
                    gpusPerNode=8,
                    sharing={
                        "mode": "MIG",
                        "resource": "nvidia.com/mig-1g.10gb",
                        "perGPU": 7,
                        "memoryMiB": 9856,
                    },
                )
            ],
            [],
            id="slices-span-no-nodes",
        ),
    ],
)
def test_what_is_needed(status: Mapping[str, Any], pools: list[Any], expected: list[str]) -> None:
    crds = [f"{LWS}-crds"] if LWS in expected else []
    assert list(composed(status=status, pools=pools)) == [*ALWAYS, *expected, *AGENT_ALL, *CRDS, *crds]


@pytest.mark.parametrize("release", [LWS, EFA])
def test_what_no_pool_needs_any_more_stays(release: str) -> None:
    # Proves: Models that run by it go on, and nothing is left in a cluster without the Release that upgrades it.
    assert release not in composed(pools=[pool()])
    assert release in composed(pools=[pool()], ready=[release])


def test_each_comes_as_soon_as_what_it_needs_is_there() -> None:
    # Proves: only the GPU Operator needs another component; an observation waits for its Release alone.
    found = FUNCTION.compose(request(status=SIZED, pools=[H100])).resources
    assert {r.name: r.after for r in found[len(ALWAYS) :] if r.name not in [*AGENT_ALL, *CRDS]} == {
        AUTOSCALER: (REACHABLE,),
        f"{AUTOSCALER}-deployment": (AUTOSCALER,),
        EFA: (REACHABLE,),
        f"{EFA}-daemonset": (EFA,),
        f"{LWS}-namespace": (REACHABLE,),
        LWS: (REACHABLE, f"{LWS}-namespace"),
        f"{LWS}-deployment": (LWS,),
        f"{LWS}-crds": (REACHABLE,),
    }


def test_in_a_cluster_that_stays_each_is_uninstalled_first() -> None:
    # Proves: every Release keeps the mark of the claim until it is uninstalled, and is deleted with its claim.
    found = composed(EXISTING, pools=[H100])
    releases = [name for name, manifest in found.items() if manifest["kind"] == "Release"]
    assert releases == [NFD, OPERATOR, EFA, LWS]
    kept = {
        n: m["spec"]["of"]["resourceRef"]
        for n, m in found.items()
        if m["kind"] == "Usage" and m["spec"]["by"]["kind"] == "Release" and n.endswith("-first")
    }
    mark = {"name": unique_name("eu-prod-x7k2p", "holder")}
    assert kept == {f"{name}-first": mark for name in releases}
    assert not any("managementPolicies" in found[name]["spec"] for name in releases)


def test_autoscaler() -> None:
    # Proves: whole; the image is that of the cluster's Kubernetes, not the chart's own.
    assert composed(status=SIZED)[AUTOSCALER] == release(
        "cluster-autoscaler",
        "kube-system",
        {
            "name": "cluster-autoscaler",
            "repository": "https://kubernetes.github.io/autoscaler",
            "version": "9.59.0",
        },
        {
            "fullnameOverride": "cluster-autoscaler",
            "cloudProvider": "aws",
            "autoDiscovery": {"clusterName": "eu-prod-x7k2p"},
            "awsRegion": "eu-central-1",
            "image": {"tag": "v1.34.5"},
            "rbac": {"serviceAccount": {"name": "cluster-autoscaler"}},
            "extraArgs": {
                "expander": "least-waste",
                "skip-nodes-with-local-storage": False,
                "scale-down-gpu-utilization-threshold": "0.01",
                "max-node-provision-time": "30m",
            },
            "resources": {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "1Gi"}},
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containerSecurityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        },
    )


def test_efa() -> None:
    # Proves: whole; on the machines of pools with such a fabric, whatever their taints.
    found = composed(pools=[TAINTED, pool(instanceType="g6.xlarge"), H100])
    assert found[EFA] == release(
        "efa-device-plugin",
        "kube-system",
        {
            "name": "aws-efa-k8s-device-plugin",
            "repository": "https://aws.github.io/eks-charts",
            "version": "v0.5.30",
        },
        {
            "fullnameOverride": "aws-efa-k8s-device-plugin",
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
                {"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"},
            ],
            "supportedInstanceLabels": {"values": ["p5.48xlarge", "p6-b200.48xlarge"]},
            "image": {
                "repository": "602401143452.dkr.ecr.eu-central-1.amazonaws.com/eks/aws-efa-k8s-device-plugin"
            },
        },
    )


@pytest.mark.parametrize(
    ("region", "repository"),
    [
        pytest.param(
            "us-gov-west-1",
            "013241004608.dkr.ecr.us-gov-west-1.amazonaws.com/eks/aws-efa-k8s-device-plugin",
            id="GovCloud",
        ),
        pytest.param(
            "cn-north-1",
            "918309763551.dkr.ecr.cn-north-1.amazonaws.com.cn/eks/aws-efa-k8s-device-plugin",
            id="China",
        ),
        pytest.param("xx-new-1", None, id="a-region-that-no-table-lists"),
    ],
)
def test_efa_comes_from_a_registry_that_nodes_can_reach(region: str, repository: str | None) -> None:
    # Proves: by region and partition; the chart's own stands where nothing better is known.
    found = composed(status={"cloud": {"name": "aws", "region": region}}, pools=[H100])[EFA]
    assert values(found).get("image", {}).get("repository") == repository


def test_efa_of_machines_that_are_there_already() -> None:
    # Proves: where their type is not known, the chart's own list stands: an empty one would be refused.
    found = composed(EXISTING, pools=[pool(fabric=RDMA)])[EFA]["spec"]["forProvider"]["values"]
    assert "supportedInstanceLabels" not in found


def test_leader_worker_set() -> None:
    # Proves: whole.
    assert composed(pools=[H100])[LWS] == release(
        "leader-worker-set",
        "lws-system",
        {"name": "lws", "repository": "oci://registry.k8s.io/lws/charts", "version": "v0.10.0"},
        {
            "fullnameOverride": "lws",
            "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
            "podSecurityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        },
    )


@pytest.mark.parametrize(
    ("name", "kind", "target", "works"),
    [
        pytest.param(
            f"{AUTOSCALER}-deployment",
            "Deployment",
            {"name": "cluster-autoscaler", "namespace": "kube-system"},
            "availableReplicas >= object.spec.replicas",
            id="autoscaler",
        ),
        pytest.param(
            f"{EFA}-daemonset",
            "DaemonSet",
            {"name": "aws-efa-k8s-device-plugin", "namespace": "kube-system"},
            "currentNumberScheduled >= object.status.desiredNumberScheduled",
            id="efa",
        ),
        pytest.param(
            f"{LWS}-deployment",
            "Deployment",
            {"name": "lws-controller-manager", "namespace": "lws-system"},
            "availableReplicas >= object.spec.replicas",
            id="leader-worker-set",
        ),
    ],
)
def test_it_works_when_its_pods_do(name: str, kind: str, target: Mapping[str, str], works: str) -> None:
    # Proves: what Helm has installed is observed, never written, and judged by its pods.
    spec = composed(status=SIZED, pools=[H100])[name]["spec"]
    assert spec["managementPolicies"] == ["Observe"]
    assert spec["forProvider"]["manifest"] == {"apiVersion": "apps/v1", "kind": kind, "metadata": target}
    assert works in spec["readiness"]["celQuery"]
    assert "observedGeneration >= object.metadata.generation" in spec["readiness"]["celQuery"]


def test_a_platforms_own_values() -> None:
    # Proves: laid over the package's as Helm does: maps merged, lists and single values replaced.
    given = {
        "efaDevicePlugin": {
            "repository": "oci://mirror/charts",
            "values": {
                "image": {"repository": "mirror/efa"},
                "tolerations": [],
                "supportedInstanceLabels": {"keys": ["machine"]},
            },
        }
    }
    found = composed(AWS, pools=[H100], given=given)
    assert found[EFA]["spec"]["forProvider"]["chart"] == {
        "name": "aws-efa-k8s-device-plugin",
        "repository": "oci://mirror/charts",
        "version": "v0.5.30",
    }
    assert found[EFA]["spec"]["forProvider"]["values"] == {
        "fullnameOverride": "aws-efa-k8s-device-plugin",
        "image": {"repository": "mirror/efa"},
        "tolerations": [],
        "supportedInstanceLabels": {"values": ["p5.48xlarge"], "keys": ["machine"]},
    }
    assert found[LWS] == composed(AWS, pools=[H100])[LWS]
