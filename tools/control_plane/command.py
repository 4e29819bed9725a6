"""What `freehold up`, `freehold down` and `freehold build --control-plane` do."""

from tools.console import say
from tools.control_plane import layout, plane
from tools.control_plane.binaries import LEADER_WORKER_SET, TOOLS
from tools.servers import SigtermAsExit
from tools.toolchain import ADMISSION, CORE, provide


def build() -> None:
    """Build what a control plane runs, and what tests/e2e run beside it."""
    with SigtermAsExit():
        provide(ADMISSION, CORE, *TOOLS, LEADER_WORKER_SET)


def up() -> None:
    """Start the control plane of this clone, and print its kubeconfig as a shell's export."""
    where = layout.default()
    with SigtermAsExit():
        provide(CORE, *TOOLS)
        if plane.running(where):
            say("control plane: runs already")
        else:
            plane.up(where)
    say(f"control plane: logs in {where.folder / 'logs'}")
    print(f"export KUBECONFIG={where.kubeconfig()}")


def down() -> None:
    """Stop the control plane of this clone."""
    with SigtermAsExit():
        stopped = plane.down(layout.default())
    say(f"control plane: stopped {', '.join(stopped) or 'nothing: it did not run'}")
