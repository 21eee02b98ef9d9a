"""inotify(7): be told of names that come and go in directories, without looking."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from podrun.linux.syscall import libc

IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_Q_OVERFLOW = 0x4000  # events were lost: look at everything again
IN_IGNORED = 0x8000  # the watch is gone, with its directory
IN_ONLYDIR = 0x01000000
IN_ISDIR = 0x40000000

_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_EVENT = struct.Struct("iIII")
_BUFFER = 65536


class Event(NamedTuple):
    """``watch`` is what add_watch gave, -1 in IN_Q_OVERFLOW; ``name`` is an entry of it."""

    watch: int
    mask: int
    name: str


def inotify_init() -> int:
    """A non-blocking descriptor. OSError EMFILE: fs.inotify.max_user_instances."""
    return libc("inotify_init1", _NONBLOCK_CLOEXEC, name="inotify")


def inotify_add_watch(fd: int, path: str, mask: int) -> int:
    """OSError ENOSPC: fs.inotify.max_user_watches. The same directory gives the same watch."""
    return libc("inotify_add_watch", fd, os.fsencode(path), mask, name=path)


def read_events(fd: int) -> Iterator[Event]:
    """What there is now; nothing when there is nothing."""
    try:
        data = os.read(fd, _BUFFER)
    except BlockingIOError:
        return
    at = 0
    while at < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        name = data[at : at + length].rstrip(b"\0")
        at += length
        yield Event(watch, mask, os.fsdecode(name))
