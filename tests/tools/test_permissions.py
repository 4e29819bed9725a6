"""The IAM policy of docs/permissions: an action for each thing that composed kinds need, and none beside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from functions.node_pools.aws.managed import KINDS
from tools.paths import ROOT
from tools.permissions.aws import LONGEST, TAG, document, needs

WIDE = {
    # EFS makes and removes the network interfaces of mount targets as the caller, and tags none.
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    # EKS tries as the caller whether a launch template starts a machine.
    "ec2:RunInstances",
    # In a VPC that is there, which has no tag of ours; the group has.
    "ec2:CreateSecurityGroup",
    # The key of Secrets may be one that the spec names.
    "kms:CreateGrant",
}
"""Actions that change something and that no condition narrows."""


def statements() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(document())["Statement"]
    return found


def allowed() -> Iterator[tuple[str, dict[str, Any]]]:
    for statement in statements():
        for action in statement["Action"]:
            yield action, statement


def conditions(action: str) -> list[dict[str, Any]]:
    """Return the conditions under which an action is allowed; an empty one where it always is."""
    return [statement.get("Condition", {}) for each, statement in allowed() if each == action]


def test_every_kind_that_is_composed_is_in_the_table_and_no_other() -> None:
    assert {need.kind for need in needs()} == set(KINDS.group_of)


def test_every_action_is_one_that_a_kind_needs_and_every_need_is_there() -> None:
    assert {action for action, _ in allowed()} == {need.action for need in needs()}
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z]+", action) for action, _ in allowed()), "no wildcards"


def test_every_kind_can_be_made_looked_at_and_deleted() -> None:
    deleted = re.compile(r":(Delete|Release|Revoke|Detach|Disassociate|ScheduleKeyDeletion)")
    looked_at = re.compile(r":(Describe|Get|List)")
    made = re.compile(r":(Create|Allocate|Authorize|Associate|Put|Attach)")
    for kind in set(KINDS.group_of) - {"ClusterAuth"}:
        actions = [need.action for need in needs() if need.kind == kind]
        for pattern in (made, looked_at, deleted):
            assert any(map(pattern.search, actions)), (kind, pattern.pattern)


def test_it_is_said_how_each_need_is_known() -> None:
    assert {need.seen for need in needs()} == {"code", "listed", "inferred"}
    rows = [tuple(need) for need in needs()]
    assert len(set(rows)) == len(rows)


def test_what_changes_something_has_a_condition() -> None:
    looks = re.compile(r":(Describe|Get|List)")
    free = {action for action, statement in allowed() if "Condition" not in statement}
    assert {action for action in free if not looks.search(action)} == WIDE


def test_what_is_ours_is_known_by_its_tag() -> None:
    key, value = TAG
    own, new = ({f"aws:{of}Tag/{key}": value} for of in ("Resource", "Request"))
    assert conditions("ec2:DeleteVpc") == [{"StringEquals": own}]
    assert conditions("iam:PutRolePolicy") == [{"StringEquals": own}]
    assert conditions("eks:CreateCluster") == [{"StringEquals": new}]
    # Of the subnet as it is made, and of its VPC.
    assert conditions("ec2:CreateSubnet") == [{"StringEquals": new}, {"StringEquals": own}]


def test_roles_are_passed_to_three_services_and_get_the_policies_that_are_composed() -> None:
    [passed] = conditions("iam:PassRole")
    assert passed["StringEquals"]["iam:PassedToService"] == [
        "ec2.amazonaws.com",
        "eks.amazonaws.com",
        "pods.eks.amazonaws.com",
    ]
    [linked] = conditions("iam:CreateServiceLinkedRole")
    assert "eks.amazonaws.com" in linked["StringEquals"]["iam:AWSServiceName"]
    [attached] = conditions("iam:AttachRolePolicy")
    golden = (ROOT / "tests" / "golden" / "aws-large.yaml").read_text()
    assert set(attached["ArnEquals"]["iam:PolicyARN"]) == set(
        re.findall(r"policyArn: (arn:aws:iam:\S+)", golden)
    )


def test_tags_are_set_as_something_is_made_and_on_what_is_ours() -> None:
    made, own = conditions("ec2:CreateTags")
    assert "CreateVpc" in made["StringEquals"]["ec2:CreateAction"]
    assert "CreateTags" not in made["StringEquals"]["ec2:CreateAction"]
    assert own == {"StringEquals": {f"aws:ResourceTag/{TAG[0]}": TAG[1]}}


def test_iam_takes_it_as_one_policy() -> None:
    text = json.dumps(json.loads(document()), separators=(",", ":"))
    assert len(text) <= LONGEST


@pytest.mark.parametrize("name", ["docs/install.md", "SECURITY.md"])
def test_it_is_named_where_it_is_looked_for(name: str) -> None:
    assert "permissions/aws.json" in (ROOT / name).read_text()
