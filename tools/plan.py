"""What `freehold plan` does: a table of every pool of some clusters, and where a Model would be placed.

Files hold claims or XRs, in YAML or JSON; what kubectl prints of live ones will do.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType

from tools.console import show, table
from tools.definitions import Definitions
from tools.errors import Exit, ToolError
from tools.manifests import Manifest, label, load
from tools.placing import Decision, Row, decide, is_placed

_HEAD = ("", "CLUSTER", "POOL", "REPLICA", "NEEDS", "HAS", "FREE", "USD/H", "WHY")
_UNITS = (
    "NEEDS and HAS: GiB on each GPU or slice, for weights and cache. FREE: GPUs or slices of the pool at its "
    "largest that no Model takes. USD/H: listed price of what a replica takes."
)


def run(model: Path, clusters: Sequence[Path], *, json_output: bool) -> Exit:
    """Place a Model; return the exit code. Raises ClaimInvalidError, RefusedError, ToolError."""
    known = [manifest for path in clusters for manifest in load(path)]
    decision = decide(_one(model), known, Definitions())
    if json_output:
        print(json.dumps(as_json(decision), indent=2))
    else:
        show(Group(*report(decision)))
    return Exit.DONE if is_placed(decision) else Exit.TO_DO


def _one(path: Path) -> Manifest:
    found = load(path)
    if len(found) != 1:
        raise ToolError(f"{path} must hold one Model, it holds {', '.join(map(label, found)) or 'nothing'}")
    return found[0]


def report(decision: Decision) -> Iterator[RenderableType]:
    """Yield the table, the sum in words, and the condition as the function would set it."""
    if decision.rows:
        yield table(_HEAD, map(_cells, decision.rows))
        yield _UNITS
    if decision.sizing:
        yield f"Sizing: {decision.sizing['explanation']}"
    placed = decision.placed
    yield f"{placed.type}={placed.status.value} {placed.reason}: {placed.text}"


def _cells(row: Row) -> tuple[str, ...]:
    fit = row.fit
    return (
        "*" if row.chosen else "",
        row.cluster,
        row.pool or "-",
        row.takes or row.gpu_model or "-",
        f"{fit.needed_gib:.1f}" if fit else "-",
        f"{fit.usable_gib:.1f}" if fit else "-",
        f"{row.free} of {row.most}" if row.pool else "-",
        "-" if row.hourly_usd is None else f"{row.hourly_usd:.2f}",
        row.why,
    )


def as_json(decision: Decision) -> dict[str, Any]:
    """Return the decision for machines; sizes in GiB on each GPU, prices in US dollars an hour."""
    placed = decision.placed
    return {
        "placed": is_placed(decision),
        "condition": {
            "type": placed.type,
            "status": placed.status.value,
            "reason": placed.reason,
            "message": placed.text,
        },
        "sizing": dict(decision.sizing),
        "pools": [
            {
                "cluster": row.cluster,
                "pool": row.pool or None,
                "gpuModel": row.gpu_model or None,
                "replica": row.takes or None,
                "gpus": row.fit.gpus if row.fit else None,
                "neededGiBPerGPU": round(row.fit.needed_gib, 2) if row.fit else None,
                "usableGiBPerGPU": round(row.fit.usable_gib, 2) if row.fit else None,
                "free": row.free if row.pool else None,
                "most": row.most if row.pool else None,
                "priceUsdPerHour": None if row.hourly_usd is None else round(row.hourly_usd, 4),
                "chosen": row.chosen,
                "why": row.why,
            }
            for row in decision.rows
        ],
    }
