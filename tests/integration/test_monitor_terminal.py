"""Attached clients of a monitor that has a terminal; what clients cost it."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

from tests.integration.monitor_client import (
    ALL,
    BOTH,
    INPUT,
    RESIZE,
    Client,
    attached,
    running,
)
from tests.integration.monitor_harness import BIN, joined
from tests.integration.test_monitor_agent import proportional_kib
from tests.node import wait_until


@contextlib.contextmanager
def at_a_terminal(binary: Path, root: Path, argv: list[str] | str) -> Iterator[Client]:
    with running(binary, root, argv, terminal=True, stdin=True) as m, attached(m) as client:
        yield client


def test_a_terminal_of_its_own(binary: Path, tmp_path: Path) -> None:
    script = "test -t 0 && test -t 1 && echo yes; : </dev/tty && echo own >&2; exit 4"
    with running(binary, tmp_path, script, terminal=True) as m:
        assert m.wait()["code"] == 4
        found = m.entries()
        assert {entry.stream for entry in found} == {"stdout"}
        assert joined(found, "stdout") == [b"yes", b"own"], "the CR of a terminal is not logged"


def test_typing_resizing_and_interrupting(binary: Path, tmp_path: Path) -> None:
    script = "trap 'echo interrupted; exit 9' INT; stty size; read x; stty size; read x"
    with at_a_terminal(binary, tmp_path, f"read x; {script}") as client:
        client.say(RESIZE, struct.pack("!HH", 33, 111))
        client.say(INPUT, b"go\n")
        client.until(b"33 111\r\n")
        client.say(RESIZE, struct.pack("!HH", 44, 122))
        client.say(INPUT, b"\n")
        client.until(b"44 122\r\n")
        client.say(INPUT, b"\x03")
        client.until(b"interrupted\r\n")
        assert client.finish() == 9


def test_much_output_of_a_terminal_arrives_whole(binary: Path, tmp_path: Path) -> None:
    script = "stty -onlcr; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    with running(binary, tmp_path, script, terminal=True) as m:
        m.wait()
        numbers = [int(line.split()[1]) for line in joined(m.entries(), "stdout")]
        assert numbers == list(range(20000))


def test_a_terminal_outlives_being_hung_up_and_closed(binary: Path, tmp_path: Path) -> None:
    """As an init system does it: getty hangs it up, nobody has it open all the time."""
    program = """
import fcntl, os, signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
def again():
    fd = os.open("/proc/self/fd/0", os.O_RDWR | os.O_NOCTTY)
    for number in (0, 1, 2):
        os.dup2(fd, number)
    os.close(fd)
os.read(0, 100)
fcntl.ioctl(0, 0x5437)  # TIOCVHANGUP
again()
os.write(1, b"hung up\\n")
os.read(0, 100)
at = os.open("/proc/self/fd/0", os.O_PATH)
os.closerange(0, 3)
os.stat("/dev/null")
os.dup2(os.open(f"/proc/self/fd/{at}", os.O_RDWR | os.O_NOCTTY), 1)
os.write(1, b"closed\\n")
"""
    command = ["/usr/bin/python3", "-c", program]
    with at_a_terminal(binary, tmp_path, command) as client:
        client.say(INPUT, b"go\n")
        client.until(b"hung up\r\n")
        client.say(INPUT, b"on\n")
        client.until(b"closed\r\n")
        assert client.finish() == 0


def test_a_terminal_without_input(binary: Path, tmp_path: Path) -> None:
    with running(binary, tmp_path, "tty; exec sleep 1000", terminal=True) as m:
        assert m.ask(ALL) == b"error no standard input\n"
        with attached(m, BOTH) as client:
            os.kill(m.children()[0], signal.SIGKILL)
            assert client.finish() == 137


# ── what it costs ────────────────────────────────────────────────────────────────────────────────


def test_ten_of_them_are_small_after_clients_were_there(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        every = [
            stack.enter_context(
                running(
                    BIN / "monitor", tmp_path / str(i), "exec cat", stdin=True, terminal=i % 2 == 0
                )
            )
            for i in range(10)
        ]
        for m in every:
            with attached(m) as client:
                client.say(INPUT, b"x" * 3000 + b"\n")
                client.until(b"\n")
        wait_until(lambda: max(proportional_kib(m.pid) for m in every) <= 128)
