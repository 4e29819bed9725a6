"""The EKS cluster as a whole: every resource, what it waits for, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

import pytest

from functions.base import Invalid, Outcome
from functions.base.assemble import assemble
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, fields, live, lives, settled

TAGS = {
    "freehold.dev/cluster": "platform/eu-prod",
    "freehold.dev/namespace": "platform",
    "freehold.dev/owner": "platform",
    "managed-by": "freehold",
}
WITHOUT_TAGS = {
    "AccessPolicyAssociation",
    "ClusterAuth",
    "MountTarget",
    "RolePolicy",
    "RolePolicyAttachment",
    "Route",
    "RouteTableAssociation",
}
SPOT = {"name": "big", "gpu": {"model": "L40S", "count": 4}, "capacity": "Spot", "diskGiB": 500}

NAMES = {
    # network
    "vpc",
    "internet-gateway",
    *(f"subnet-{side}-{i}" for side in ("private", "public") for i in range(3)),
    "route-table-public",
    "route-public",
    *(f"association-{side}-{i}" for side in ("private", "public") for i in range(3)),
    *(f"{kind}-{i}" for kind in ("eip", "nat", "route-table-private", "route-private") for i in range(3)),
    # identity
    "role-cluster",
    "role-cluster-cluster",
    "role-node",
    "role-node-worker",
    "role-node-registry",
    "role-node-cni",
    "role-ebs-csi",
    "role-ebs-csi-ebs-csi",
    "pod-identity-ebs-csi",
    "role-efs-csi",
    "role-efs-csi-efs-csi",
    "pod-identity-efs-csi",
    "role-autoscaler",
    "role-autoscaler-scale",
    "pod-identity-autoscaler",
    # the cluster and what is in it
    "kms-key",
    "cluster",
    "cluster-auth",
    *(
        f"addon-{n}"
        for n in (
            "vpc-cni",
            "kube-proxy",
            "eks-pod-identity-agent",
            "eks-node-monitoring-agent",
            "coredns",
            "aws-ebs-csi-driver",
            "aws-efs-csi-driver",
        )
    ),
    # what several nodes read
    "efs",
    "efs-security-group",
    "efs-in",
    *(f"efs-mount-target-{i}" for i in range(3)),
    "storage-class-shared",
    "system-launch-template",
    "system-pool",
    "launch-template-l4",
    "pool-l4",
    "launch-template-big",
    "pool-big",
    # what reaches it
    "provider-config-kubernetes",
    "provider-config-helm",
    "reachable",
    "storage-class",
    # what placed Models read
    "offer",
    # the order in which they go
    "kms-key-last",
    "role-cluster-cluster-last",
    *(f"role-node-{policy}-last" for policy in ("worker", "registry", "cni")),
    "role-ebs-csi-ebs-csi-last",
    "role-efs-csi-efs-csi-last",
}
"""Composed resources' names. They never change: a new name is a new resource in AWS."""


def composed(spec: Mapping[str, Any] | None = None, **more: Any) -> Outcome:
    return FUNCTION.compose(cluster(spec or aws(L4, SPOT), **more))


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """Every manifest of a cluster that is up, by its name after the function's."""
    return lives(FUNCTION, aws(L4, SPOT))


def test_names() -> None:
    # Proves: all that is composed, by the names that must never change.
    assert {r.name for r in composed().resources} == {f"node-pools/{name}" for name in NAMES}


def test_everything_comes_after_what_it_waits_for() -> None:
    # Proves: every name in `after` is composed, and none waits for itself: no endless wait.
    order = TopologicalSorter({r.name: r.after for r in composed().resources})
    assert set(order.static_order()) == {r.name for r in composed().resources}


def test_objects_refer_to_what_they_wait_for(whole: dict[str, Any]) -> None:
    # Proves: whatever a manifest refers to by name is composed, so a reference resolves.
    names = {m["metadata"]["name"] for m in whole.values()}
    found = [name for m in whole.values() for name in _references(m.get("spec"))]
    assert len(found) > 50
    assert set(found) <= names


