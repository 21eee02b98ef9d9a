"""The monitor's control socket: what it understands, and that nobody can harm it there."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.monitor_harness import BINARIES, Monitor, monitor


@pytest.fixture(params=BINARIES, ids=lambda path: path.name)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Monitor]:
    with monitor(request.param, tmp_path, "exec sleep 1000") as m:
        m.report()
        yield m
        assert m.ask(b"ping\n") == b"ok\n", "whatever was done to it"


@contextlib.contextmanager
def connect(m: Monitor) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(m.control))  # waits while the queue is full, as no timeout is set yet
        client.settimeout(10)
        yield client


@pytest.mark.parametrize("command", [b"ping", b"rotate", b"reopen"])
def test_commands(running: Monitor, command: bytes) -> None:
    assert running.ask(command + b"\n") == b"ok\n"


@pytest.mark.parametrize(
    "line",
    [b"\n", b"pin\n", b"ping \n", b"PING\n", b"ping\r\n", b"\0\n", b"\xff" * 100 + b"\n"],
)
def test_what_it_does_not_know(running: Monitor, line: bytes) -> None:
    assert running.ask(line) == b"error unknown command\n"


def test_only_the_first_line_counts(running: Monitor) -> None:
    with connect(running) as client:
        client.sendall(b"ping\nnonsense\n")
        assert client.recv(100) == b"ok\n"


@pytest.mark.parametrize("size", [256, 257, 100_000])
def test_a_line_too_long(running: Monitor, size: int) -> None:
    assert running.ask(b"x" * size) in (b"error line too long\n", b"")


def test_a_line_in_pieces(running: Monitor) -> None:
    with connect(running) as client:
        for byte in b"ping\n":
            client.sendall(bytes([byte]))
        assert client.recv(100) == b"ok\n"


def test_half_a_line(running: Monitor) -> None:
    with connect(running) as client:
        client.sendall(b"rota")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_silent_clients_take_no_place_for_good(running: Monitor) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(running)) for _ in range(12)]
        assert running.ask(b"ping\n") == b"ok\n"
        assert silent[0].recv(100) == b"", "the longest silent one had to go"
        silent[-1].sendall(b"ping\n")
        assert silent[-1].recv(100) == b"ok\n"


def test_clients_that_do_not_wait_for_the_answer(running: Monitor) -> None:
    for _ in range(50):
        with connect(running) as client:
            client.sendall(b"rotate\n")


def test_without_a_socket(tmp_path: Path) -> None:
    """``--socket -1``, and the container's life is the same."""
    with monitor(BINARIES[0], tmp_path, "echo a; exit 3", socket=False) as m:
        record = m.wait()
    assert record["code"] == 3
