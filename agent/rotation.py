"""A key that the agent has made, and the one before it, which is taken for a while longer; all of it pure.

Both stand in one Secret, so that one write changes both. Its annotations say how often it was asked to
change, and when it did last. The number only grows: what asks for a lower one, such as a place that the
Model is leaving, changes nothing, and no key of before comes back.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .delivery import Asked

__all__ = ["FORMER", "annotated", "changed", "former", "is_due", "new_value"]

FORMER = "former"
"""Key of the value of before."""
_NUMBER, _SINCE = "agent.freehold.dev/rotation", "agent.freehold.dev/rotated-at"
_BITS = 256
"""Of a value that the agent makes."""


def new_value() -> str:
    """Return a random value, in base64."""
    return base64.b64encode(secrets.token_urlsafe(_BITS // 8).encode()).decode()


def annotated(asked: Asked) -> dict[str, str]:
    """Return the annotations of a Secret that is made for a delivery."""
    return {_NUMBER: str(asked.spec.rotation.number)} if asked.spec.rotation else {}


def is_due(asked: Asked, metadata: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a Secret is to get another value, or to lose the one of before.

    Args:
        asked: the delivery.
        metadata: of the Secret.
        now: the time.
    """
    return _asks_for_another(asked, metadata) or _is_over(asked, metadata, now)


def changed(asked: Asked, found: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the patch of a Secret that is due; it is refused where the Secret has changed.

    Args:
        asked: the delivery.
        found: the Secret.
        now: the time.
    """
    metadata = found["metadata"]
    assert asked.spec.rotation is not None, "else nothing is due"
    said: dict[str, str | None] = {_SINCE: None}
    data: dict[str, str | None] = {FORMER: None}
    if _asks_for_another(asked, metadata):
        said[_NUMBER] = str(asked.spec.rotation.number)
        before = (found.get("data") or {}).get(asked.spec.source.key)
        if before and asked.spec.rotation.overlap_minutes:
            data[FORMER] = str(before)
            said[_SINCE] = now.isoformat(timespec="seconds")
        data[asked.spec.source.key] = new_value()
    return {"metadata": {"resourceVersion": metadata["resourceVersion"], "annotations": said}, "data": data}


def former(asked: Asked, found: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """Return the value of before by its key in the delivered Secret, in base64; nothing once it is over."""
    value = (found.get("data") or {}).get(FORMER)
    if not value or asked.spec.rotation is None or _is_over(asked, found["metadata"], now):
        return {}
    return {asked.spec.rotation.key: str(value)} if _since(found["metadata"]) else {}


def _asks_for_another(asked: Asked, metadata: Mapping[str, Any]) -> bool:
    if asked.spec.rotation is None:
        return False
    try:
        made = int(_said(metadata).get(_NUMBER, "0"))
    except ValueError:
        made = 0
    return asked.spec.rotation.number > made


def _is_over(asked: Asked, metadata: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether the value of before is there and has had its time."""
    if asked.spec.rotation is None or _SINCE not in _said(metadata):
        return False
    since = _since(metadata)
    return since is None or now >= since + timedelta(minutes=asked.spec.rotation.overlap_minutes)


def _since(metadata: Mapping[str, Any]) -> datetime | None:
    try:
        since = datetime.fromisoformat(_said(metadata).get(_SINCE, ""))
    except ValueError:
        return None
    return since if since.tzinfo else since.replace(tzinfo=UTC)


def _said(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    return metadata.get("annotations") or {}