def _references(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        here = [
            v["name"]
            for k, v in node.items()
            if k.endswith("Ref")
            and k != "providerConfigRef"
            and k != "writeConnectionSecretToRef"
            and k != "secretRef"
        ]
        lists = [item["name"] for k, v in node.items() if k.endswith("Refs") for item in v]
        return [*here, *lists, *(name for v in node.values() for name in _references(v))]
    return [name for item in node for name in _references(item)] if isinstance(node, list) else []


def test_it_settles_in_few_looks() -> None:
    # Proves: what needs nothing is created at once, then every condition holds and every pool is ready.
    request, waves = settled(FUNCTION, aws(L4, SPOT))
    assert set().union(*waves) == {f"node-pools/{name}" for name in NAMES}
    assert len(waves) <= 10
    outcome = FUNCTION.compose(request)
    conditions = assemble(request, FUNCTION, outcome).conditions
    assert {t: c.status.value for t, c in conditions.items()} == dict.fromkeys(FUNCTION.conditions, "True")
    assert all(pool["ready"] for pool in outcome.status["nodePools"])


def test_status() -> None:
    # Proves: everything that the other functions and the next run need is recorded.
    status = composed(aws()).status
    assert set(status) == set(FUNCTION.status)
    assert status["access"] == {
        "namespace": "crossplane-system",
        "kubernetesProviderConfig": "eu-prod-x7k2p-kubernetes-0cf016",
        "helmProviderConfig": "eu-prod-x7k2p-helm-a0a073",
    }
    assert status["nodePools"] == [
        {
            "name": "l4",
            "gpuModel": "L4",
            "gpusPerNode": 1,
            "gpuMemoryMiB": 22888,
            "instanceType": "g6.xlarge",
            # 4000 - 60 - 10 - 2 x 5; 16384 x 0.925 - 255 - 11 x 110 - 100
            "allocatable": {"cpuMillicores": 3920, "memoryMiB": 13590},
            "nodes": {"min": 0, "max": 8},
            "capacity": "OnDemand",
            "priceUsdPerHour": 0.8048,
            "nodeSelector": {"freehold.dev/node-pool": "l4"},
            "alternatives": [
                "g6.2xlarge 0.98 USD/h",
                "g6.4xlarge 1.32 USD/h",
                "gr6.4xlarge 1.54 USD/h",
                "g6.8xlarge 2.01 USD/h",
                "gr6.8xlarge 2.45 USD/h",
            ],
            "ready": False,
        }
    ]
    assert status["network"] == {"zones": ["euc1-az1", "euc1-az2", "euc1-az3"]}
    assert status["autoscaler"] == {
        "cloud": "aws",
        "clusterName": "eu-prod-x7k2p-cluster-ba343f",
        "region": "eu-central-1",
    }
    assert status["cloud"] == {"name": "aws", "region": "eu-central-1", "partition": "aws"}
    assert status["nodeImage"] == {"driver": True, "containerToolkit": True}
    assert status["deletedWithClaim"] is True
    assert status["kubernetesVersion"] == "1.35"
    assert (status["storageClassName"], status["sharedStorage"]) == ("freehold-weights", False)
    assert status["sharedStorageClassName"] == "freehold-weights-shared"


def test_tags_everywhere(whole: dict[str, Any]) -> None:
    # Proves: what takes tags is tagged with its claim, machines, volumes and network interfaces
    # included, and with its pool where it is a pool's; nothing else is.
    for name, manifest in whole.items():
        if ".aws.m.upbound.io/" not in manifest["apiVersion"]:
            continue
        if manifest["kind"] in WITHOUT_TAGS:
            assert "tags" not in fields(manifest), name
        else:
            assert fields(manifest)["tags"].items() >= TAGS.items(), name
    of_pool = {**TAGS, "freehold.dev/pool": "l4"}
    assert fields(whole["pool-l4"])["tags"].items() >= of_pool.items()
    template = fields(whole["launch-template-l4"])
    assert template["tags"].items() >= of_pool.items()
    assert {
        s["resourceType"] for s in template["tagSpecifications"] if s["tags"].items() >= of_pool.items()
    } == {
        "instance",
        "volume",
        "network-interface",
    }


def test_what_add_ons_make_is_tagged_too(whole: dict[str, Any]) -> None:
    # Proves: volumes and network interfaces that no resource here stands for.
    def configured(name: str) -> Any:
        return json.loads(fields(whole[f"addon-{name}"])["configurationValues"])

    assert json.loads(configured("vpc-cni")["env"]["ADDITIONAL_ENI_TAGS"]) == TAGS
    assert configured("aws-ebs-csi-driver")["controller"]["extraVolumeTags"] == TAGS


def test_whose_cost_it_is() -> None:
    # Proves: the owner and the user's tags are on everything; the package's own cannot be overwritten.
    spec = {**aws(tags={"cost-center": "4711", "managed-by": "me"}), "owner": "research"}
    [vpc] = [r.manifest for r in composed(spec).resources if r.name == "node-pools/vpc"]
    assert fields(vpc)["tags"] == {
        "Name": "eu-prod-x7k2p-vpc-1db6a6",
        **TAGS,
        "cost-center": "4711",
        "freehold.dev/owner": "research",
    }


def test_a_composite_without_a_claim_has_no_empty_tags() -> None:
    # Proves: what is not known is left out.
    [vpc] = [r.manifest for r in composed(aws(), claim={}).resources if r.name == "node-pools/vpc"]
    assert fields(vpc)["tags"] == {
        "Name": "eu-prod-x7k2p-vpc-1db6a6",
        "freehold.dev/cluster": "eu-prod-x7k2p",
        "managed-by": "freehold",
    }


def test_region_account_and_namespace(whole: dict[str, Any]) -> None:
    # Proves: every managed resource goes to the claim's region, by its provider configuration.
    spec = aws(L4, providerConfigRef={"kind": "ProviderConfig", "name": "research"})
    given = {"platformNamespace": "infra"}
    for resource in composed(spec, given=given).resources:
        manifest = resource.manifest
        if manifest is None:
            continue
        assert manifest["metadata"]["namespace"] == "infra"
        if ".aws.m.upbound.io/" in manifest["apiVersion"]:
            assert manifest["spec"]["providerConfigRef"] == {"kind": "ProviderConfig", "name": "research"}
            wanted = None if manifest["apiVersion"].startswith("iam.") else "eu-central-1"
            assert fields(manifest).get("region") == wanted
    assert whole["vpc"]["spec"]["providerConfigRef"] == {"kind": "ClusterProviderConfig", "name": "default"}


def test_control_plane(whole: dict[str, Any]) -> None:
    # Proves: private by default, access by API only, audit logs, no add-on behind our back.
    found = fields(whole["cluster"])
    assert found["vpcConfig"]["endpointPrivateAccess"] is True
    assert found["vpcConfig"]["endpointPublicAccess"] is False
    assert "publicAccessCidrs" not in found["vpcConfig"]
    assert found["accessConfig"]["authenticationMode"] == "API"
    assert found["enabledClusterLogTypes"] == ["api", "audit", "authenticator"]
    assert found["bootstrapSelfManagedAddons"] is False
    assert found["version"] == "1.35"


ADMINS = "arn:aws:iam::111122223333:role/platform-admins"
OTHERS = "arn:aws:iam::111122223333:role/ops/on-call"


def entries(*roles: str, **place: Any) -> dict[str, Any]:
    spec = aws(L4, adminRoleArns=list(roles), **place)
    found = {r.name: r for r in composed(spec).resources}
    return {name: r for name, r in found.items() if name.startswith("node-pools/access-")}


def test_admins_enter_with_kubectl() -> None:
    # Proves: a role becomes an administrator of the whole cluster, and waits for it.
    assert entries() == {}
    entry, policy = entries(ADMINS).values()
    assert (entry.name, entry.after) == ("node-pools/access-entry-b53a6a", ("node-pools/cluster",))
    assert (policy.name, policy.after) == ("node-pools/access-policy-b53a6a", (entry.name,))
    who = {
        "clusterNameRef": {"name": "eu-prod-x7k2p-cluster-ba343f"},
        "principalArn": ADMINS,
        "region": "eu-central-1",
    }
    assert fields(entry.manifest) == {**who, "type": "STANDARD", "tags": TAGS}
    assert fields(policy.manifest) == {
        **who,
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        "accessScope": {"type": "cluster"},
    }


def test_the_order_of_admins_does_not_matter() -> None:
    # Proves: nobody loses access for a moment because another was put in front.
    found = entries(ADMINS, OTHERS)
    assert len(found) == 4
    assert found == entries(OTHERS, ADMINS)


def test_an_admin_policy_is_of_the_regions_partition() -> None:
    # Proves: GovCloud's own ARN.
    zones = [f"us-gov-west-1{letter}" for letter in "abc"]
    _, policy = entries(ADMINS, region="us-gov-west-1", zones=zones).values()
    assert fields(policy.manifest)["policyArn"].startswith("arn:aws-us-gov:eks::aws:cluster-access-policy/")


def test_a_role_that_is_not_there_is_told() -> None:
    # Proves: AWS's words and the field, when all else of the control plane holds.
    spec = aws(L4, adminRoleArns=[ADMINS])
    request, _ = settled(FUNCTION, spec)
    [name] = [n for n in request.observed if n.startswith("node-pools/access-entry-")]
    failed = {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "invalid principal"}
    entry = {**request.observed[name], "status": {"conditions": [failed]}}
    again = cluster(spec, observed={**request.observed, name: entry})
    found = assemble(again, FUNCTION, FUNCTION.compose(again)).conditions["ControlPlaneReady"]
    assert found.text == (
        f"[infrastructure] access of {ADMINS} to the EKS cluster: invalid principal. Check that the roles in spec.aws.adminRoleArns exist"
    )


def test_public_access_is_only_for_those_named() -> None:
    # Proves: an open API is open to the ranges of the spec.
    key = {"kmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/theirs"}
    resources = composed(aws(L4, publicAccessCidrs=["203.0.113.0/24"], **key)).resources
    [found] = [r.manifest for r in resources if r.name == "node-pools/cluster"]
    access = fields(found)["vpcConfig"]
    assert (access["endpointPublicAccess"], access["publicAccessCidrs"]) == (True, ["203.0.113.0/24"])


def test_no_gpu_pool_shares_its_label_with_the_system_pool() -> None:
    # Proves: a pool called system selects its own nodes and not those without a GPU.
    request, _ = settled(FUNCTION, aws({**L4, "name": "system"}))
    outcome = FUNCTION.compose(request)
    found = {r.name: r.manifest for r in outcome.resources}
    system = fields(found["node-pools/system-pool"])["labels"]
    [pool] = outcome.status["nodePools"]
    assert fields(found["node-pools/pool-system"])["labels"].items() >= pool["nodeSelector"].items()
    assert system == {"freehold.dev/system-pool": "true"}
    assert not system.keys() & pool["nodeSelector"].keys()


CLOSED = (
    "the cluster's Kubernetes API is only reachable from inside its VPC: run Crossplane in a network that "
    "reaches the VPC, or list the public addresses that it calls from in spec.aws.publicAccessCidrs"
)


def test_a_private_api_is_told_until_it_has_answered() -> None:
    # Proves: whoever runs Crossplane elsewhere learns it before the cluster is made, and nobody else.
    answered, _ = settled(FUNCTION, aws({**L4, "nodes": {"min": 1}}))
    assert CLOSED in composed().notes
    assert FUNCTION.compose(answered).notes == ()
    assert CLOSED not in composed(aws(L4, publicAccessCidrs=["203.0.113.0/24"])).notes


def test_gpu_pool(whole: dict[str, Any]) -> None:
    # Proves: machine, image, label, taint, bounds, market, zones, and a seeded size only.
    big, l4 = whole["pool-big"], whole["pool-l4"]
    found = fields(big)
    assert found["instanceTypes"] == ["g6e.12xlarge"]
    assert (found["amiType"], found["capacityType"]) == ("AL2023_x86_64_NVIDIA", "SPOT")
    assert found["labels"] == {
        "freehold.dev/node-pool": "big",
        "k8s.amazonaws.com/accelerator": "l40s",
        "freehold.dev/node-repair": "true",
    }
    assert found["taint"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}]
    assert found["updateConfig"] == {"maxUnavailable": 1}
    assert found["launchTemplate"]["version"] == "1"
    assert fields(l4)["scalingConfig"] == {"minSize": 0, "maxSize": 8}
    assert l4["spec"]["initProvider"] == {"scalingConfig": {"desiredSize": 0}}
    assert "LateInitialize" not in l4["spec"]["managementPolicies"]
    assert len(found["subnetIdRefs"]) == 3
    assert len(fields(l4)["subnetIdRefs"]) == 2  # g6 is not in euc1-az1


