"""The IAM policy for the AWS providers: just the actions that the composed kinds need.

`aws.tsv` says for each kind which actions its life takes: creation, changes, deletion and each look. Its
column `seen` says how that is known: `code` was read in the provider, `listed` is in the list that Pike made
by running Terraform's same resources (https://github.com/JamesWoolfenden/pike), `inferred` follows from AWS'
API (https://docs.aws.amazon.com/service-authorization/latest/reference). None of it has run in AWS.

Its column `scope` says when an action is allowed:
- any: always; looks, and what no tag can narrow
- new: for what gets our tag as it is made; of EC2, for the type in `resource`: the rest must have the tag
- own: for what has our tag
- made: tags, as part of what makes something of EC2
- attached: for roles with our tag, and AWS' policies that are composed
- passed: for roles that are passed to EKS, or to machines and pods of EKS
- linked: for the service-linked roles that EKS, node groups, Spot and EFS have made where they are missing
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from functions.node_pools.aws.identity import MANAGED_POLICIES

__all__ = ["LONGEST", "TAG", "Need", "document", "needs"]

TAG = ("managed-by", "freehold")
"""What everything that is composed has, and that takes tags."""
LONGEST = 6144
"""Characters of a policy that IAM attaches, without white space (IAM's quotas)."""
_TABLE = Path(__file__).with_name("aws.tsv")
_LINKED = ("eks", "eks-nodegroup", "autoscaling", "spot", "elasticfilesystem")
"""Services that make a role of their own: https://docs.aws.amazon.com/eks/latest/userguide/using-service-linked-roles.html"""
_PASSED_TO = ("ec2", "eks", "pods.eks")
_MAKES = ("Allocate", "Authorize", "Create", "Run")
"""How EC2's actions begin that may tag what they make."""


class Need(NamedTuple):
    """An action that the life of a kind takes."""

    kind: str
    action: str
    resource: str
    """A type of EC2's resources; * for all of every service."""
    scope: str
    seen: str


@cache
def needs() -> Sequence[Need]:
    """Return the rows of the table."""
    head, *rows = (line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines())
    assert tuple(head) == Need._fields
    return [Need(*row) for row in rows]


def document() -> str:
    """Return the policy as JSON."""
    keyed = sorted({(need.scope, need.resource != "*", need.resource, need.action) for need in needs()})
    statements = [_statement(scope, list(of)) for (scope, _), of in groupby(keyed, key=lambda each: each[:2])]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


def _statement(scope: str, of: Sequence[tuple[str, bool, str, str]]) -> dict[str, Any]:
    condition = _condition(scope)
    types = sorted({resource for *_, resource, _ in of})
    return {
        "Effect": "Allow",
        "Action": sorted({action for *_, action in of}),
        "Resource": "*" if types == ["*"] else [f"arn:aws:ec2:*:*:{each}/*" for each in types],
        **({"Condition": condition} if condition else {}),
    }


def _condition(scope: str) -> Mapping[str, Any]:
    key, value = TAG
    own = {"StringEquals": {f"aws:ResourceTag/{key}": value}}
    making = sorted(
        {n.action.removeprefix("ec2:") for n in needs() if n.action.removeprefix("ec2:").startswith(_MAKES)}
        - {"CreateTags"}
    )
    conditions: dict[str, Mapping[str, Any]] = {
        "any": {},
        "new": {"StringEquals": {f"aws:RequestTag/{key}": value}},
        "own": own,
        "made": {"StringEquals": {"ec2:CreateAction": making}},
        "attached": {**own, "ArnEquals": {"iam:PolicyARN": sorted(MANAGED_POLICIES)}},
        "passed": {"StringEquals": {"iam:PassedToService": [f"{each}.amazonaws.com" for each in _PASSED_TO]}},
        "linked": {"StringEquals": {"iam:AWSServiceName": [f"{each}.amazonaws.com" for each in _LINKED]}},
    }
    return conditions[scope]
