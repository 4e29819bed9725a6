"""Parse commands as vLLM does when it starts, and check what it checks before it loads anything.

Request: a list of commands, each `vllm serve FOLDER ARGUMENT...`. Answer: a list of what is wrong with each,
as a list of sentences.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

# vLLM reads what it says of its arguments only for a command line that asks for help.
REQUEST, ANSWER = map(Path, sys.argv[1:])
sys.argv = ["vllm", "serve", "--help=all"]

from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: E402
from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args  # noqa: E402
from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: E402

WEIGHTS = str(Path.cwd())
"""A folder that exists, in place of the one that a pod mounts."""


def faults(parser: Any, command: list[str]) -> list[str]:
    """Return what is wrong with the arguments of one command."""
    program, arguments = command[:2], [_without_template(argument) for argument in command[3:]]
    if program != ["vllm", "serve"]:
        return [f"{command[:2]} does not start vLLM"]
    found = [fault for argument in arguments for fault in _one(parser, argument)]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parsed = parser.parse_args([WEIGHTS, *arguments])
        parsed.model = parsed.model_tag
        validate_parsed_serve_args(parsed)
        AsyncEngineArgs.from_cli_args(parsed)
    except SystemExit:
        found.append(said.getvalue().strip().splitlines()[-1])
    except (TypeError, ValueError) as error:
        found.append(str(error))
    return found


def _without_template(argument: str) -> str:
    """Replace a chat template among the examples of vLLM's image, which the package on PyPI does not have."""
    examples = "--chat-template=/vllm-workspace/examples/tool_chat_template_"
    return "--chat-template={{ messages }}" if argument.startswith(examples) else argument


def _one(parser: Any, argument: str) -> list[str]:
    """Return whether an argument is unknown or deprecated; a value of the one before it is neither."""
    if not argument.startswith("-"):
        return []
    name = argument.partition("=")[0].partition(".")[0]
    name = "--" + name[2:].replace("_", "-") if name.startswith("--") else name
    action = parser._option_string_actions.get(name)
    if action is None:
        return [f"{argument}: vLLM has no argument {name}"]
    deprecated = getattr(action, "deprecated", False) or action in FlexibleArgumentParser._deprecated
    if deprecated or "deprecated" in (action.help or "").lower():
        return [f"{argument}: vLLM calls {name} deprecated: {_first_sentence(action)}"]
    return []


def _first_sentence(action: argparse.Action) -> str:
    return " ".join((action.help or "").split())[:200]


def main() -> None:
    """Read the request, write the answer."""
    parser = make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))
    ANSWER.write_text(json.dumps([faults(parser, command) for command in json.loads(REQUEST.read_text())]))


if __name__ == "__main__":
    main()