@pytest.mark.parametrize(
    ("size", "bounds", "wanted"),
    [
        pytest.param(4, (8, 16), {"minSize": 8, "maxSize": 16, "desiredSize": 8}, id="min-raised-above-it"),
        pytest.param(8, (0, 3), {"minSize": 0, "maxSize": 3, "desiredSize": 3}, id="max-lowered-below-it"),
        pytest.param(8, (8, 16), {"minSize": 8, "maxSize": 16}, id="as-many-as-min"),
        pytest.param(16, (8, 16), {"minSize": 8, "maxSize": 16}, id="as-many-as-max"),
        pytest.param(0, (0, 3), {"minSize": 0, "maxSize": 3}, id="none-and-none-asked"),
        pytest.param(None, (8, 16), {"minSize": 8, "maxSize": 16}, id="not-known"),
    ],
)
def test_a_size_outside_new_bounds_goes_along_with_them(
    size: int | None, bounds: tuple[int, int], wanted: dict[str, int]
) -> None:
    # Proves: EKS takes the new bounds, and within them the size is never set again.
    request, _ = settled(FUNCTION, aws())
    told = {} if size is None else {"scalingConfig": {"desiredSize": size}}
    observed = {
        **request.observed,
        "node-pools/pool-l4": live(request.observed["node-pools/pool-l4"], **told),
    }
    least, most = bounds
    spec = aws({**L4, "nodes": {"min": least, "max": most}})
    [pool] = [
        r.manifest for r in composed(spec, observed=observed).resources if r.name == "node-pools/pool-l4"
    ]
    assert fields(pool)["scalingConfig"] == wanted


