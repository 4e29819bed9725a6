"""The messages of the kubelet's device plugin API, v1beta1, as far as a plugin of played devices needs them.

Made here from their fields' names, numbers and types: https://kubernetes.io/docs/concepts/extend-kubernetes/
compute-storage-net/device-plugins/. Fields that are not listed keep their defaults.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "v1beta1"
_FIELD = descriptor_pb2.FieldDescriptorProto
_MAP = "EnvsEntry"
_MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "Empty": (),
    "DevicePluginOptions": (),
    "RegisterRequest": ((1, "version", "string"), (2, "endpoint", "string"), (3, "resource_name", "string")),
    "Device": ((1, "ID", "string"), (2, "health", "string")),
    "ListAndWatchResponse": ((1, "devices", "*Device"),),
    "ContainerAllocateRequest": ((1, "devices_ids", "*string"),),
    "AllocateRequest": ((1, "container_requests", "*ContainerAllocateRequest"),),
    "ContainerAllocateResponse": ((1, "envs", f"*ContainerAllocateResponse.{_MAP}"),),
    "AllocateResponse": ((1, "container_responses", "*ContainerAllocateResponse"),),
}
"""By the message's name, its fields: number, name and type, with * for many."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="freehold/device_plugin.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, type_ in fields:
            _add(message, number, field, type_)
        if any(type_.endswith(_MAP) for _, _, type_ in fields):
            entry = message.nested_type.add(name=_MAP)
            entry.options.map_entry = True
            _add(entry, 1, "key", "string")
            _add(entry, 2, "value", "string")
    return file


def _add(message: descriptor_pb2.DescriptorProto, number: int, name: str, type_: str) -> None:
    label = _FIELD.LABEL_REPEATED if type_.startswith("*") else _FIELD.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label)
    kind = type_.removeprefix("*")
    if kind == "string":
        field.type = _FIELD.TYPE_STRING
    else:
        field.type = _FIELD.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Empty = _message("Empty")
DevicePluginOptions = _message("DevicePluginOptions")
RegisterRequest = _message("RegisterRequest")
Device = _message("Device")
ListAndWatchResponse = _message("ListAndWatchResponse")
AllocateRequest = _message("AllocateRequest")
AllocateResponse = _message("AllocateResponse")
ContainerAllocateResponse = _message("ContainerAllocateResponse")


def codec(received: Any) -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
    """Return how a message of a kind is read, and how any is written."""
    return received.FromString, lambda message: bytes(message.SerializeToString())
