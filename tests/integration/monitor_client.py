"""An attached client of the monitor: its frames, and what came in them."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.monitor_harness import Monitor, monitor

INPUT, STDOUT, STDERR, EXIT, RESIZE = range(5)
ALL = b"attach stdin stdout stderr\n"
BOTH = b"attach stdout stderr\n"
CLIENTS = 8


class Client:
    """One connection; what was read and not yet asked for is kept by type."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.data = {STDOUT: b"", STDERR: b""}
        self.code: int | None = None

    def say(self, kind: int, payload: bytes = b"") -> None:
        self.socket.sendall(struct.pack("!BI", kind, len(payload)) + payload)

    def read_frame(self) -> bool:
        """False at the end, also when it comes in the middle of a frame."""
        head = self._exactly(5)
        if head is None:
            return False
        kind, size = struct.unpack("!BI", head)
        payload = self._exactly(size)
        if payload is None:
            return False
        if kind == EXIT:
            self.code = int.from_bytes(payload, "big")
        else:
            self.data[kind] += payload
        return True

    def until(self, text: bytes, kind: int = STDOUT) -> bytes:
        while text not in self.data[kind]:
            assert self.read_frame(), f"ended without {text!r}: {self.data}"
        before, _, self.data[kind] = self.data[kind].partition(text)
        return before + text

    def finish(self) -> int | None:
        while self.read_frame():
            pass
        return self.code

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            try:
                got = self.socket.recv(size - len(data))
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            data += got
        return data


def connected(m: Monitor) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(m.control))
    connection.settimeout(20)
    return connection


@contextlib.contextmanager
def attached(m: Monitor, line: bytes = ALL) -> Iterator[Client]:
    with connected(m) as connection:
        connection.sendall(line)
        assert connection.recv(3) == b"ok\n"
        yield Client(connection)


@contextlib.contextmanager
def running(binary: Path, root: Path, argv: list[str] | str, **settings: Any) -> Iterator[Monitor]:
    with monitor(binary, root, argv, **settings) as m:
        m.report()
        yield m