def test_machines_start_safely(whole: dict[str, Any]) -> None:
    # Proves: encrypted disk of the pool's size, IMDSv2 that a pod cannot reach.
    found = fields(whole["launch-template-big"])
    assert found["blockDeviceMappings"][0]["ebs"] == {
        "volumeSize": 500,
        "volumeType": "gp3",
        "encrypted": "true",
        "deleteOnTermination": "true",
    }
    assert found["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }


def test_a_node_group_waits_for_its_launch_template() -> None:
    # Proves: the version is pinned, so the group is held back until there is one.
    [group] = [r for r in composed(aws()).resources if r.name == "node-pools/pool-l4"]
    assert (group.manifest, group.waits_for) == (None, "the version of its launch template")


def test_an_upgrade_does_the_control_plane_first() -> None:
    # Proves: nodes follow only what is observed of the control plane.
    request, _ = settled(FUNCTION, aws())
    spec = {**aws(), "kubernetesVersion": "1.36"}
    found = {r.name: r.manifest for r in composed(spec, observed=request.observed).resources}
    assert fields(found["node-pools/cluster"])["version"] == "1.36"
    assert fields(found["node-pools/pool-l4"])["version"] == "1.35"
    with pytest.raises(Invalid, match=r"1\.37 is more than one minor version ahead"):
        composed({**spec, "kubernetesVersion": "1.37"}, observed=request.observed)


def test_network_policies_are_enforced(whole: dict[str, Any]) -> None:
    # Proves: the CNI is told to, before there is any node.
    configured = json.loads(fields(whole["addon-vpc-cni"])["configurationValues"])
    assert configured["enableNetworkPolicy"] == "true"
    [pool] = [r for r in composed().resources if r.name == "node-pools/system-pool"]
    assert "node-pools/addon-vpc-cni" in pool.after


def test_the_ebs_driver_has_a_role_of_its_own(whole: dict[str, Any]) -> None:
    # Proves: by Pod Identity, with no key and nothing on the node's role.
    assert fields(whole["role-ebs-csi"])["assumeRolePolicy"].count("pods.eks.amazonaws.com") == 1
    found = fields(whole["pod-identity-ebs-csi"])
    assert (found["namespace"], found["serviceAccount"]) == ("kube-system", "ebs-csi-controller-sa")


@pytest.mark.parametrize(
    ("role", "service_account"),
    [
        ("role-ebs-csi", "ebs-csi-controller-sa"),
        ("role-efs-csi", "efs-csi-controller-sa"),
        ("role-autoscaler", "cluster-autoscaler"),
    ],
)
def test_a_pods_role_is_for_one_service_account_of_this_cluster(
    whole: dict[str, Any], role: str, service_account: str
) -> None:
    # Proves: no association of another cluster or service account in the AWS account gives it away.
    [statement] = json.loads(fields(whole[role])["assumeRolePolicy"])["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {
            "StringEquals": {
                "aws:RequestTag/eks-cluster-name": "eu-prod-x7k2p-cluster-ba343f",
                "aws:RequestTag/kubernetes-namespace": "kube-system",
                "aws:RequestTag/kubernetes-service-account": service_account,
            }
        },
    }
    [identity] = [
        fields(m)
        for m in whole.values()
        if m["kind"] == "PodIdentityAssociation"
        and fields(m)["roleArnRef"]["name"] == whole[role]["metadata"]["name"]
    ]
    assert identity["serviceAccount"] == service_account


