"""The bounds on what is read of a socket, without waiting for them."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from podrun.registry.pace import EXTRA_BYTES, HEADER_BYTES, Pace, PacedResponse

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30.0)
        yield ours, theirs


def test_a_deadline_that_has_passed(pair: Pair) -> None:
    pair[1].send(b"hello")
    pace = Pace(pair[0])
    pace.deadline = time.monotonic() - 1
    with pytest.raises(TimeoutError, match="takes too long"):
        pace.readinto(bytearray(10))
    pace.deadline = None
    assert pace.readinto(bytearray(10)) == 5
    pace.close()


def test_a_read_waits_no_longer_than_to_the_deadline(pair: Pair) -> None:
    pace = Pace(pair[0])
    pace.deadline = time.monotonic() + 0.05
    with pytest.raises(TimeoutError):
        pace.readinto(bytearray(10))
    pace.close()


@pytest.mark.parametrize(("allowed", "size"), [(None, HEADER_BYTES), (1000, 1000 + EXTRA_BYTES)])
def test_no_more_bytes_than_allowed(pair: Pair, allowed: int | None, size: int) -> None:
    ours, theirs = pair
    pace, buffer = Pace(ours), bytearray(1 << 14)
    if allowed is not None:
        pace.headers_done()
        pace.allow(allowed)
    left = size
    while left:
        left -= theirs.send(bytes(min(left, len(buffer))))
        pace.readinto(buffer)
    theirs.send(b"x" * 1000)
    with pytest.raises(http.client.HTTPException, match="without end"):
        while True:
            pace.readinto(buffer)
    pace.close()


def test_a_response_is_read_through_it(pair: Pair) -> None:
    pair[1].send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    response = PacedResponse(pair[0], method="GET")
    response.begin()
    assert response.pace.deadline is None
    assert response.read() == b"hello"
    response.close()


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", b"SMTP\r\n\r\n", b"HTTP/1.1 200", b""],
)
def test_a_broken_response_leaves_nothing_open(pair: Pair, answer: bytes) -> None:
    ours, theirs = pair
    theirs.send(answer)
    theirs.close()
    response = PacedResponse(ours, method="GET")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        response.begin()
    assert response.pace.closed
