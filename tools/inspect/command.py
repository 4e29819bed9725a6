"""What `freehold inspect` does."""

from pathlib import Path

from tools.console import say
from tools.errors import Exit
from tools.inspect.entry import inspect
from tools.inspect.output import as_architecture, as_row, figures


def run(folder: Path, model: str | None, parameters_billions: float | None, *, tsv: bool) -> Exit:
    """Print the entry of the model in a folder. Raises Refused for what no entry can be made of."""
    found = inspect(folder, model or folder.resolve().name, parameters_billions)
    if tsv:
        # A row has no place for a comment.
        say(figures(found))
        print(as_row(found))
    else:
        block = as_architecture(found)
        print(f"# {figures(found)}")
        print(block)
    return Exit.DONE
