"""Attached clients of the monitor, frame by frame: output, input, terminal, and bad manners."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

import pytest

from tests.integration.monitor_client import (
    ALL,
    BOTH,
    CLIENTS,
    INPUT,
    RESIZE,
    STDERR,
    STDOUT,
    attached,
    running,
)
from tests.integration.monitor_harness import joined
from tests.node import wait_until

# ── output ───────────────────────────────────────────────────────────────────────────────────────


def test_both_streams_and_the_exit_code(binary: Path, tmp_path: Path) -> None:
    script = "read x; echo out; echo err >&2; printf no-end; exit 7"
    with running(binary, tmp_path, script, stdin=True) as m, attached(m) as client:
        client.say(INPUT, b"go\n")
        assert client.finish() == 7
        assert client.data == {STDOUT: b"out\nno-end", STDERR: b"err\n"}
        assert m.record("exit.json")["code"] == 7, "recorded before it was told"
        m.wait()
        assert joined(m.entries(), "stdout") == [b"out", b"no-end"]


def test_a_signal_is_128_and_its_number(binary: Path, tmp_path: Path) -> None:
    with (
        running(binary, tmp_path, "read x; kill -KILL $$", stdin=True) as m,
        attached(m) as client,
    ):
        client.say(INPUT, b"\n")
        assert client.finish() == 137


@pytest.mark.parametrize(
    ("line", "out", "err"),
    [
        (b"attach\n", b"", b""),
        (b"attach stdout\n", b"out\n", b""),
        (b"attach stderr\n", b"", b"err\n"),
        (b"attach stderr stdout stdout\n", b"out\n", b"err\n"),
    ],
)
def test_only_what_was_asked_for(
    binary: Path, tmp_path: Path, line: bytes, out: bytes, err: bytes
) -> None:
    script = "read x; echo out; echo err >&2"
    with (
        running(binary, tmp_path, script, stdin=True) as m,
        attached(m, line) as client,
        attached(m) as other,
    ):
        other.say(INPUT, b"\n")
        assert client.finish() == 0
        assert client.data == {STDOUT: out, STDERR: err}


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"attach nonsense\n", b"error unknown stream\n"),
        (b"attach  stdout\n", b"error unknown stream\n"),
        (b"attach \n", b"error unknown stream\n"),
        (b"attach stdou\n", b"error unknown stream\n"),
        (b"attached\n", b"error unknown command\n"),
        (b"attach stdout\nping\n", b"error more than a line\n"),
        (b"attach stdin\n", b"error no standard input\n"),
    ],
)
def test_what_it_refuses(binary: Path, tmp_path: Path, line: bytes, answer: bytes) -> None:
    with running(binary, tmp_path, "exec sleep 1000") as m:
        assert m.ask(line) == answer
        assert m.ask(b"ping\n") == b"ok\n"


def test_so_many_clients_and_no_more(binary: Path, tmp_path: Path) -> None:
    with (
        running(binary, tmp_path, "read x; echo hello", stdin=True) as m,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(attached(m)) for _ in range(CLIENTS)]
        assert m.ask(ALL) == b"error too many clients\n"
        clients.pop().socket.close()
        wait_until(lambda: m.ask(b"attach stdout\n") == b"ok\n")
        clients[0].say(INPUT, b"\n")
        for client in clients:
            assert client.finish() == 0
            assert client.data[STDOUT] == b"hello\n"


def test_a_slow_client_is_dropped_and_nobody_waits_for_it(binary: Path, tmp_path: Path) -> None:
    script = "read x; yes $(printf %099d 0) | head -c 20000000; echo at last; exit 3"
    with (
        running(binary, tmp_path, script, stdin=True, log_max=0) as m,
        attached(m) as slow,
        attached(m, b"attach stdin\n") as starter,
    ):
        starter.say(INPUT, b"\n")
        assert m.wait()["droppedLines"] == 0
        lines = joined(m.entries(), "stdout")
        assert (len(lines), lines[-1]) == (200_001, b"at last")
        assert starter.finish() == 3
        assert slow.finish() is None, "no exit: how it learns that it was dropped"
        assert len(slow.data[STDOUT]) > 3_000_000


# ── input ────────────────────────────────────────────────────────────────────────────────────────


def test_input_of_several_clients_one_after_another(binary: Path, tmp_path: Path) -> None:
    with running(binary, tmp_path, "exec cat", stdin=True) as m:
        for text in (b"one\n", b"two\n"):
            with attached(m) as client:
                client.say(INPUT, text)
                client.until(text)
                client.say(INPUT)  # its end is the client's, not the container's
        with attached(m) as a, attached(m) as b:
            a.say(INPUT, b"from a\n")
            b.until(b"from a\n")
            b.say(INPUT, b"from b\n")
            a.until(b"from b\n")
        assert m.running()


@pytest.mark.parametrize("how", ["frame", "close"])
def test_once_means_until_the_first_client_ends(binary: Path, tmp_path: Path, how: str) -> None:
    script = "cat; echo over; read x <&3"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with running(binary, tmp_path, f"exec 3<>{fifo}; {script}", stdin=True, stdin_once=True) as m:
        with attached(m, b"attach stdout\n") as watcher:
            with attached(m) as client:
                client.say(INPUT, b"text\n")
                client.until(b"text\n")
                if how == "frame":
                    client.say(INPUT)
                    client.until(b"over\n")
            watcher.until(b"over\n")
        assert m.ask(ALL) == b"error standard input is closed\n"
        with attached(m, BOTH):
            pass


def test_a_client_without_input_does_not_end_it(binary: Path, tmp_path: Path) -> None:
    with running(binary, tmp_path, "exec cat", stdin=True, stdin_once=True) as m:
        with attached(m, BOTH):
            pass
        with attached(m) as client:
            client.say(INPUT, b"still here\n")
            client.until(b"still here\n")


def test_much_input_comes_through_whole(binary: Path, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    with (
        running(binary, tmp_path, "sleep 0.2; exec md5sum", stdin=True, stdin_once=True) as m,
        attached(m) as client,
    ):
        client.socket.settimeout(60)
        for at in range(0, len(data), 1_000_000):
            client.say(INPUT, data[at : at + 1_000_000])
        client.say(INPUT)
        assert client.finish() == 0
        import hashlib

        digest = hashlib.md5(data, usedforsecurity=False).hexdigest().encode()
        assert client.data[STDOUT].split()[0] == digest


def test_input_that_nobody_takes_hurts_nobody(binary: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"exec 3<>{fifo}; read x <&3; echo heard; exec cat >/dev/null"
    with running(binary, tmp_path, script, stdin=True) as m, attached(m) as client:
        client.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.socket.send(struct.pack("!BI", INPUT, 1 << 30))
            while True:
                client.socket.send(b"x" * 65536)
        assert m.ask(b"ping\n") == b"ok\n"
        before = cpu_ticks(m.pid)
        for _ in range(20):
            assert m.ask(b"ping\n") == b"ok\n"
        assert cpu_ticks(m.pid) - before < 50, "it does not spin"
        client.socket.settimeout(20)
        fifo.write_text("go\n")
        client.until(b"heard\n")
        client.socket.sendall(b"x" * 1_000_000)  # it flows again


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_a_client_that_dies_while_its_input_waits_frees_its_place(
    binary: Path, tmp_path: Path
) -> None:
    with running(binary, tmp_path, "exec sleep 1000", stdin=True) as m:
        for _ in range(CLIENTS + 2):
            with attached(m) as client:
                client.socket.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.socket.send(struct.pack("!BI", INPUT, 1 << 30))
                    while True:
                        client.socket.send(b"x" * 65536)
        wait_until(lambda: m.ask(BOTH) == b"ok\n")


def test_input_after_the_container_closed_it_goes_nowhere(binary: Path, tmp_path: Path) -> None:
    script = "exec <&-; echo closed; exec sleep 1000"
    with running(binary, tmp_path, script, stdin=True) as m, attached(m) as client:
        wait_until(lambda: b"closed" in m.log.read_bytes())
        client.socket.sendall(struct.pack("!BI", INPUT, 1_000_000))
        client.socket.sendall(b"x" * 1_000_000)
        client.say(RESIZE, struct.pack("!HH", 1, 1))
        wait_until(lambda: m.ask(ALL) == b"error standard input is closed\n")


def test_frames_in_pieces(binary: Path, tmp_path: Path) -> None:
    frames = b"".join(
        struct.pack("!BI", kind, len(payload)) + payload
        for kind, payload in [(RESIZE, b"\0\1\0\1"), (INPUT, b"ab\n"), (INPUT, b"c\n")]
    )
    with running(binary, tmp_path, "exec cat", stdin=True) as m, attached(m) as client:
        for byte in frames:
            client.socket.sendall(bytes([byte]))
        assert client.until(b"c\n") == b"ab\nc\n"


@pytest.mark.parametrize(
    "data",
    [
        b"\x05\0\0\0\0",
        b"\xff" * 100,
        struct.pack("!BI", STDOUT, 1) + b"x",
        struct.pack("!BI", RESIZE, 5) + b"12345",
        struct.pack("!BI", RESIZE, 0),
    ],
)
def test_what_is_no_frame_ends_the_session(binary: Path, tmp_path: Path, data: bytes) -> None:
    with (
        running(binary, tmp_path, "exec cat", stdin=True) as m,
        attached(m) as client,
        attached(m) as other,
    ):
        client.socket.sendall(data)
        assert client.finish() is None
        other.say(INPUT, b"fine\n")
        other.until(b"fine\n")


def test_input_of_a_client_that_asked_for_none_ends_its_session(
    binary: Path, tmp_path: Path
) -> None:
    with running(binary, tmp_path, "exec cat", stdin=True) as m, attached(m, BOTH) as client:
        client.say(INPUT, b"x\n")
        assert client.finish() is None
