"""The contract with Crossplane: the only package that knows protobuf.

Reading order: `outcome` (what a function decides), `request` (what it is asked),
`assemble` (what becomes of every resource), `respond` (both ends on the wire).
"""

from .conditions import Condition, Progress, Status, Whose
from .errors import Invalid, Unanswered
from .naming import HELM_RELEASE, LABEL, digest, label_value, unique_name
from .outcome import Function, Outcome, Readiness, Resource, by_itself, condition_true, exists
from .policies import DIES_WITH_CLUSTER
from .request import Claim, Request, Selector, parse
from .usages import USAGES, goes_after
from .view import View

__all__ = [
    "DIES_WITH_CLUSTER",
    "HELM_RELEASE",
    "LABEL",
    "USAGES",
    "Claim",
    "Condition",
    "Function",
    "Invalid",
    "Outcome",
    "Progress",
    "Readiness",
    "Request",
    "Resource",
    "Selector",
    "Status",
    "Unanswered",
    "View",
    "Whose",
    "by_itself",
    "condition_true",
    "digest",
    "exists",
    "goes_after",
    "label_value",
    "parse",
    "unique_name",
]
