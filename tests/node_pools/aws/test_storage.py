"""The file system that several nodes read at once."""

from __future__ import annotations

import json
from typing import Any

from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import AT_PROVIDER, aws, cluster, fields, lives

FILE_SYSTEM = AT_PROVIDER["id"]


def made(**place: Any) -> dict[str, dict[str, Any]]:
    """Fields of every managed resource and Object of a cluster that lives, by name."""
    found = lives(FUNCTION, aws(**place))
    return {name: fields(m) for name, m in found.items() if "forProvider" in m.get("spec", {})}


def test_it_is_encrypted_and_open_to_the_nodes_alone() -> None:
    # Proves: at rest, and one port for one security group.
    found = made()
    assert found["efs"]["encrypted"] is True
    assert found["efs"]["throughputMode"] == "elastic"
    rule = found["efs-in"]
    assert (rule["ipProtocol"], rule["fromPort"], rule["toPort"]) == ("tcp", 2049, 2049)
    assert rule["referencedSecurityGroupId"] == "sg-0123456789abcdef0"
    assert [n for n in found if n.startswith("efs-out")] == []


def test_every_zone_has_a_way_to_it() -> None:
    # Proves: a mount target in each zone, in the private subnet, behind that security group.
    found = made()
    targets = [found[f"efs-mount-target-{i}"] for i in range(3)]
    assert [t["subnetIdRef"]["name"].split("-subnet-")[1][:9] for t in targets] == [
        "private-0",
        "private-1",
        "private-2",
    ]
    assert {t["securityGroupsRefs"][0]["name"][:33] for t in targets} == {"eu-prod-x7k2p-efs-security-group-"}


def test_one_mount_target_a_zone_in_a_network_that_is_there() -> None:
    # Proves: EFS refuses a second one in the same zone.
    zones = ["euc1-az1", "euc1-az2", "euc1-az2"]
    subnets = [{"id": f"subnet-0000000{i}", "zone": zone} for i, zone in enumerate(zones)]
    found = made(existingNetwork={"vpcId": "vpc-0123456789abcdef0", "subnets": subnets})
    targets = {n: f["subnetId"] for n, f in found.items() if n.startswith("efs-mount-target-")}
    assert targets == {"efs-mount-target-0": "subnet-00000000", "efs-mount-target-1": "subnet-00000001"}
    assert found["efs-security-group"]["vpcId"] == "vpc-0123456789abcdef0"


def test_its_storage_class() -> None:
    # Proves: a directory for each volume, of the user that reads and writes weights.
    found = made()["storage-class-shared"]["manifest"]
    assert found["metadata"] == {"name": "freehold-weights-shared"}
    assert found["provisioner"] == "efs.csi.aws.com"
    assert found["parameters"] == {
        "provisioningMode": "efs-ap",
        "fileSystemId": FILE_SYSTEM,
        "directoryPerms": "700",
        "uid": "2000",
        "gid": "2000",
    }


def test_what_is_deleted_is_no_longer_paid_for() -> None:
    # Proves: the driver removes what was in a volume.
    configured = json.loads(made()["addon-aws-efs-csi-driver"]["configurationValues"])
    assert configured == {"controller": {"deleteAccessPointRootDir": True}}


def test_what_waits_for_an_id() -> None:
    # Proves: neither is made with an empty id.
    resources = {r.name: r for r in FUNCTION.compose(cluster(aws())).resources}
    rule, storage_class = resources["node-pools/efs-in"], resources["node-pools/storage-class-shared"]
    assert (rule.manifest, rule.waits_for) == (None, "the id of the cluster's security group")
    assert (storage_class.manifest, storage_class.waits_for) == (None, "the id of the file system")
