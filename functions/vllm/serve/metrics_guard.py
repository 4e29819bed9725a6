"""The program that stands before an engine's metrics: they go out, and nothing else goes in.

Pods carry this file's text (`python3 -c TEXT PORT ENGINE_PORT PATH`). It needs Python 3.11 and nothing else,
and runs in whatever image the engine has.

A connection is good for one request, `GET PATH`, which is not passed on: the engine gets one that is written
here. So there is nothing in a path, a header, a body or a second request that could get to the engine.
"""

from __future__ import annotations

import asyncio
import sys

HEAD_BYTES = 8192
"""The longest head of a request."""
HEAD_SECONDS, ANSWER_SECONDS, REST_SECONDS = 5, 20, 5
"""Time for a head to come, for the engine's answer, and for the client to take what is left of it."""
CONNECTIONS = 16
"""That are served at once; more are closed."""


class Guard:
    """Answers one path of one server on this machine.

    Args:
        engine: the server's port.
        path: the path.
    """

    def __init__(self, engine: int, path: str) -> None:
        self._engine = engine
        self._asked = {f"GET {path} HTTP/1.{minor}\r\n".encode() for minor in (0, 1)}
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a connection, and close it."""
        self._open += 1
        try:
            if self._open <= CONNECTIONS:
                await self._answer(reader, writer)
        except (TimeoutError, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # The client is gone, too slow, or speaks no HTTP.
        finally:
            await _closed(writer)
            self._open -= 1

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
        if head[: head.index(b"\r\n") + 2] not in self._asked:
            writer.write(_said("404 Not Found", "metrics alone are read here"))
            return
        try:
            source, sink = await asyncio.wait_for(
                asyncio.open_connection("127.0.0.1", self._engine), ANSWER_SECONDS
            )
        except OSError:  # A TimeoutError is one: an engine that hangs.
            writer.write(_said("503 Service Unavailable", "the engine does not answer yet"))
            return
        try:
            sink.write(self._request)
            await asyncio.wait_for(_copy(source, writer), ANSWER_SECONDS)
        finally:
            sink.close()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), REST_SECONDS)
    except (TimeoutError, OSError):
        writer.transport.abort()


async def _copy(source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await source.read(1 << 16):
        writer.write(part)
        await writer.drain()


def _said(status: str, text: str) -> bytes:
    lines = ("Content-Type: text/plain", f"Content-Length: {len(text)}", "Connection: close")
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", text)).encode()


async def _main(port: int, engine: int, path: str) -> None:
    server = await asyncio.start_server(Guard(engine, path).serve, port=port, limit=HEAD_BYTES)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
