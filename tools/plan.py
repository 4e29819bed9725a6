"""Where a Model would go and why, without a cluster: a table of every pool of some clusters.

    python -m functions.vllm plan MODEL.yaml CLUSTERS.yaml...

Files hold claims or XRs, in YAML or JSON; what kubectl prints of live ones will do. Exit codes:
0 placed; 1 a function refuses a claim, with its message; 2 wrong usage; 3 nothing fits.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.definitions import Definitions
from tools.errors import ToolError
from tools.manifests import Manifest, label, load
from tools.placing import ClaimInvalidError, Decision, Row, decide, is_placed

INVALID_EXIT, USAGE_EXIT, NOWHERE_EXIT = 1, 2, 3
_HEAD = ("", "CLUSTER", "POOL", "REPLICA", "NEEDS", "HAS", "FREE", "USD/H", "WHY")
_UNITS = (
    "NEEDS and HAS: GiB on each GPU or slice, for weights and cache. FREE: GPUs or slices of the pool at its "
    "largest that no Model takes. USD/H: listed price of what a replica takes."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        clusters = [manifest for path in options.clusters for manifest in load(path)]
        decision = decide(_one(options.model), clusters, Definitions())
    except ClaimInvalidError as error:
        print(error, file=sys.stderr)
        return INVALID_EXIT
    except ToolError as error:
        print(error, file=sys.stderr)
        return USAGE_EXIT
    if options.json:
        print(json.dumps(as_json(decision), indent=2))
    else:
        print("\n".join(as_text(decision)))
    return 0 if is_placed(decision) else NOWHERE_EXIT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m functions.vllm")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "plan",
        help="say where a Model would go, and why",
        description="Place a Model on the pools of some clusters, and say what it would need on each and why "
        "it is or is not the choice. A cluster without a status is planned from its spec and taken as ready.",
    )
    command.add_argument("model", type=Path, metavar="MODEL.yaml", help="file with one Model")
    command.add_argument(
        "clusters",
        type=Path,
        nargs="*",
        metavar="CLUSTERS.yaml",
        help="files or folders of InferenceClusters",
    )
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _one(path: Path) -> Manifest:
    found = load(path)
    if len(found) != 1:
        raise ToolError(f"{path} must hold one Model, it holds {', '.join(map(label, found)) or 'nothing'}")
    return found[0]


def as_text(decision: Decision) -> Iterator[str]:
    """Yield the table, the sum in words, and the condition as the function would set it."""
    if decision.rows:
        lines = [_HEAD, *map(_cells, decision.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
        for line in lines:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
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
