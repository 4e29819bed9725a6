"""What the reading pod says, and what a user is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from functions.api import ModelSpec, VLLMInput
from functions.base import Condition, Request, View, Whose, failing
from functions.catalog import models, nearest

from ..place.why_not import not_placed
from .pod import TOKEN, is_reading

__all__ = ["Told", "from_pod", "not_understood", "reads"]

_STATUS = ("status", "atProvider", "manifest", "status")
_BY_HAND = "`freehold inspect` does the same by hand"
_WAY_OUT = (
    "or set spec.architecture from the model's card, or spec.baseModel where it is a fine-tune of a model "
    "that the catalog has"
)
_MOST_REPORT = 4096
"""Letters of a termination message, which the kubelet bounds: no status records more."""
_AGAIN = "The pod tries again by itself, at the latest every 5 minutes"


class Told(NamedTuple):
    """What the pod has said so far."""

    pod: View | None
    report: str | None = None
    """The report, as JSON."""
    commit: str = ""
    error: str = ""
    """Why there is none, as functions/checkpoint/report.py names it."""
    detail: str = ""

    def condition(self, spec: ModelSpec, request: Request, given: VLLMInput, claim: str) -> Condition:
        """Return the condition Placed while there is no report.

        Args:
            spec: the Model's.
            request: the Model's.
            given: the function's input.
            claim: of the cluster in which the pod reads, as namespace/name.
        """
        if not self.error:
            return _refused(spec, request, claim) or reads(spec, claim, self.pod)
        reason, whose, says = _ERRORS.get(self.error, ("ReadingFailed", Whose.PLATFORM, _failed))
        problem = says(_Asked(spec, request.claim.namespace, given.weights.endpoint, self.detail))
        return not_placed(whose, reason, f"{problem}. {_AGAIN}")


class _Asked(NamedTuple):
    """What messages name."""

    spec: ModelSpec
    namespace: str
    hub: str
    detail: str

    @property
    def token(self) -> str:
        """The Secret with the token, as namespace/name; empty without one."""
        ref = self.spec.source.hugging_face.token_secret_ref
        return f"{self.namespace}/{ref.name}" if ref else ""


def from_pod(pod: View | None) -> Told:
    """Return what the pod's container said when it last ended."""
    for status in pod.each(*_STATUS, "containerStatuses") if pod else ():
        for state in ("state", "lastState"):
            message = status.text(state, "terminated", "message")
            if message:
                return _parsed(pod, message)
            code = status.number(state, "terminated", "exitCode")
            if code:
                why = status.text(state, "terminated", "reason") or "Error"
                return Told(pod, error="Crashed", detail=f"{why}, exit code {code:.0f}, without a word")
    return Told(pod)


def _parsed(pod: View | None, message: str) -> Told:
    if len(message) > _MOST_REPORT:
        return Told(pod, error="TooLong", detail=f"a report of {len(message)} letters")
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        said = {"error": "Crashed", "detail": " ".join(message.split())[-300:]}
    if not isinstance(said, dict):
        said = {"error": "Crashed", "detail": message[:300]}
    if "error" in said:
        return Told(pod, error=str(said["error"]), detail=str(said.get("detail") or "")[:500])
    return Told(pod, report=message, commit=str(said.get("commit") or "")[:100])


def reads(spec: ModelSpec, claim: str, pod: View | None) -> Condition:
    """Return the condition of a Model whose files are being read.

    Args:
        spec: the Model's.
        claim: of the cluster, as namespace/name.
        pod: the Object of the pod; None where there is none yet.
    """
    meant = _meant(spec.model)
    text = (
        f"the catalog does not have {spec.model}{meant}, so a pod in InferenceCluster {claim} reads the "
        "model's files"
    )
    waits = _waits(pod) if pod else ""
    return not_placed(Whose.INFRASTRUCTURE, "ReadingModel", f"{text}{waits}; {_BY_HAND}")


def _refused(spec: ModelSpec, request: Request, claim: str) -> Condition | None:
    """Return the condition of a Model for whose files something cannot be made; None where all can."""
    for name in sorted(filter(is_reading, request.observed)):
        view = request.resource(name)
        why = failing(view).rstrip(". \n") if view else ""
        if not why or name == TOKEN:
            continue
        text = (
            f"InferenceCluster {claim} does not take what reads the files of {spec.model} ({why}): ask its "
            "owner, or set spec.architecture from the model's card"
        )
        return not_placed(Whose.PLATFORM, "ReadingRefused", text)
    return None


