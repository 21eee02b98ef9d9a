"""The one door to libc: syscalls that Python 3.11 does not offer, through ctypes.

Every wrapper of this room bears the man page's name, takes descriptors and flags as the kernel
does, and raises OSError with the object's name; nothing else.
"""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# The numbers above 424 are the same on every architecture (asm-generic since 5.1).
PIDFD_SEND_SIGNAL = 424
OPEN_TREE = 428
MOVE_MOUNT = 429
FSOPEN = 430
FSCONFIG = 431
FSMOUNT = 432
CLOSE_RANGE = 436
MOUNT_SETATTR = 442

_Argument = int | bytes | None | ctypes.Array[ctypes.c_char]


def syscall(number: int, *arguments: _Argument, name: str = "") -> int:
    """Call it; a negative result becomes OSError, with ``name`` as the file name.

    Integers travel as C longs: a bare int would be cut to 32 bits.
    """
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *converted))
    if result < 0:
        raise_errno(name)
    return result


def raise_errno(name: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), name or None)


def libc(function: str, *arguments: _Argument, name: str = "") -> int:
    """A libc function with the errno convention (returns -1 on failure)."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(getattr(_libc, function)(*converted))
    if result < 0:
        raise_errno(name)
    return result
