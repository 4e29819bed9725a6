"""In a pod, where an engine would be: answers whatever it is asked with what it heard, at once or as a stream.

Variable PORT: where it listens. Header `x-play-seconds` of a request: seconds of an answer that is a stream, of an
event each. Header `x-play-tokens`: how many tokens an answer that is none says it has taken.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    found = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        found += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return found


async def _stream(writer: asyncio.StreamWriter, seconds: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for number in range(seconds):
        event = b"data: %d\n\n" % number
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(1)
    event = b"data: [DONE]\n\n"
    writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(event), event))
    await writer.drain()


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
    }
    body = await _body(reader, headers)
    if seconds := int(headers.get("x-play-seconds", 0)):
        await _stream(writer, seconds)
        return True
    heard = {
        "line": lines[0],
        "pod": os.uname().nodename,
        "headers": headers,
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    if tokens := int(headers.get("x-play-tokens", 0)):
        heard["usage"] = {"prompt_tokens": 1, "completion_tokens": tokens - 1, "total_tokens": tokens}
    answer = json.dumps(heard).encode()
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (len(answer), answer)
    )
    await writer.drain()
    return True


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _one(reader, writer):
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_connection, "0.0.0.0", int(os.environ["PORT"]), backlog=2048)
    await server.serve_forever()


_most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
asyncio.run(_serve())
