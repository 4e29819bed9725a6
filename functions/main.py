"""One door for the three servers: `python -m functions NAME`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click
from crossplane.function import cli as sdk

from functions.base import Function
from functions.base.server import MAX_MESSAGE_MB, serve

FUNCTIONS = {
    "node-pools": "functions.node_pools.compose",
    "cluster-stack": "functions.cluster_stack.compose",
    "vllm": "functions.vllm.compose",
}
"""Each function's name and the module that holds its FUNCTION, imported only to serve it."""


def load(name: str) -> Function:
    """Import a function by name."""
    function: Function = importlib.import_module(FUNCTIONS[name]).FUNCTION
    return function


@click.command(
    context_settings={
        "default_map": {"max_recv_message_size": MAX_MESSAGE_MB},
        "help_option_names": ["-h", "--help"],
    }
)
@click.argument("name", type=click.Choice(sorted(FUNCTIONS)), envvar="FUNCTION")
@sdk.standard_options
def main(name: str, **options: Any) -> None:
    """Serve the composition function NAME over gRPC."""
    try:
        serve(load(name), options)
    except (OSError, ValueError, RuntimeError) as error:
        click.echo(f"function-{name} cannot start on {options['address']}: {error}", err=True)
        sys.exit(1)