def test_volumes_can_be_deleted_to_the_end(whole: dict[str, Any]) -> None:
    # Proves: nothing that a CSI driver needs is deleted before the cluster: its add-on and identity go with
    # it, its role's policy after it.
    for name, manifest in whole.items():
        if manifest["kind"] in ("Addon", "PodIdentityAssociation"):
            assert manifest["spec"]["managementPolicies"] == ["Observe", "Create", "Update"], name
    cluster = whole["cluster"]["metadata"]["name"]
    for kept in ("role-ebs-csi-ebs-csi", "role-efs-csi-efs-csi"):
        guard = whole[f"{kept}-last"]["spec"]
        assert guard["of"]["resourceRef"]["name"] == whole[kept]["metadata"]["name"]
        assert guard["by"]["resourceRef"]["name"] == cluster


def test_the_provider_writes_nothing_of_its_own_into_a_spec(whole: dict[str, Any]) -> None:
    # Proves: what is desired is what was composed: no zone by name beside the one by id, no size of the moment.
    for name, manifest in whole.items():
        if ".aws.m.upbound.io/" in manifest["apiVersion"]:
            assert not {"LateInitialize", "*"} & set(manifest["spec"]["managementPolicies"]), name


def test_broken_nodes_are_repaired(whole: dict[str, Any]) -> None:
    # Proves: EKS replaces them, and what tells it of broken GPUs reaches tainted nodes.
    for group in ("system-pool", "pool-l4", "pool-big"):
        assert fields(whole[group])["nodeRepairConfig"] == {"enabled": True}
    label = {"freehold.dev/node-repair": "true"}
    assert fields(whole["pool-l4"])["labels"].items() >= label.items()
    configured = json.loads(fields(whole["addon-eks-node-monitoring-agent"])["configurationValues"])
    assert configured == {"dcgmAgent": {"nodeSelector": label, "tolerations": [{"operator": "Exists"}]}}


