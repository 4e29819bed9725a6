"""Say which arguments vLLM's parser has, which parsers it registers, and what it makes of some items.

Request: a list of lists of items, as they stand in spec.engine.args. Answer: `arguments`, each with its names
and how many values it takes; `parsers` by their kind; and for each list the arguments that it sets, by their
first long name, or null where the parser refuses it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

REQUEST, ANSWER = map(Path, sys.argv[1:])
sys.argv = ["vllm", "serve"]

from vllm.entrypoints.openai.cli_args import make_arg_parser  # noqa: E402
from vllm.reasoning import ReasoningParserManager  # noqa: E402
from vllm.tool_parsers import ToolParserManager  # noqa: E402
from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: E402

VALUES = {None: "one", "?": "optional", "+": "many", "*": "many", 0: "none"}


def name(action: argparse.Action) -> str:
    """Return an argument's first long name."""
    return next(option for option in action.option_strings if option.startswith("--"))


def takes(action: argparse.Action) -> str:
    """Say how many values an argument takes."""
    return "none" if isinstance(action, argparse.BooleanOptionalAction) else VALUES[action.nargs]


def sets(parser: Any, items: list[str]) -> list[str] | None:
    """Return the arguments that some items set to another value than their default."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            parsed = parser.parse_args([str(Path.cwd()), *items])
    except (SystemExit, ValueError, IndexError):
        return None
    return [
        name(action)
        for action in parser._actions
        if action.option_strings and getattr(parsed, action.dest, action.default) != action.default
    ]


def main() -> None:
    """Read the request, write the answer."""
    parser = make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))
    answer = {
        "arguments": [[name(a), a.option_strings, takes(a)] for a in parser._actions if a.option_strings],
        "parsers": {
            "tool-call": ToolParserManager.list_registered(),
            "reasoning": ReasoningParserManager.list_registered(),
        },
        "sets": [sets(parser, items) for items in json.loads(REQUEST.read_text())],
    }
    ANSWER.write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
