"""What `freehold` prints, and where: results on standard output, everything else on standard error."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import IO

from rich.console import Console, RenderableType
from rich.table import Table

__all__ = ["failed", "say", "show", "table", "text", "ticking", "working"]

_UNBOUNDED = 10_000
"""Characters of a line that is not for a terminal: a file or a pipe gets whole lines."""
TICK_SECONDS = 10
"""Without a terminal, seconds between two lines of progress: a silent minute looks like a hang."""
_REFRESH_SECONDS = 0.5
"""On a terminal, seconds between two looks at the progress."""


def _console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """Return a console. Colours and line breaks are for terminals alone."""
    made = Console(file=file, stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _UNBOUNDED
    return made


@cache
def _stream(*, stderr: bool) -> Console:
    """Return the one console of a stream: a line that is printed beside a spinner moves the spinner down."""
    return _console(stderr=stderr)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table without lines, its cells two blanks apart."""
    made = Table(*head, box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for row in rows:
        made.add_row(*row)
    return made


def text(renderable: RenderableType) -> list[str]:
    """Return the lines of a table or a tree without colours, and without blanks at their ends."""
    file = io.StringIO()
    _console(file).print(renderable)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def show(renderable: RenderableType, *, stderr: bool = False) -> None:
    """Print a table or a tree; as whole lines when the output is no terminal."""
    target = _stream(stderr=stderr)
    if target.is_terminal:
        target.print(renderable)
        return
    for line in text(renderable):
        target.print(line, soft_wrap=True)


def say(message: str) -> None:
    """Print a line about the work to standard error."""
    _stream(stderr=True).print(message, soft_wrap=True)


def failed(message: str) -> None:
    """Print why a command failed to standard error, in red on a terminal."""
    _stream(stderr=True).print(message, style="red", soft_wrap=True)


@contextmanager
def working(message: str) -> Iterator[None]:
    """Show a message while work goes on: beside a spinner on a terminal, else as one line."""
    target = _stream(stderr=True)
    if not target.is_terminal:
        say(message)
        yield
        return
    with target.status(message):
        yield


@contextmanager
def ticking(message: Callable[[], str]) -> Iterator[None]:
    """Show a message that changes: beside a spinner on a terminal, else as a line every ten seconds."""
    target = _stream(stderr=True)
    ended = threading.Event()

    def tick() -> None:
        if not target.is_terminal:
            while not ended.wait(TICK_SECONDS):
                say(message())
            return
        with target.status(message()) as status:
            while not ended.wait(_REFRESH_SECONDS):
                status.update(message())

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        ended.set()
        ticker.join()