def test_nodes_with_partitioned_gpus_are_not_repaired() -> None:
    # Proves: nothing holds GPUs open that the MIG manager has to partition, so nothing calls them broken.
    mig = {"name": "mig", "instanceType": "p4d.24xlarge", "sharing": {"mode": "MIG", "profile": "1g.5gb"}}
    pool = fields(lives(FUNCTION, aws(mig, region="us-east-1"))["pool-mig"])
    assert pool["nodeRepairConfig"] == {"enabled": False}
    assert "freehold.dev/node-repair" not in pool["labels"]


@pytest.mark.parametrize("machine", ["t4g.large", "m7g.xlarge", "c6gn.large", "a1.xlarge", "x2gd.large"])
def test_an_arm_system_pool_is_refused(machine: str) -> None:
    # Proves: in words, since the pool's node image would not start there.
    with pytest.raises(Invalid) as caught:
        composed(aws(L4, systemPool={"instanceType": machine}))
    assert str(caught.value) == (
        "spec.aws.systemPool.instanceType: aws.systemPool.instanceType has an ARM CPU, and the system pool's "
        f"node image is for amd64: use a machine such as m6i.large or m7a.large (got '{machine}'). Correct "
        "this field."
    )


@pytest.mark.parametrize(
    "machine", ["m6i.large", "m7a.large", "m7i-flex.large", "g4dn.xlarge", "gr6.4xlarge"]
)
def test_an_amd64_system_pool_is_taken(machine: str) -> None:
    # Proves: a g in front of the generation is no ARM CPU.
    pools = {r.name: r.manifest for r in composed(aws(L4, systemPool={"instanceType": machine})).resources}
    assert "node-pools/system-pool" in pools


