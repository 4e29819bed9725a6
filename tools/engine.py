"""Crossplane core's render engine: one reconcile of an XR by the real reconciler, without a cluster.

`crossplane internal render` reads a RenderRequest from standard input and writes a RenderResponse to
standard output. The messages are those of crossplane v2.4.0, proto/render/v1alpha1/render.proto, with
the fields that are used here; field numbers keep their meaning in later versions.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

from functions.base.wire import to_plain, to_struct
from tools.errors import ToolError, last_lines
from tools.manifests import Manifest, resource_name
from tools.toolchain import render_engine

__all__ = ["Reconciled", "fatal_message", "reconcile"]

RENDER_SECONDS = 60
"""A function that never answers ends a render after this."""
_FATAL_EXIT = 3
"""The engine's exit code for a FATAL result of a function."""
_CONDITION_TIME = "2024-01-01T00:00:00Z"
"""Written instead of the time of the render, so that renders can be compared."""

_PREFIX = "crossplane: error: "
_FATAL = re.compile(r'.*?pipeline step "([^"]*)" returned a fatal result: (.*)', re.DOTALL)

_STRUCT = ".google.protobuf.Struct"
_MESSAGES: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "FunctionInput": (("name", 1, "", False), ("address", 2, "", False)),
    "Event": (("type", 1, "", False), ("reason", 2, "", False), ("message", 3, "", False)),
    "CompositeInput": (
        ("composite_resource", 1, _STRUCT, False),
        ("composition", 2, _STRUCT, False),
        ("functions", 3, ".render.FunctionInput", True),
        ("observed_resources", 4, _STRUCT, True),
        ("required_resources", 5, _STRUCT, True),
        ("required_schemas", 7, _STRUCT, True),
        ("composite_resource_definition", 8, _STRUCT, False),
    ),
    "CompositeOutput": (
        ("composite_resource", 1, _STRUCT, False),
        ("composed_resources", 2, _STRUCT, True),
        ("events", 4, ".render.Event", True),
    ),
    "RenderRequest": (("composite", 2, ".render.CompositeInput", False),),
    "RenderResponse": (("composite", 2, ".render.CompositeOutput", False),),
}
"""Fields of each message: name, number, type (empty: string), repeated."""


@dataclass(frozen=True)
class Reconciled:
    """The engine's answer. After a FATAL result every field but `fatal` is empty."""

    xr: Manifest = field(default_factory=dict)
    """The XR's status, and the fields of its spec that the reconciler writes."""
    composed: list[Manifest] = field(default_factory=list)
    """By their names in the composition."""
    events: list[dict[str, str]] = field(default_factory=list)
    """severity (Normal, Warning), reason and message of each."""
    fatal: str | None = None
    """'STEP: MESSAGE' of the function that refused the XR."""


def reconcile(
    xr: Manifest,
    composition: Manifest,
    xrd: Manifest,
    functions: Mapping[str, str],
    *,
    observed: Iterable[Manifest] = (),
    required: Iterable[Manifest] = (),
    schemas: Iterable[Manifest] = (),
) -> Reconciled:
    """Reconcile an XR once.

    Args:
        xr: with its defaults; the engine fills none in.
        composition: the pipeline to run.
        xrd: the XR's definition.
        functions: host:port of each function by the name that the pipeline gives it.
        observed: the composed resources as they are.
        required: what the functions may ask for.
        schemas: OpenAPI v3 documents of the kinds that the cluster knows.

    Raises:
        ToolError: when there is no engine, or it fails for another reason than a FATAL result.
    """
    request = _MESSAGE["RenderRequest"]()
    asked = request.composite
    to_struct(xr, asked.composite_resource)
    to_struct(composition, asked.composition)
    to_struct(xrd, asked.composite_resource_definition)
    for name, address in functions.items():
        asked.functions.add(name=name, address=address)
    for structs, manifests in (
        (asked.observed_resources, observed),
        (asked.required_resources, required),
        (asked.required_schemas, schemas),
    ):
        for manifest in manifests:
            to_struct(manifest, structs.add())
    command = [str(render_engine()), "internal", "render", f"--timeout={RENDER_SECONDS}s"]
    done = subprocess.run(
        command, input=request.SerializeToString(), capture_output=True, check=False, env=_environment()
    )
    stderr = done.stderr.decode(errors="replace")
    if done.returncode == _FATAL_EXIT:
        return Reconciled(fatal=fatal_message(stderr))
    if done.returncode != 0:
        raise ToolError(f"crossplane internal render exits {done.returncode}:\n{last_lines(stderr)}")
    return _reconciled(_MESSAGE["RenderResponse"].FromString(done.stdout).composite)


def _environment() -> dict[str, str]:
    # The engine lives for a fraction of a second: collecting garbage less often saves a quarter of that.
    return {"GOGC": "400", **os.environ}


def _reconciled(answer: Any) -> Reconciled:
    composed = [_plain(struct) for struct in answer.composed_resources]
    events = [{"severity": e.type, "reason": e.reason, "message": e.message} for e in answer.events]
    return Reconciled(_plain(answer.composite_resource), sorted(composed, key=resource_name), events)


def _plain(struct: struct_pb2.Struct) -> Manifest:
    """Return a manifest with its keys sorted, and with the same time in every condition."""
    manifest: Manifest = json.loads(json.dumps(to_plain(struct), sort_keys=True))
    for condition in (manifest.get("status") or {}).get("conditions") or []:
        condition["lastTransitionTime"] = _CONDITION_TIME
    return manifest


def fatal_message(stderr: str) -> str:
    """Return 'STEP: MESSAGE' of the FATAL result that the engine tells on standard error."""
    text = stderr.removeprefix(_PREFIX).strip().replace("\n" + " " * len(_PREFIX), "\n")
    step = _FATAL.match(text)
    return f"{step[1]}: {step[2]}" if step else text


def _message_classes() -> dict[str, type[Any]]:
    """Return the classes of the engine's messages."""
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="render.proto", package="render", syntax="proto3", dependency=[struct_pb2.DESCRIPTOR.name]
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, type_, repeated in fields:
            message.field.add(
                name=field_name,
                number=number,
                type=kind.TYPE_MESSAGE if type_ else kind.TYPE_STRING,
                type_name=type_ or None,
                label=kind.LABEL_REPEATED if repeated else kind.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"render.{name}"))
        for name in _MESSAGES
    }


_MESSAGE = _message_classes()
