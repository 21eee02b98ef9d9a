"""unshare(2), setns(2) and what /proc says of a process's namespaces."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from podrun.linux.syscall import libc

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

#: name below /proc/PID/ns → flag
FLAGS = {
    "mnt": CLONE_NEWNS,
    "cgroup": CLONE_NEWCGROUP,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "user": CLONE_NEWUSER,
    "pid": CLONE_NEWPID,
    "net": CLONE_NEWNET,
}


def unshare(flags: int) -> None:
    libc("unshare", flags, name="unshare")


def setns(fd: int, flags: int = 0, name: str = "setns") -> None:
    """Join the namespace ``fd`` is; a pidfd joins all those in ``flags`` at once (5.8)."""
    libc("setns", fd, flags, name=name)


def open_namespace(pid: int, kind: str) -> int:
    return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def inode(pid: int | str, kind: str) -> int:
    """The number that names a namespace; OSError when the process is gone."""
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino


@contextlib.contextmanager
def entered(pid: int, kind: str) -> Iterator[None]:
    """Be in that process's namespace for a while. Needs a single-threaded process.

    The working directory is / afterwards when ``kind`` is ``mnt``: setns(2) resets it.
    """
    there = open_namespace(pid, kind)
    try:
        here = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        os.close(there)
        raise
    try:
        setns(there, FLAGS[kind], f"/proc/{pid}/ns/{kind}")
        try:
            yield
        finally:
            setns(here, FLAGS[kind], f"/proc/self/ns/{kind}")
    finally:
        os.close(there)
        os.close(here)