@pytest.mark.parametrize(
    ("region", "arn", "principal"),
    [
        pytest.param("eu-central-1", "arn:aws:iam::aws:policy/", "ec2.amazonaws.com", id="aws"),
        pytest.param("cn-north-1", "arn:aws-cn:iam::aws:policy/", "ec2.amazonaws.com.cn", id="china"),
        pytest.param("us-gov-west-1", "arn:aws-us-gov:iam::aws:policy/", "ec2.amazonaws.com", id="gov"),
    ],
)
def test_partitions(region: str, arn: str, principal: str) -> None:
    # Proves: ARNs and principals are those of the region's partition.
    zones = [f"{region}{letter}" for letter in "abc"]
    found = {r.name: r.manifest for r in composed(aws(L4, region=region, zones=zones)).resources}
    assert fields(found["node-pools/role-node-cni"])["policyArn"] == f"{arn}AmazonEKS_CNI_Policy"
    trust = json.loads(fields(found["node-pools/role-node"])["assumeRolePolicy"])
    assert trust["Statement"][0]["Principal"] == {"Service": principal}


@pytest.mark.parametrize(
    ("zones", "field"),
    [
        pytest.param(["euc1-az1", "euc1-az2", "euc1-az3"], "availabilityZoneId", id="by-id"),
        pytest.param(["eu-central-1a", "eu-central-1b", "eu-central-1c"], "availabilityZone", id="by-name"),
    ],
)
def test_zones_by_id_and_by_name(zones: list[str], field: str) -> None:
    # Proves: each goes into the field that takes it.
    resources = composed(aws(L4, zones=zones)).resources
    subnets = [r.manifest for r in resources if r.manifest and r.manifest["kind"] == "Subnet"]
    assert [fields(s)[field] for s in subnets] == [zone for zone in zones for _ in ("private", "public")]


def test_what_is_inside_dies_with_the_cluster(whole: dict[str, Any]) -> None:
    # Proves: nothing inside the cluster is deleted through an API that may be gone.
    inside = [m for m in whole.values() if m["kind"] == "Object"]
    assert len(inside) == 3
    assert all("Delete" not in m["spec"]["managementPolicies"] for m in inside)


def test_the_storage_class_encrypts(whole: dict[str, Any]) -> None:
    # Proves: weights are encrypted and made in the zone of the node that reads them.
    found = fields(whole["storage-class"])["manifest"]
    assert found["parameters"] == {"type": "gp3", "encrypted": "true", "throughput": "500"}
    assert (found["volumeBindingMode"], found["reclaimPolicy"]) == ("WaitForFirstConsumer", "Delete")


