"""A function for the tests of the tools: two waves, and whatever spec.say asks for.

Run as a server: python fake_function.py farm --insecure --address HOST:PORT
"""

from typing import Any

import click
import grpc
from crossplane.function import cli, resource, response
from crossplane.function.proto.v1 import run_function_pb2 as fnv1
from crossplane.function.proto.v1 import run_function_pb2_grpc as grpcv1

WAVES = (("house",), ("barn", "silo"))


class Farm(grpcv1.FunctionRunnerServiceServicer):
    """Composes ConfigMaps, a wave when the one before is observed."""

    async def RunFunction(  # noqa: N802 - gRPC's name
        self, request: fnv1.RunFunctionRequest, _: grpc.aio.ServicerContext[Any, Any]
    ) -> fnv1.RunFunctionResponse:
        """Answer by spec.say: fatal, restless (never the same twice), or as usual."""
        answer = response.to(request)
        xr = resource.struct_to_dict(request.observed.composite.resource)
        say = xr["spec"].get("say")
        if say == "fatal":
            response.fatal(answer, "spec.say: got fatal,\nallowed anything else")
            return answer
        seen = len(request.observed.resources)
        status: dict[str, Any] = {"phase": "Ready" if seen == 3 else "Building"}
        if seen == 0:
            # Dropped later: the XR must not keep it.
            status["started"] = True
        if say == "restless":
            status["rounds"] = int(xr.get("status", {}).get("rounds", 0)) + 1
        resource.update(answer.desired.composite, {"status": status})
        for wave in WAVES[: 1 if seen == 0 else 2]:
            for name in wave:
                self._compose(answer, xr["metadata"]["name"], name)
                if name in request.observed.resources:
                    answer.desired.resources[name].ready = fnv1.READY_TRUE
        answer.conditions.append(
            fnv1.Condition(
                type="Built",
                status=fnv1.STATUS_CONDITION_TRUE,
                reason="Always",
                target=fnv1.TARGET_COMPOSITE_AND_CLAIM,
            )
        )
        response.normal(answer, f"saw {seen}")
        return answer

    def _compose(self, answer: fnv1.RunFunctionResponse, farm: str, name: str) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{farm}-{name}", "namespace": "default"},
            "data": {"built": "yes"},
        }
        resource.update(answer.desired.resources[name], manifest)


@click.command()
@click.argument("name")
@cli.standard_options
def main(name: str, **options: Any) -> None:
    """Serve the function."""
    if name != "farm":
        raise click.UsageError(f"no function {name}")
    cli.run(Farm(), **options)


if __name__ == "__main__":
    main()
