"""What ties a container to its monitor: pipes, or a terminal of the container's own.

container            monitor             container                  monitor
  0 ◄── stdin ──────── --stdin             0, 1, 2 = /dev/console ◄─► master = --stdout, --stdin
  1 ─── stdout ──────► --stdout                    = /dev/pts/0 ────► --terminal (held open)
  2 ─── stderr ──────► --stderr
  status ────────────► --status            status ──────────────────► --status

Without ``stdin`` there is no --stdin, and the container's is /dev/null (of a terminal: nobody
types). Everything is close-on-exec.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

import msgspec

from podrun.container import terminal


class Streams(msgspec.Struct, frozen=True):
    """The container's ends, and the monitor's by the option that takes them."""

    stdin: int
    stdout: int
    stderr: int
    status: int
    monitor: dict[str, int]


def make(*, stdin: bool, pts: int | None) -> Streams:
    """Open them; with ``pts``, a mount of devpts that is the container's alone, a terminal."""
    status, status_write = os.pipe()
    if pts is not None:
        return _terminal(pts, stdin, {"--status": status}, status_write)
    stdout, stdout_write = os.pipe()
    stderr, stderr_write = os.pipe()
    monitor = {"--status": status, "--stdout": stdout, "--stderr": stderr}
    if stdin:
        source, monitor["--stdin"] = os.pipe()
    else:
        source = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    return Streams(source, stdout_write, stderr_write, status_write, monitor)


def give(fds: Iterable[int], uid: int, gid: int = -1) -> None:
    """The container's ends to its user, who else could not open /dev/stdout."""
    for fd in set(fds):
        if stat.S_ISFIFO(os.fstat(fd).st_mode):  # not the host's /dev/null
            os.fchown(fd, uid, gid)
        elif os.isatty(fd):
            os.fchown(fd, uid, -1)  # its group is that of terminals


def _terminal(pts: int, stdin: bool, monitor: dict[str, int], status: int) -> Streams:
    master = terminal.make(pts)
    peer = terminal.open_peer(master)
    monitor["--stdout"] = master
    monitor["--terminal"] = terminal.open_peer(master)  # not a copy: it will not block
    if stdin:
        monitor["--stdin"] = os.dup(master)
    return Streams(peer, peer, peer, status, monitor)
