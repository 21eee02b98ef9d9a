"""A proxy that does wrong: ``python -m tests.misbehaving UPSTREAM FAULTS [CERT KEY]``.

Each request is looked up in FAULTS (JSON, read anew for each request); the first fault whose
``match`` (a regular expression) is found in "METHOD /path?query", and that has not been used
``times`` times (default: for ever), is done; else the request goes to UPSTREAM and back.

    {"do": "answer", "status": 429, "headers": {"Retry-After": "1"}, "body": "…"}
    {"do": "redirect", "to": "http://127.0.0.1:1234{path}"}      status 307, or "status"
    {"do": "raw", "head": "…", "repeat": "…", "count": 1000}     these bytes; count -1: for ever
    {"do": "cut", "after": 1000}           the answer's body ends after that many bytes
    {"do": "stall", "after": 1000}         … and then comes nothing, until the client goes
    {"do": "drip", "seconds": 0.1}         the answer's body a byte at a time; "where": "headers"
    {"do": "ignore-range"}                 the whole blob, with status 200
    {"do": "corrupt", "at": 1000}          another byte there
    {"do": "headers", "set": {"Content-Length": "5"}}    other headers; null: none
    {"do": "swallow", "after": 1000}       passes on that much of the request's body, then cuts
    {"do": "keep", "after": 1000}          … of an upload, which can be resumed there: what Debian's
                                           registry cannot, because its Location has the offset

CONNECT leads to UPSTREAM, whatever it names; so do absolute URLs: it is an HTTP proxy, too.
Writes one line of JSON for each request: {"method", "path", "headers", "fault"}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
import sys
from pathlib import Path
from typing import Any

UPSTREAM, FAULTS = "", Path()
USED: dict[str, int] = {}
KEPT: dict[str, str] = {}  # an upload's place without the query → the place to resume at
Fault = dict[str, Any]


class Head:
    """A request's or an answer's first line and headers."""

    def __init__(self, data: bytes) -> None:
        first, *lines = data.decode("latin-1").split("\r\n")[:-2]
        self.first = first
        self.headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }

    def encode(self) -> bytes:
        lines = [self.first, *(f"{name}: {value}" for name, value in self.headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def choose(request: str) -> Fault:
    faults: list[Fault] = json.loads(FAULTS.read_text()) if FAULTS.exists() else []
    for fault in faults:
        key = json.dumps(fault)
        if re.search(fault.get("match", ""), request) and USED.get(key, 0) < fault.get(
            "times", 1 << 30
        ):
            USED[key] = USED.get(key, 0) + 1
            return fault
    return {"do": ""}


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, OSError):
        await serve(reader, writer)
    writer.close()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    first = await reader.readexactly(1)
    if first == b"\x16":  # TLS, which waits for an answer; no line will ever end
        return
    head = Head(first + await reader.readuntil(b"\r\n\r\n"))
    method, path, _ = head.first.split(" ")
    fault = choose(f"{method} {path}")
    said = {"method": method, "path": path, "headers": head.headers, "fault": fault["do"]}
    print(json.dumps(said), flush=True)
    if fault["do"] in {"answer", "redirect"}:
        await reader.readexactly(int(head.headers.get("content-length", "0")))
    match fault["do"]:
        case "answer":
            answer(writer, fault["status"], fault.get("headers", {}), fault.get("body", ""))
        case "redirect":
            to = fault["to"].replace("{path}", path)
            answer(writer, fault.get("status", 307), {"Location": to}, "")
        case "raw":
            await raw(writer, fault)
        case "" if method == "CONNECT":
            await tunnel(reader, writer)
        case _:
            await forward(head, reader, writer, fault)
    await writer.drain()


def answer(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: str) -> None:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "Connection: close", "", body]).encode())


async def raw(writer: asyncio.StreamWriter, fault: Fault) -> None:
    writer.write(fault.get("head", "").encode("latin-1"))
    count = fault.get("count", 0)
    while count:
        writer.write(fault["repeat"].encode("latin-1"))
        await writer.drain()
        count -= 1


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, _, port = UPSTREAM.rpartition(":")
    up_reader, up_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        target.close()

    await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))


async def forward(
    head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault
) -> None:
    length = int(head.headers.get("content-length", "0"))
    head.headers["connection"] = "close"
    place = head.first.split(" ")[1]
    if head.first.startswith("GET") and place.partition("?")[0] in KEPT:
        head.first = f"GET {KEPT[place.partition('?')[0]]} HTTP/1.1"
    if fault["do"] == "keep":
        head.first = f"PATCH {re.sub('[?&]digest=[^&]*', '', place)} HTTP/1.1"
        head.headers["content-length"] = str(fault["after"])
        head.headers.pop("content-range", None)
    if fault["do"] == "ignore-range":
        head.headers.pop("range", None)
    upstream_host, _, upstream_port = UPSTREAM.rpartition(":")
    up_reader, up_writer = await asyncio.open_connection(upstream_host, int(upstream_port))
    try:
        up_writer.write(head.encode())
        if fault["do"] == "swallow":
            up_writer.write(await reader.readexactly(min(length, fault["after"])))
            await up_writer.drain()
            return
        if fault["do"] == "keep":
            up_writer.write(await reader.readexactly(fault["after"]))
            kept = Head(await up_reader.readuntil(b"\r\n\r\n")).headers["location"]
            KEPT[place.partition("?")[0]] = "/" + kept.split("/", 3)[3]
            return
        while length:
            piece = await reader.read(min(length, 1 << 16))
            length -= len(piece)
            up_writer.write(piece)
            await up_writer.drain()
        await back(up_reader, reader, writer, fault)
    finally:
        up_writer.close()


async def back(
    source: asyncio.StreamReader,
    client: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    fault: Fault,
) -> None:
    head = Head(await source.readuntil(b"\r\n\r\n"))
    for name, value in fault.get("set", {}).items():
        head.headers.pop(name.lower(), None)
        if value is not None:
            head.headers[name] = value
    slow = fault["do"] == "drip"
    if slow and fault.get("where") == "headers":
        await drip(writer, head.encode(), fault["seconds"])
    writer.write(head.encode())
    sent = 0
    while piece := await source.read(1 << 16):
        if fault["do"] in {"cut", "stall"}:
            piece = piece[: fault["after"] - sent]
        if fault["do"] == "corrupt" and sent <= fault["at"] < sent + len(piece):
            changed = bytearray(piece)
            changed[fault["at"] - sent] ^= 0xFF
            piece = bytes(changed)
        if slow:
            await drip(writer, piece, fault["seconds"])
        writer.write(piece)
        await writer.drain()
        sent += len(piece)
        if fault["do"] in {"cut", "stall"} and sent >= fault["after"]:
            break
    if fault["do"] == "stall":
        await client.read()  # until it goes


async def drip(writer: asyncio.StreamWriter, data: bytes, seconds: float) -> None:
    for index in range(len(data)):
        writer.write(data[index : index + 1])
        await writer.drain()
        await asyncio.sleep(seconds)


async def main() -> None:
    global UPSTREAM, FAULTS
    UPSTREAM, FAULTS = sys.argv[1], Path(sys.argv[2])
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
