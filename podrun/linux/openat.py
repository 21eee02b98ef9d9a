"""openat2(2): open a path that cannot leave the directory it starts from (5.6)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct

from podrun.linux.syscall import syscall

OPENAT2 = 437  # the same on every architecture

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

#: Symbolic links and ".." stay inside ``dir_fd``, as after chroot(2); /proc's magic links fail.
INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
#: No symbolic link anywhere on the way.
STRAIGHT = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS

_TRIES = 10_000


def openat2(dir_fd: int, path: bytes, flags: int, mode: int = 0, resolve: int = INSIDE) -> int:
    """A descriptor (close-on-exec) of ``path`` below ``dir_fd``; ELOOP or EXDEV when it strays.

    EAGAIN says that something was renamed or mounted, anywhere on the machine, while the kernel
    went over a ".."; the man page leaves it to the caller to try again.
    """
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve)
    buffer = ctypes.create_string_buffer(how, len(how))
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            return syscall(OPENAT2, dir_fd, path, buffer, len(how), name=os.fsdecode(path))
    return syscall(OPENAT2, dir_fd, path, buffer, len(how), name=os.fsdecode(path))
