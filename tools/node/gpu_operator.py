"""The GPU Operator, played: says that every ClusterPolicy is ready, since its chart is a stand-in.

`python -m tools.node.gpu_operator KUBECONFIG`
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from tools.control_plane.api import Api
from tools.errors import ToolError
from tools.provider_status import TIME

NAME = "played-gpu-operator"
_POLICIES = ("nvidia.com/v1", "ClusterPolicy")
_POLL_SECONDS = 0.5
_STATUS = {
    "state": "ready",
    "conditions": [
        {
            "type": type_,
            "status": status,
            "reason": reason,
            "message": "",
            "lastTransitionTime": TIME,
        }
        for type_, status, reason in (("Ready", "True", "Reconciled"), ("Error", "False", "Ready"))
    ],
}


def main(kubeconfig: str) -> None:
    """Play for ever."""
    api = Api.of(Path(kubeconfig))
    while True:
        # Before the chart there is no such kind.
        with suppress(ToolError):
            for policy in api.items(*_POLICIES):
                if "status" not in policy:
                    api.patch(policy, {"status": _STATUS}, "status")
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