@pytest.mark.parametrize(
    ("lost", "condition", "label", "text"),
    [
        pytest.param(
            "nat-1", "NetworkReady", "NAT gateway in euc1-az2", "Where AWS names a limit", id="network"
        ),
        pytest.param(
            "cluster",
            "ControlPlaneReady",
            "the EKS cluster",
            "The API is private: run Crossplane in",
            id="api",
        ),
        pytest.param("pool-l4", "NodePoolsReady", "node pool l4", "Where AWS has no capacity", id="pool"),
    ],
)
def test_a_failure_keeps_the_clouds_words_and_adds_the_next_step(
    lost: str, condition: str, label: str, text: str
) -> None:
    # Proves: the provider's message goes first, whose it is in front, the hint behind.
    request, _ = settled(FUNCTION, aws())
    broken = {**request.observed[f"node-pools/{lost}"]}
    failed = {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "AWS says no"}
    broken["status"] = {**broken["status"], "conditions": [failed]}
    again = cluster(aws(), observed={**request.observed, f"node-pools/{lost}": broken})
    found = assemble(again, FUNCTION, FUNCTION.compose(again)).conditions[condition]
    assert found.reason == "Failing"
    assert found.text.startswith(f"[infrastructure] {label}: AWS says no. {text}")


@pytest.mark.parametrize(
    ("what", "condition", "text"),
    [
        pytest.param(
            "cluster",
            "ControlPlaneReady",
            "the provider cannot update the EKS cluster: AWS says no. As before, Kubernetes 1.35 answers",
            id="cluster",
        ),
        pytest.param(
            "pool-l4",
            "NodePoolsReady",
            "the provider cannot update node pool l4: AWS says no. As before, the system pool and all GPU pools "
            "are there",
            id="pool",
        ),
    ],
)
def test_an_upgrade_that_eks_refuses_is_told(what: str, condition: str, text: str) -> None:
    # Proves: while 1.35 goes on to run, nothing says that 1.36 does, and the provider's words are there.
    request, _ = settled(FUNCTION, aws())
    observed = dict(request.observed)
    for name, seen in observed.items():
        version = {"version": "1.36"} if name.startswith(("node-pools/cluster", "node-pools/pool")) else {}
        if "forProvider" in seen.get("spec", {}) and version and "version" in fields(seen):
            newer = {**fields(seen), **version}
            observed[name] = {**seen, "spec": {**seen["spec"], "forProvider": newer}}
    refused = observed[f"node-pools/{what}"]
    conditions = [
        {"type": "Ready", "status": "True"},
        {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "AWS says no"},
    ]
    observed[f"node-pools/{what}"] = {**refused, "status": {**refused["status"], "conditions": conditions}}
    again = cluster({**aws(), "kubernetesVersion": "1.36"}, observed=observed)
    found = assemble(again, FUNCTION, FUNCTION.compose(again)).conditions[condition]
    assert (found.status.value, found.reason) == ("True", "UpdateFailing")
    assert found.text.startswith(f"[infrastructure] {text}")


def test_an_upgrade_under_way_is_told_by_what_runs() -> None:
    # Proves: updating in the very run that asks for it, and until EKS reports the new version; then done.
    request, _ = settled(FUNCTION, aws())
    asked = {**aws(), "kubernetesVersion": "1.36"}

    def said(observed: Any) -> tuple[str, str]:
        again = cluster(asked, observed=observed)
        found = assemble(again, FUNCTION, FUNCTION.compose(again)).conditions["ControlPlaneReady"]
        return found.reason, found.message

    updating = ("Updating", "Kubernetes 1.35 answers; being updated: the EKS cluster")
    assert said(request.observed) == updating
    seen = request.observed["node-pools/cluster"]
    applied = {**seen, "spec": {**seen["spec"], "forProvider": {**fields(seen), "version": "1.36"}}}
    assert said({**request.observed, "node-pools/cluster": applied}) == updating
    at = {**applied["status"]["atProvider"], "version": "1.36"}
    done = {**applied, "status": {**applied["status"], "atProvider": at}}
    # What follows the new version comes after it: here the add-ons.
    answers = said({**request.observed, "node-pools/cluster": done})[1]
    assert answers.startswith("Kubernetes 1.36 answers; being updated: EKS add-on kube-proxy")
