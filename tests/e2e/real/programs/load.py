"""In a pod: a bounded load of one kind on a Model at the gateway, and what came of it, as JSON on the last line.

Variables: those of the Secret beside the claim, SSL_CERT_FILE, and KIND, SECONDS and COUNT: what KIND does with them
is what its function says. The load begins once the Model is reached, which is printed as `begun`.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import resource
import ssl
import time
from urllib.parse import urlsplit

BASE = urlsplit(os.environ["OPENAI_BASE_URL"])
HOST, PORT = BASE.hostname or "", BASE.port or 443
SECONDS, COUNT = int(os.environ["SECONDS"]), int(os.environ["COUNT"])
_KEY = os.environ["OPENAI_API_KEY"]
_TLS = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
_AT_ONCE = asyncio.Semaphore(50)
"""Handshakes."""
_opened: list[asyncio.StreamWriter] = []
_SECONDS_TO_ANSWER = 60
_JSON = "Content-Type: application/json\r\n"


def head(method: str, path: str, more: str = "") -> bytes:
    """Return the head of a request with the Model's key."""
    lines = (
        f"{method} {BASE.path}{path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {_KEY}\r\n{more}\r\n"
    )
    return lines.encode()


async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection."""
    async with _AT_ONCE:
        reader, writer = await asyncio.open_connection(HOST, PORT, ssl=_TLS, ssl_handshake_timeout=60)
    _opened.append(writer)
    return reader, writer


async def answer(reader: asyncio.StreamReader) -> str:
    """Read an answer with a length; return its status."""
    lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _SECONDS_TO_ANSWER)).decode("latin-1")
    sizes = [each for each in lines.lower().split("\r\n") if each.startswith("content-length:")]
    if sizes:
        await reader.readexactly(int(sizes[0].partition(":")[2]))
    return lines.split(" ")[1]


async def stream(more: str = "") -> str:
    """Ask for an event each second; return `whole`, or how it ended."""
    reader, writer = await connect()
    try:
        writer.write(
            head("POST", "/completions", f"X-Play-Seconds: {SECONDS}\r\n{more}Content-Length: 0\r\n")
        )
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if " 200 " not in lines.split("\r\n")[0]:
            return lines.split(" ")[1]
        got = await reader.readuntil(b"\r\n0\r\n\r\n")
        events = got.count(b"data: ")
        return "whole" if events == SECONDS + 1 and b"[DONE]" in got else f"{events} events"
    finally:
        writer.close()


async def upload() -> str:
    """Send a byte of a body every second; return the answer's status."""
    reader, writer = await connect()
    try:
        writer.write(head("POST", "/completions", f"{_JSON}Content-Length: {SECONDS}\r\n"))
        for _ in range(SECONDS):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(1)
        return await answer(reader)
    finally:
        writer.close()


async def dribble() -> str:
    """Send a byte of a header every second, without an end; return the answer's status."""
    reader, writer = await connect()
    answered = asyncio.create_task(answer(reader))
    try:
        writer.write(head("GET", "/models", "X-Slow: ")[:-2])
        while not answered.done():
            writer.write(b"x")
            await writer.drain()
            await asyncio.wait([answered], timeout=1)
        return answered.result()
    finally:
        answered.cancel()
        writer.close()


async def slow() -> dict[str, object]:
    """Have COUNT connections at once, for SECONDS: of 20, ten streams, nine uploads, one of endless headers.

    Returns:
        How often each ended how, and by `at once` how many were open at most.
    """
    kinds = [stream if n % 2 else upload if n % 20 else dribble for n in range(COUNT)]
    names = [kind.__name__ for kind in kinds]
    all_ends = asyncio.gather(*(kind() for kind in kinds), return_exceptions=True)
    most = 0
    while not all_ends.done():
        most = max(most, sum(not each.is_closing() for each in _opened))
        await asyncio.wait([all_ends], timeout=1)
    ends = all_ends.result()
    said = [
        f"{name}: {end if isinstance(end, str) else repr(end)}" for name, end in zip(names, ends, strict=True)
    ]
    return {**collections.Counter(said), "at once": most}


async def steady() -> dict[str, object]:
    """Ask ten times a second over one connection, for SECONDS; return the seconds that answers take."""
    reader, writer = await connect()
    took, statuses = [], collections.Counter[str]()
    until = time.monotonic() + SECONDS
    while (began := time.monotonic()) < until:
        writer.write(head("GET", "/models"))
        statuses[await answer(reader)] += 1
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.1)
    writer.close()
    took.sort()
    last = len(took) - 1
    parts = {
        name: round(took[int(last * part)], 4) for name, part in (("p50", 0.5), ("p95", 0.95), ("max", 1))
    }
    return {"statuses": dict(statuses), **parts}


async def flood() -> dict[str, object]:
    """Ask over COUNT connections as fast as answers come, for SECONDS; return how often each status came."""
    until, statuses = time.monotonic() + SECONDS, collections.Counter[str]()
    body = json.dumps({"model": os.environ["OPENAI_MODEL"], "prompt": "x" * 1000}).encode()

    async def one() -> None:
        while time.monotonic() < until:
            try:
                reader, writer = await connect()
                while time.monotonic() < until:
                    writer.write(
                        head("POST", "/completions", f"{_JSON}Content-Length: {len(body)}\r\n") + body
                    )
                    statuses[await answer(reader)] += 1
                writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                statuses[type(error).__name__] += 1

    await asyncio.gather(*(one() for _ in range(COUNT)))
    return dict(statuses)


async def long() -> dict[str, object]:
    """Read one stream of SECONDS, asking by headers of Envoy's to have it cut after a second."""
    began = time.monotonic()
    forged = "X-Envoy-Upstream-Rq-Timeout-Ms: 1000\r\nX-Envoy-Upstream-Rq-Per-Try-Timeout-Ms: 1000\r\n"
    return {"stream": await stream(forged), "seconds": round(time.monotonic() - began, 1)}


async def _reached() -> None:
    """Return once the Model answers: a pod's network, a route and a key take a moment."""
    last: object = None
    for _ in range(120):
        try:
            reader, writer = await connect()
            writer.write(head("GET", "/models"))
            last = await answer(reader)
            writer.close()
            if last == "200":
                return
        except OSError as error:
            last = error
        await asyncio.sleep(0.5)
    raise SystemExit(f"not reached: {last}")


async def _run() -> None:
    await _reached()
    print("begun", flush=True)
    kinds = {each.__name__: each for each in (slow, steady, flood, long)}
    print(json.dumps(await kinds[os.environ["KIND"]]()))


_most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
asyncio.run(_run())