def _waits(pod: View) -> str:
    """Say what the pod waits for, beginning with a colon; empty where it does not say."""
    for condition in pod.each(*_STATUS, "conditions"):
        if condition.text("type") == "PodScheduled" and condition.text("status") == "False":
            return f": no node takes it ({(condition.text('message') or 'no reason given').rstrip('. ')})"
    for status in pod.each(*_STATUS, "containerStatuses"):
        waiting = status.text("state", "waiting", "reason")
        if waiting and waiting not in ("ContainerCreating", "PodInitializing", "CrashLoopBackOff"):
            message = status.text("state", "waiting", "message")
            return f": it waits, {waiting}" + (f" ({message.rstrip('. ')})" if message else "")
    return ""


def not_understood(spec: ModelSpec, problem: str) -> Condition | None:
    """Return the condition of a Model whose files cannot be sized; None without a problem.

    Args:
        spec: the Model's.
        problem: with the key that is not known, without a full stop at the end.
    """
    if not problem:
        return None
    return not_placed(Whose.MODEL, "NotUnderstood", f"the files of {spec.model}: {problem}, {_WAY_OUT}")


def _meant(name: str) -> str:
    """Ask in brackets whether a model of the catalog was meant; empty where none is spelled like the name."""
    close = nearest(name, list(models()))
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _no_model(asked: _Asked) -> str:
    name = asked.spec.model
    meant = _meant(name)
    private = f"or the token in Secret {asked.token} may not read it" if asked.token else "or it is private"
    remedy = (
        "give the token access"
        if asked.token
        else "name a Secret with a token in spec.source.huggingFace.tokenSecretRef"
    )
    return f"{asked.hub} has no model {name}, {private}: correct spec.model{meant}, or {remedy}"


def _no_revision(asked: _Asked) -> str:
    return (
        f"{asked.spec.model} has no revision {asked.spec.revision}: set spec.revision to a branch, a tag or "
        f"a commit that {asked.hub}/{asked.spec.model} has"
    )


def _gated(asked: _Asked) -> str:
    terms = f"accept its terms at {asked.hub}/{asked.spec.model}"
    if asked.token:
        return (
            f"{asked.spec.model} is gated, and the token in Secret {asked.token} has no access: {terms} with "
            "the token's account"
        )
    return (
        f"{asked.spec.model} is gated: {terms}, put a token of that account into a Secret in this namespace "
        "and name it in spec.source.huggingFace.tokenSecretRef"
    )


def _refused_token(asked: _Asked) -> str:
    why = f" ({asked.detail.rstrip('. ')})" if asked.detail else ""
    return (
        f"{asked.hub} refuses the token in Secret {asked.token} for {asked.spec.model}{why}: put a token "
        "into the Secret that is valid and may read the model"
    )


def _no_config(asked: _Asked) -> str:
    return f"{asked.spec.model} at {asked.spec.revision} has no config.json: name another model, {_WAY_OUT}"


def _no_json(asked: _Asked) -> str:
    return (
        f"a file of {asked.spec.model} at {asked.spec.revision} cannot be read ({asked.detail}): name "
        f"another revision, {_WAY_OUT}"
    )


def _unreachable(asked: _Asked) -> str:
    return (
        f"the Hub cannot be reached ({asked.detail}): check the cluster's firewall and name servers, or "
        "name a mirror in weights.endpoint of function-vllm's input"
    )


def _not_trusted(asked: _Asked) -> str:
    return (
        f"the certificate of {asked.hub}, or of a proxy before it, is not trusted ({asked.detail}): set "
        "weights.caBundle in function-vllm's input to the certificate of the authority that signed it"
    )


def _rate_limited(asked: _Asked) -> str:
    more = "" if asked.token else "; a token in spec.source.huggingFace.tokenSecretRef raises the limit"
    return f"{asked.hub} limits the requests that are made now (429): wait{more}"


def _failed(asked: _Asked) -> str:
    return (
        f"the pod that reads the files of {asked.spec.model} fails ({asked.detail}): set spec.architecture "
        "from the model's card, or ask who runs the platform"
    )


_ERRORS: dict[str, tuple[str, Whose, Callable[[_Asked], str]]] = {
    "RepoNotFound": ("ModelNotFound", Whose.MODEL, _no_model),
    "RevisionNotFound": ("RevisionNotFound", Whose.MODEL, _no_revision),
    "GatedRepo": ("GatedModel", Whose.MODEL, _gated),
    "TokenRefused": ("TokenRefused", Whose.MODEL, _refused_token),
    "NoConfig": ("NotUnderstood", Whose.MODEL, _no_config),
    "NotJSON": ("NotUnderstood", Whose.MODEL, _no_json),
    "TooLong": ("NotUnderstood", Whose.MODEL, _no_json),
    "NotTrusted": ("CertificateNotTrusted", Whose.PLATFORM, _not_trusted),
    "RateLimited": ("RateLimited", Whose.INFRASTRUCTURE, _rate_limited),
    "Unreachable": ("HubUnreachable", Whose.PLATFORM, _unreachable),
}
