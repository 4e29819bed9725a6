"""What `freehold` prints, and where: results on standard output, everything else on standard error."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from rich.console import Console, RenderableType
from rich.table import Table

__all__ = ["console", "failed", "say", "show", "table", "text", "ticking", "working"]

_UNBOUNDED = 10_000
"""Characters of a line that is not for a terminal: a file or a pipe gets whole lines."""
TICK_SECONDS = 10
"""Where there is no terminal, a line says so often what goes on: a silent minute looks like a hang."""
_SPINNER_SECONDS = 0.5


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """Return a console. Colours and line breaks are for terminals alone."""
    made = Console(file=file, stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _UNBOUNDED
    return made


def text(renderable: RenderableType) -> list[str]:
    """Return the lines of a table or a tree without colours, and without blanks at their ends."""
    file = io.StringIO()
    console(file).print(renderable)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table without lines, its cells two blanks apart."""
    made = Table(*head, box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for row in rows:
        made.add_row(*row)
    return made


def show(renderable: RenderableType, *, stderr: bool = False) -> None:
    """Print a table, a tree or a line; whole lines where nobody looks at a terminal."""
    target = console(stderr=stderr)
    if target.is_terminal:
        target.print(renderable, soft_wrap=isinstance(renderable, str))
        return
    for line in text(renderable):
        target.print(line, soft_wrap=True)


def say(message: str) -> None:
    """Print a line of progress, or what goes with a result, to standard error."""
    console(stderr=True).print(message, soft_wrap=True)


def failed(message: str) -> None:
    """Print why a command failed to standard error, in red on a terminal."""
    console(stderr=True).print(message, style="red", soft_wrap=True)


@contextmanager
def working(message: str) -> Iterator[None]:
    """Show that something goes on: a spinner on a terminal, else one line at the start."""
    target = console(stderr=True)
    if not target.is_terminal:
        say(message)
        yield
        return
    with target.status(message):
        yield


@contextmanager
def ticking(message: Callable[[], str]) -> Iterator[None]:
    """Show what goes on while it changes: beside a spinner on a terminal, else a line every ten seconds."""
    target = console(stderr=True)
    ended = threading.Event()

    def tick() -> None:
        if not target.is_terminal:
            while not ended.wait(TICK_SECONDS):
                say(message())
            return
        with target.status(message()) as status:
            while not ended.wait(_SPINNER_SECONDS):
                status.update(message())

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        ended.set()
        ticker.join()
