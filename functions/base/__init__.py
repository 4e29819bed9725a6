"""The contract with Crossplane: the only package that knows protobuf.

Reading order: `outcome` (what a function decides), `request` (what it is asked),
`assemble` (what becomes of every resource), `respond` (both ends on the wire). `remote` builds
what reaches into other clusters.
"""

from . import remote
from .conditions import Condition, Progress, Reason, Status, Whose
from .errors import Invalid, Unanswered
from .naming import HELM_RELEASE, LABEL, digest, label_value, unique_name
from .outcome import Function, Outcome, Readiness, Resource, by_itself, condition_true, exists, reports
from .own_fields import own_fields
from .parse import parse
from .remote import goes_after
from .request import Claim, Request, Selector
from .settle import failing
from .view import View

__all__ = [
    "HELM_RELEASE",
    "LABEL",
    "Claim",
    "Condition",
    "Function",
    "Invalid",
    "Outcome",
    "Progress",
    "Readiness",
    "Reason",
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
    "failing",
    "goes_after",
    "label_value",
    "own_fields",
    "parse",
    "remote",
    "reports",
    "unique_name",
]
