"""Print what turning a large request into Python and back costs: `python -m tests.base.bench_wire`.

Not a test: seconds are not stable enough to assert.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from functions.base import Condition, Function, Outcome, Request, Resource, Status, Whose
from functions.base.respond import respond
from functions.base.wire import to_plain, to_struct
from tests.base.apiserver import observe

RESOURCES = 63
"""What a cluster with eight pools is composed of."""
BYTES = 6_000
"""A managed resource of the AWS provider with managedFields and status, as JSON."""


def manifest(index: int) -> dict[str, Any]:
    """Return a node group as a function desires it."""
    return {
        "apiVersion": "eks.aws.m.upbound.io/v1beta1",
        "kind": "NodeGroup",
        "metadata": {
            "name": f"pool-{index}",
            "namespace": "crossplane-system",
            "labels": {"pool": f"p{index}"},
        },
        "spec": {
            "managementPolicies": ["*"],
            "forProvider": {
                "region": "eu-central-1",
                "scalingConfig": {"minSize": 0, "maxSize": 8},
                "subnetIds": [f"subnet-{n:017x}" for n in range(3)],
                "labels": {f"freehold.dev/label-{n}": "x" * 20 for n in range(20)},
                "taint": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}],
                "tags": {f"tag-{n}": "y" * 20 for n in range(20)},
            },
        },
    }


def live(index: int) -> dict[str, Any]:
    """Return the node group as it is observed."""
    status = {
        "conditions": [{"type": t, "status": "True", "reason": "Available"} for t in ("Ready", "Synced")],
        "atProvider": {**manifest(index)["spec"]["forProvider"], "arn": "arn:aws:eks:" + "z" * 80},
    }
    return observe(manifest(index), status=status)


def request() -> fnv1.RunFunctionRequest:
    """Return a request with every resource observed."""
    message = fnv1.RunFunctionRequest()
    to_struct({"apiVersion": "t/v1", "kind": "XT", "spec": {}}, message.observed.composite.resource)
    for index in range(RESOURCES):
        to_struct(live(index), message.observed.resources[f"bench/{index}"].resource)
    return message


def bench(what: str, run: Callable[[], object], rounds: int = 30) -> None:
    """Print the quickest of some rounds."""
    best = min(_timed(run) for _ in range(rounds))
    print(f"{what:<58} {best * 1000:7.2f} ms")


def _timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """Print the figures."""
    message = request()
    wire = message.SerializeToString()
    manifests = [manifest(index) for index in range(RESOURCES)]
    objects = [item.resource for item in message.observed.resources.values()]
    named = [Resource(f"bench/{index}", manifest(index)) for index in range(RESOURCES)]
    done = Condition("Done", Status.TRUE, "Done", "done", Whose.PLATFORM)

    def function(named_too: bool) -> Function:
        def compose(_: Request) -> Outcome:
            return Outcome(
                named if named_too else (),
                (done,),
            )

        return Function("bench", ("Done",), (), Whose.PLATFORM, compose)

    print(f"{RESOURCES} resources, {len(wire)} bytes")
    bench("parse the bytes (protobuf)", lambda: fnv1.RunFunctionRequest.FromString(wire))
    bench("to_plain, all observed", lambda: [to_plain(o) for o in objects])
    bench("to_struct, all desired", lambda: [to_struct(m) for m in manifests])
    bench("respond, all named", lambda: respond(function(True), message))
    bench("respond, all carried on by their own fields", lambda: respond(function(False), message))


if __name__ == "__main__":
    main()
