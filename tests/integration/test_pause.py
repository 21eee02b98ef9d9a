"""pause, as it is built for this machine and in plain C, on the real kernel."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.monitor_harness import BIN, BUILD
from tests.node import wait_until

PAUSE = BIN / "pause"
BINARIES = [path for path in (PAUSE, BUILD / "pause-c") if path.exists() or path == PAUSE]
ASSEMBLED = ("x86_64", "aarch64")


@pytest.fixture(params=BINARIES, ids=lambda path: path.name)
def binary(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@contextlib.contextmanager
def running(command: list[str | Path], **kwargs: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **kwargs)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        for pid in children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(word) for word in text.split()]
    return []


def waits(pid: int) -> bool:
    """Is it in rt_sigtimedwait, with everything before that done?"""
    with contextlib.suppress(OSError):
        call = Path(f"/proc/{pid}/syscall").read_text().split()[0]
        return call == {"x86_64": "128", "aarch64": "137"}[platform.machine()]
    return False


@contextlib.contextmanager
def first_process(binary: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """pause as PID 1 of a PID namespace: unshare(1), its parent, and its pid outside."""
    with running(["unshare", "--pid", "--fork", binary]) as parent:
        pid = wait_until(lambda: next(iter(children(parent.pid)), 0))
        wait_until(lambda: waits(pid))
        yield parent, pid


def inside(pid: int, script: str, *, check: bool = True) -> None:
    """Run a script in the PID namespace of ``pid``."""
    enter = ["nsenter", f"--pid=/proc/{pid}/ns/pid"]
    subprocess.run([*enter, "/bin/sh", "-c", script], check=check)


@pytest.mark.skipif(platform.machine() not in ASSEMBLED, reason="plain C on this machine")
def test_is_tiny() -> None:
    assert PAUSE.stat().st_size <= 1024
    with running([PAUSE]) as pause:
        wait_until(lambda: waits(pause.pid))
        rollup = Path(f"/proc/{pause.pid}/smaps_rollup").read_text()
        sizes = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines()[1:]}
    assert int(sizes["Rss"]) <= 16
    assert int(sizes["Pss"]) <= 16


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_leaves_on(binary: Path, number: signal.Signals) -> None:
    with running([binary]) as pause:
        wait_until(lambda: waits(pause.pid))
        pause.send_signal(number)
        assert pause.wait(10) == 0


def test_survives_every_other_signal(binary: Path) -> None:
    forced = {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT}
    with running([binary]) as pause:
        wait_until(lambda: waits(pause.pid))
        for number in signal.valid_signals() - forced:
            pause.send_signal(number)
        wait_until(lambda: waits(pause.pid))
        assert pause.poll() is None


def test_pins_no_directory(binary: Path, tmp_path: Path) -> None:
    with running([binary], cwd=tmp_path) as pause:
        wait_until(lambda: waits(pause.pid))
        assert os.readlink(f"/proc/{pause.pid}/cwd") == "/"


def test_reaps_orphans_as_first_process(binary: Path) -> None:
    with first_process(binary) as (_, pid):
        inside(pid, "for i in 1 2 3 4 5 6 7 8; do sh -c 'sleep 0.05 & sleep 0.05 &' ; done")
        wait_until(lambda: not children(pid), what="an end of all orphans")
        wait_until(lambda: waits(pid))


def test_reaps_what_died_before_it_could_look(binary: Path) -> None:
    script = f"/bin/true & exec {binary}"
    with running(["unshare", "--pid", "--fork", "/bin/sh", "-c", script]) as parent:
        pid = wait_until(lambda: next(iter(children(parent.pid)), 0))
        wait_until(lambda: waits(pid))
        wait_until(lambda: not children(pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_leaves_as_first_process_when_told_from_outside(
    binary: Path, number: signal.Signals
) -> None:
    with first_process(binary) as (parent, pid):
        os.kill(pid, number)
        assert parent.wait(10) == 0


def test_leaves_as_first_process_when_told_from_inside(binary: Path) -> None:
    with first_process(binary) as (parent, pid):
        inside(pid, "kill -HUP 1; kill -TERM 1", check=False)  # it takes its killer along
        assert parent.wait(10) == 0


def test_takes_its_pid_namespace_along(binary: Path) -> None:
    with first_process(binary) as (parent, pid):
        inside(pid, "sleep 1000 & exit 0")
        orphan = wait_until(lambda: next(iter(children(pid)), 0))
        os.kill(pid, signal.SIGTERM)
        assert parent.wait(10) == 0
        assert not Path(f"/proc/{orphan}/stat").exists()


def test_holds_an_inherited_socket(binary: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        pause = running([binary], pass_fds=[listener.fileno()])
        process = pause.__enter__()
    try:
        with socket.create_connection(address, timeout=5):
            pass  # accepted by the kernel: the socket still listens
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
    finally:
        process.kill()
        pause.__exit__(None, None, None)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
