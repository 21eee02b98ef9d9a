"""clone3(2): a fork whose child is born where it belongs, in its cgroup and its namespaces.

Moving a process between cgroups takes a lock that waits for every CPU to pass a quiet point, about
10 ms each time; being born in one takes nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct

CLONE3 = 435  # the same on every architecture
CLONE_PARENT = 0x8000
_CLONE_INTO_CGROUP = 0x200000000  # 5.7

# PyDLL keeps the interpreter's lock over the call, as os.fork does.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def fork_into(cgroup_fd: int, flags: int = 0) -> int:
    """Like os.fork, but the child is in the cgroup (v2) whose directory ``cgroup_fd`` is, and in
    the new namespaces of ``flags``. Needs a process of one thread; see ``fork``.
    """
    return _clone3(flags | _CLONE_INTO_CGROUP, cgroup_fd)


def fork(flags: int) -> int:
    """Like os.fork; ``flags`` are new namespaces, and CLONE_PARENT for a sibling.

    Needs a process of one thread; the child must soon exec or _exit: the C library does not know
    that it was forked. OSError: ENOSYS where clone3 is not allowed or not there, EINVAL before 5.7.
    """
    return _clone3(flags, 0)


def _clone3(flags: int, cgroup_fd: int) -> int:
    at_exit = 0 if flags & CLONE_PARENT else signal.SIGCHLD  # a sibling has its maker's
    arguments = struct.pack("=11Q", flags, *(0,) * 3, at_exit, *(0,) * 5, cgroup_fd)
    buffer = ctypes.create_string_buffer(arguments, len(arguments))
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = int(_libc.syscall(ctypes.c_long(CLONE3), buffer, ctypes.c_size_t(len(arguments))))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    number = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, os.strerror(number), "clone3")
    return pid
