"""Reaches servers of a machine from outside: `python -m tools.machine.forward FOLDER PORT=ADDRESS:PORT...`.

A port of 127.0.0.1 is listened on while something listens at the address inside, and no longer: who asks
outside whether a server is there gets the answer that it would get inside. One process, no change of this
machine's network.
"""

import asyncio
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

from tools.machine import linux
from tools.machine.made import Machine

_HOST = "127.0.0.1"
_OFTEN, _RARELY = 0.05, 0.5
"""Seconds between two looks for a server that is not there: in the first minute, and later."""
_FIRST_LOOKS = 1200
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Target:
    """What is reached at a port."""

    port: int
    address: str
    inside: int
    """The port inside."""

    @classmethod
    def of(cls, text: str) -> "Target":
        """Return the target that an argument names."""
        port, _, target = text.partition("=")
        address, _, inside = target.rpartition(":")
        return cls(int(port), address, int(inside))


class Forwarder:
    """Listens outside, and connects inside."""

    def __init__(self, folder: str) -> None:
        """Open both networks."""
        self._outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._inside = os.open(f"/proc/{Machine.read(folder).first}/ns/net", os.O_RDONLY)

    async def forward(self, target: Target) -> None:
        """Forward one port for ever."""
        while True:
            await self._until_there(target)
            gone = asyncio.Event()
            try:
                listener = self._listener(target.port)
            except OSError as error:
                print(f"port {target.port} cannot be listened on: {error}", flush=True)
                await asyncio.sleep(_RARELY)
                continue
            server = await asyncio.start_server(
                lambda reader, writer, gone=gone: self._serve(target, gone, reader, writer),  # type: ignore[misc]
                sock=listener,
            )
            await gone.wait()
            server.close()

    async def _until_there(self, target: Target) -> None:
        looks = 0
        while True:
            with suppress(OSError):
                _, writer = await self._connect(target)
                writer.close()
                return
            looks += 1
            await asyncio.sleep(_OFTEN if looks < _FIRST_LOOKS else _RARELY)

    async def _connect(self, target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        linux.enter(self._inside, linux.NEW_NETWORK)
        try:
            connection = socket.socket()
        finally:
            linux.enter(self._outside, linux.NEW_NETWORK)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (target.address, target.inside))
        except OSError:
            connection.close()
            raise
        return await asyncio.open_connection(sock=connection)

    @staticmethod
    def _listener(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError:
            listener.close()
            raise
        return listener

    async def _serve(
        self, target: Target, gone: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            far_reader, far_writer = await self._connect(target)
        except OSError:
            writer.transport.abort()
            gone.set()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        for each in (writer, far_writer):
            each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, and say the end to the other side."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


async def main(arguments: list[str]) -> None:
    """Forward every port that the arguments name."""
    folder, *targets = arguments
    forwarder = Forwarder(folder)
    await asyncio.gather(*(forwarder.forward(Target.of(text)) for text in targets))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
