"""A response that must keep coming: http.client's, with a clock on every read of the socket.

A timeout of a socket says how long one read may take; a server that sends a byte every now and
then keeps a client for ever. So, with T the socket's timeout when the response is awaited:

    headers   have come as a whole within T, and are no longer than HEADER_BYTES
    body      brings SLOWEST_BYTES_PER_SECOND on the average of each T spent waiting for it
              (time in which the reader is busy elsewhere does not count)
    document  a body that is read as a whole also has a deadline (``Pace.deadline``)
    a read    takes no more from the socket than it was allowed (``Pace.allow``), with EXTRA_BYTES
              for the framing of chunks: http.client would read a trailer without end
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

HEADER_BYTES = 256 << 10
EXTRA_BYTES = 512 << 10
SLOWEST_BYTES_PER_SECOND = 512


class Pace(io.RawIOBase):
    """Reads a socket; raises TimeoutError when the other side is too slow."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._seconds = sock.gettimeout() or 30.0
        self.deadline: float | None = time.monotonic() + self._seconds
        self._allowed = HEADER_BYTES
        self._waited = 0.0
        self._received = 0
        self.ended = False

    def headers_done(self) -> None:
        self.deadline = None

    def allow(self, size: int) -> None:
        """Before a read of up to ``size`` bytes of the body."""
        self._allowed = size + EXTRA_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        before = time.monotonic()
        self._sock.settimeout(self._patience(before))
        count: int = self._raw.readinto(buffer)
        self.ended = not count
        self._account(count, time.monotonic() - before)
        return count

    def _patience(self, now: float) -> float:
        if self.deadline is None:
            return self._seconds
        if now >= self.deadline:
            raise TimeoutError("the answer takes too long")
        return min(self._seconds, self.deadline - now)

    def _account(self, count: int, seconds: float) -> None:
        self._received += count
        self._waited += seconds
        self._allowed -= count
        if self._allowed < 0:
            raise http.client.HTTPException("headers or a trailer without end")
        if self._waited >= self._seconds:
            if self._received < SLOWEST_BYTES_PER_SECOND * self._waited and count:
                raise TimeoutError(f"only {self._received} bytes in {self._waited:.0f} s")
            self._waited, self._received = 0.0, 0

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Source:
    """What http.client wants of a socket: ``makefile``."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._pace, 64 << 10)


class PacedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self.pace = Pace(sock)
        source: Any = _Source(self.pace)
        super().__init__(source, *args, **kwargs)

    def begin(self) -> None:
        try:
            super().begin()
            self._check_headers()
        except BaseException:
            self.close()  # http.client does so only after some errors; the socket would stay open
            raise
        self.pace.headers_done()

    def _check_headers(self) -> None:
        """http.client takes headers that were cut for whole ones; urllib3 refuses two lengths, but
        then nobody closes the socket."""
        if self.pace.ended:
            raise http.client.IncompleteRead(b"")
        said = ",".join(self.headers.get_all("content-length", ()))
        if len({length.strip() for length in said.split(",")}) > 1:
            raise http.client.HTTPException("more than one Content-Length")
