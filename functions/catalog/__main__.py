"""Read a model's own files: `python -m functions.catalog inspect FOLDER`.

Prints what the model's entry in the catalog would be. Exit codes: 0 printed; 1 refused, with the
reason; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .checkpoint import Refused
from .inspect import as_architecture, as_row, figures, inspect


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    name = options.model or options.folder.resolve().name
    try:
        entry = inspect(options.folder, name, options.parameters_billions)
        text = as_row(entry) if options.tsv else as_architecture(entry)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    # A row has no place for a comment.
    print(figures(entry), file=sys.stderr) if options.tsv else print(f"# {figures(entry)}")
    print(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m functions.catalog", description=(__doc__ or "").split("\n")[0]
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "inspect",
        help="print the catalog's entry of a model in a local folder",
        description="Print spec.architecture of a Model from the model's own config.json and safetensors "
        "files. Of those the index or the headers are enough; nothing is downloaded.",
    )
    command.add_argument("folder", type=Path, metavar="FOLDER", help="folder with the model's config.json")
    command.add_argument(
        "--tsv", action="store_true", help="print the row of functions/catalog/models.tsv instead"
    )
    command.add_argument("--model", metavar="ORGANISATION/NAME", help="name on the Hub; default the folder's")
    command.add_argument(
        "--parameters-billions",
        type=billions,
        metavar="N",
        help="parameters from the model's card, where quantised files do not say",
    )
    return parser


def billions(text: str) -> float:
    """Parse a number of parameters, in billions."""
    number = float(text)
    if not 0 < number <= 10000:
        raise argparse.ArgumentTypeError("above 0 and at most 10000")
    return number


if __name__ == "__main__":
    sys.exit(main())
