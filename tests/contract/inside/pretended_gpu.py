"""Have vLLM believe that it runs on an NVIDIA GPU. Import this before anything of vLLM.

There is none, and vLLM is a build for CPUs: kernels that it lacks are pretended, since nothing is computed.
Tensors that are asked for on the GPU are made on torch's meta device, where they have shapes and no memory.
"""

# ruff: noqa: ARG003 (vLLM's own signatures)
from __future__ import annotations

import sys
import types
from typing import Any

import torch
import torch.fx.experimental._config as fx_config
from torch.overrides import TorchFunctionMode

__all__ = ["GPU", "OnMeta", "ranks"]

fx_config.meta_nonzero_assume_all_nonzero = True
_LACKING = (
    *("vllm._C_stable_libtorch", "vllm._moe_C_stable_libtorch", "vllm._moe_C", "vllm._flashmla_C"),
    *("vllm.vllm_flash_attn._vllm_fa2_C", "vllm.vllm_flash_attn._vllm_fa3_C", "cuda", "cuda.cudart"),
)
"""Modules of a build for CUDA: they register kernels when they are imported."""
for module in _LACKING:
    sys.modules.setdefault(module, types.ModuleType(module))
sys.modules["cuda"].cudart = sys.modules["cuda.cudart"]  # type: ignore[attr-defined]

GPU: dict[str, Any] = {"name": "NVIDIA H100 80GB HBM3", "capability": (9, 0), "bytes": 81559 * 2**20}
"""The GPU that is pretended; modules ask when they are imported."""


class Kernel:
    """A kernel that this build lacks. What is asked of it is whether it supports something."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> bool:
        return True


def _kernel(namespace: Any, name: str) -> Any:
    try:
        return _kernels(namespace, name)
    except AttributeError:
        if name.startswith("__") or not namespace.name.startswith("_"):
            raise
        return Kernel(name)


def _register_fake(op: Any, func: Any = None, /, **more: Any) -> Any:
    def register(function: Any) -> Any:
        try:
            return _registers(op, function, **more)
        except RuntimeError:  # there is no such kernel
            return function

    return register if func is None else register(func)


_kernels = torch._ops._OpNamespace.__getattr__
torch._ops._OpNamespace.__getattr__ = _kernel
_registers = torch.library.register_fake
torch.library.register_fake = _register_fake

import vllm.platforms  # noqa: E402
import vllm.utils.import_utils  # noqa: E402
from vllm.platforms.cuda import NonNvmlCudaPlatform  # noqa: E402
from vllm.platforms.interface import DeviceCapability  # noqa: E402

vllm.utils.import_utils.has_deep_gemm = lambda: True


class Pretended(NonNvmlCudaPlatform):  # type: ignore[misc]
    """vLLM's platform CUDA, with the answers of the GPU that is pretended."""

    @classmethod
    def get_device_capability(cls, device_id: int = 0) -> Any:
        return DeviceCapability(*GPU["capability"])

    @classmethod
    def has_device_capability(cls, capability: Any, device_id: int = 0) -> bool:
        wanted = capability if isinstance(capability, tuple) else divmod(capability, 10)
        return tuple(GPU["capability"]) >= tuple(wanted)

    @classmethod
    def get_device_name(cls, device_id: int = 0) -> str:
        return str(GPU["name"])

    @classmethod
    def get_device_total_memory(cls, device_id: int = 0) -> int:
        return int(GPU["bytes"])

    @classmethod
    def device_count(cls) -> int:
        return 8

    @classmethod
    def num_compute_units(cls, device_id: int = 0) -> int:
        return 132

    @classmethod
    def set_device(cls, device: Any) -> None:
        pass

    @classmethod
    def is_fully_connected(cls, ids: Any) -> bool:
        return True

    @classmethod
    def get_current_memory_usage(cls, device: Any = None) -> int:
        return 0


class Nothing:
    """A stream or an event, which have nothing to do."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _properties(*_: Any, **__: Any) -> Any:
    major, minor = GPU["capability"]
    return types.SimpleNamespace(
        name=GPU["name"],
        major=major,
        minor=minor,
        total_memory=GPU["bytes"],
        multi_processor_count=132,
        shared_memory_per_block_optin=232448,
        shared_memory_per_multiprocessor=233472,
        L2_cache_size=50 << 20,
        warp_size=32,
        gcnArchName="",
    )


vllm.platforms._current_platform = Pretended()
_ANSWERS = {
    "get_device_properties": _properties,
    "get_device_capability": lambda *_, **__: tuple(GPU["capability"]),
    "get_device_name": lambda *_, **__: GPU["name"],
    "is_available": lambda: True,
    "device_count": lambda: 8,
    "current_device": lambda: 0,
    "mem_get_info": lambda *_, **__: (GPU["bytes"], GPU["bytes"]),
    "_lazy_init": lambda: None,
    "set_device": lambda *_, **__: None,
    "Stream": Nothing,
    "Event": Nothing,
    "current_stream": lambda *_, **__: Nothing(),
    "default_stream": lambda *_, **__: Nothing(),
}
for name, answer in _ANSWERS.items():
    setattr(torch.cuda, name, answer)


class OnMeta(TorchFunctionMode):  # type: ignore[misc]
    """Make every tensor that is asked for on the GPU on the meta device."""

    def __torch_function__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if _on_gpu(kwargs.get("device")) or type(kwargs.get("device")) is int:
            kwargs["device"] = torch.device("meta")
        if func is not torch.device:
            args = tuple(torch.device("meta") if _on_gpu(argument) else argument for argument in args)
        called = getattr(func, "__name__", "")
        if called == "cuda":
            return args[0].to("meta")
        if called in _VALUES and isinstance(args[0], torch.Tensor) and args[0].is_meta:
            return _VALUES[called]
        return func(*args, **kwargs)


_VALUES: dict[str, Any] = {"item": 1.0, "tolist": [], "__bool__": True, "__int__": 1, "__float__": 1.0}
"""What a tensor without memory answers when it is asked for its numbers."""


def _on_gpu(value: Any) -> bool:
    if isinstance(value, torch.device):
        return bool(value.type == "cuda")
    return isinstance(value, str) and value.startswith("cuda")


class Group:
    """A group of ranks of which this process is the first, and the others are not there."""

    def __init__(self, name: str, size: int) -> None:
        self.unique_name, self.world_size, self.ranks = name, size, list(range(size))
        self.rank = self.local_rank = self.rank_in_group = 0
        self.first_rank = self.next_rank = self.last_rank = self.prev_rank = 0
        self.is_first_rank = self.is_last_rank = True
        self.device_group = self.cpu_group = types.SimpleNamespace(
            size=lambda: size, rank=lambda: 0, name=lambda: name
        )
        self.device_communicator = self.mq_broadcaster = None
        self.device = torch.device("meta")
        self.use_device_communicator = self.use_custom_op_call = self.use_cpu_custom_send_recv = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda value=None, *_, **__: value


def ranks(tensor_parallel: int) -> None:
    """Pretend the other ranks of a tensor parallel replica."""
    import vllm.distributed.parallel_state as state

    wide = ("_WORLD", "_TP", "_EP", "_EPLB")
    for name in (*wide, "_PP", "_DP", "_DCP", "_PCP"):
        if hasattr(state, name):
            setattr(state, name, Group(name, tensor_parallel if name in wide else 1))
    state._NODE_COUNT = 1
    torch.distributed.get_rank = lambda *_, **__: 0
    torch.distributed.get_world_size = lambda *_, **__: tensor_parallel
    torch.distributed.is_initialized = lambda: True
