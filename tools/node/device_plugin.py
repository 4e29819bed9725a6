"""GPUs that are played: a device plugin of the kubelet with devices that are not there.

`python -m tools.node.device_plugin COUNT`. Everything else of a node is real; this is what a test plays. A
container gets the devices' names in NVIDIA_VISIBLE_DEVICES, as from NVIDIA's own plugin, and nothing more.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from tools.node import device_plugin_api as api

RESOURCE = "nvidia.com/gpu"
_FOLDER = Path("/var/lib/kubelet/device-plugins")
_KUBELET, _OWN = _FOLDER / "kubelet.sock", _FOLDER / "played-gpus.sock"
_POLL_SECONDS = 0.3


class Plugin(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """The plugin's side of the kubelet's device plugin API."""

    def __init__(self, count: int) -> None:
        """Have a number of devices, all healthy."""
        self._devices = [api.Device(ID=f"GPU-{number:08d}", health="Healthy") for number in range(count)]

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return what answers a call."""
        method = call.method.rpartition("/")[2]
        if method == "GetDevicePluginOptions":
            return grpc.unary_unary_rpc_method_handler(
                lambda _request, _context: api.DevicePluginOptions(), *api.codec(api.Empty)
            )
        if method == "ListAndWatch":
            return grpc.unary_stream_rpc_method_handler(self._list, *api.codec(api.Empty))
        if method == "Allocate":
            return grpc.unary_unary_rpc_method_handler(self._allocate, *api.codec(api.AllocateRequest))
        return None

    def _list(self, _request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Say the devices once, and stay until the kubelet goes: an end would mean that they are gone."""
        yield api.ListAndWatchResponse(devices=self._devices)
        while context.is_active():
            time.sleep(_POLL_SECONDS)

    def _allocate(self, request: Any, _context: grpc.ServicerContext) -> Any:
        return api.AllocateResponse(
            container_responses=[
                api.ContainerAllocateResponse(envs={"NVIDIA_VISIBLE_DEVICES": ",".join(each.devices_ids)})
                for each in request.container_requests
            ]
        )


def main(count: int) -> None:
    """Serve for ever; register anew with each kubelet, which removes all plugins' sockets when it starts."""
    while True:
        while not _KUBELET.exists():
            time.sleep(_POLL_SECONDS)
        kubelet = _KUBELET.stat().st_ino
        server = grpc.server(ThreadPoolExecutor(4), handlers=(Plugin(count),))
        _OWN.unlink(missing_ok=True)
        server.add_insecure_port(f"unix://{_OWN}")
        server.start()
        try:
            _register()
            print("registered", flush=True)
            while _OWN.exists() and _KUBELET.exists() and _KUBELET.stat().st_ino == kubelet:
                time.sleep(_POLL_SECONDS)
        except grpc.RpcError as error:
            print(f"the kubelet does not answer: {error}", flush=True)
            time.sleep(_POLL_SECONDS)
        except FileNotFoundError:
            # The kubelet's socket went between two looks.
            continue
        finally:
            server.stop(None)


def _register() -> None:
    request = api.RegisterRequest(version="v1beta1", endpoint=_OWN.name, resource_name=RESOURCE)
    with grpc.insecure_channel(f"unix://{_KUBELET}") as channel:
        decode, encode = api.codec(api.Empty)
        channel.unary_unary("/v1beta1.Registration/Register", encode, decode)(request, timeout=5)


if __name__ == "__main__":
    main(int(sys.argv[1]))
