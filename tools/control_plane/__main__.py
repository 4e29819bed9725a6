"""`python -m tools.control_plane up|down`: what `make control-plane` and its counterpart run."""

import argparse
import sys

from tools.control_plane import layout, plane
from tools.control_plane.binaries import TOOLS
from tools.errors import ToolError
from tools.servers import SigtermAsExit
from tools.toolchain import CORE, provide


def main() -> int:
    """Start or stop the control plane of this clone."""
    parser = argparse.ArgumentParser(prog="control-plane", description=__doc__)
    parser.add_argument("action", choices=("build", "up", "down"))
    action = parser.parse_args().action
    try:
        with SigtermAsExit():
            _do(action)
    except ToolError as error:
        print(f"control plane: {error}", file=sys.stderr)
        return 1
    return 0


def _do(action: str) -> None:
    where = layout.default()
    if action == "down":
        stopped = plane.down(where)
        print(f"control plane: stopped {', '.join(stopped) or 'nothing: it did not run'}", file=sys.stderr)
        return
    provide(CORE, *TOOLS)
    if action == "up":
        if plane.running(where):
            print("control plane: runs already", file=sys.stderr)
        else:
            plane.up(where)
        print(f"control plane: logs in {where.folder / 'logs'}", file=sys.stderr)
        print(f"export KUBECONFIG={where.kubeconfig()}")


if __name__ == "__main__":
    sys.exit(main())
