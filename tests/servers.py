"""Servers of a test's own, in its own loop: one answer for each connection, exactly as given."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def served(
    serve: Serve, address: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """The port of a server that hands each connection to ``serve``."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)
                await writer.drain()
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(handle, address, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # connections are closed in the loop's next turns


class Raw:
    """HTTP answers as bytes, by target; ``requests`` keeps what was asked, head by head."""

    def __init__(self, **answers: bytes | str) -> None:
        self.answers = {f"/{name}": value for name, value in answers.items()}
        self.requests: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        target = head.split(" ")[1].partition("?")[0]
        answer = self.answers.get(target, status(404))
        writer.write(answer.encode() if isinstance(answer, str) else answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        if "no-end" in target:
            await asyncio.sleep(3600)

    @property
    def headers(self) -> dict[str, str]:
        """Of the last request; names in lower case."""
        rows = (line.partition(": ") for line in self.requests[-1].split("\r\n")[1:] if line)
        return {name.lower(): value for name, _, value in rows}


def status(code: int, body: str = "", **headers: str) -> str:
    rows = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    length = f"Content-Length: {len(body.encode())}\r\n"
    return f"HTTP/1.1 {code} Whatever\r\n{length}{rows}\r\n{body}"
