"""Processes that are never mistaken for others: a pid counts only with its start time and boot."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Iterable
from typing import NamedTuple

from podrun.linux.syscall import CLOSE_RANGE, PIDFD_SEND_SIGNAL, syscall

CLOSE_RANGE_CLOEXEC = 4


class ProcStat(NamedTuple):
    """Of proc_pid_stat(5): ``state`` one letter, ``start_time`` in clock ticks since boot."""

    state: str
    parent: int
    start_time: int


def stat(pid: int) -> ProcStat | None:
    """None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name may hold blanks and parentheses
    return ProcStat(fields[0].decode(), int(fields[1]), int(fields[19]))


def start_time(pid: int) -> int:
    """Clock ticks since boot. ProcessLookupError when there is no such process."""
    found = stat(pid)
    if found is None:
        raise ProcessLookupError(3, os.strerror(3), str(pid))
    return found.start_time


@functools.cache
def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def is_alive(pid: int, start: int) -> bool:
    """That very process runs; a zombie does not."""
    found = stat(pid)
    return found is not None and found.start_time == start and found.state not in "ZX"


def pidfd_of(pid: int, start: int) -> int | None:
    """A descriptor of that very process, or None when it is gone. It may be a zombie."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    found = stat(pid)  # read after the descriptor pins the pid
    if found is None or found.start_time != start:
        os.close(fd)
        return None
    return fd


def pidfd_send_signal(pidfd: int, number: int) -> None:
    syscall(PIDFD_SEND_SIGNAL, pidfd, number, None, 0, name=signal.Signals(number).name)


def close_range(first: int, last: int, flags: int = 0) -> None:
    syscall(CLOSE_RANGE, first, last, flags, name="close_range")


def cloexec_from(first: int) -> None:
    """No descriptor from ``first`` on survives the next execve."""
    close_range(first, 0xFFFFFFFF, CLOSE_RANGE_CLOEXEC)


def default_signals() -> None:
    """Nothing blocked, nothing ignored, no handler: as execve(2) should find it.

    Python ignores SIGPIPE and SIGXFSZ, and what is ignored stays so across execve.
    """
    for number in range(1, signal.NSIG):
        if signal.getsignal(number) not in (signal.SIG_DFL, None):  # setting each takes 0.4 ms
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def keep_only(fds: Iterable[int]) -> None:
    """Close every descriptor but ``fds``."""
    first = 0
    for fd in sorted(fds):
        if fd > first:
            close_range(first, fd - 1)
        first = fd + 1
    close_range(first, 0xFFFFFFFF)


def detach() -> None:
    """In a child: go on in a child of its own that nobody has to reap, with its own session and
    no terminal."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
