"""fsGroup: give a volume, and what earlier containers left in it, to a group.

As the kubelet: every entry gets the group; files rw for it, directories rwx and set-group-ID, so
that what is made later is the group's too. Containers have filled the tree: no link is followed,
no depth or number of names is trusted. Nobody else writes meanwhile: the pod's containers are not
there yet.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_WRITE = 0o660
_DIRECTORY_BITS = _READ_WRITE | 0o110 | stat.S_ISGID


class GroupOwner(msgspec.Struct, frozen=True):
    """``always`` is fsGroupChangePolicy; otherwise a root that is right speaks for all of it."""

    gid: int
    always: bool = True


def give(path: Path, owner: GroupOwner) -> None:
    """The directory ``path`` and all in it. OSError.

    The root comes last: when this is interrupted it still shows that there is more to do.
    """
    root = os.open(path, _DIRECTORY)
    try:
        if owner.always or not _has(os.fstat(root), owner.gid):
            _give_contents(root, owner.gid)
            _change(root, owner.gid)
    finally:
        os.close(root)


def _give_contents(root: int, gid: int) -> None:
    """One descriptor at any depth: down by name, up by "..", which must be where we came from."""
    here = os.dup(root)
    waiting = [_give_entries(here, gid)]
    way: list[tuple[int, int]] = []
    try:
        while waiting:
            if waiting[-1]:
                way.append(_identity(here))
                here = _moved(here, waiting[-1].pop())
                _change(here, gid)
                waiting.append(_give_entries(here, gid))
                continue
            waiting.pop()
            if way:
                here = _moved(here, "..")
                if _identity(here) != way.pop():
                    raise OSError(116, "the volume was changed meanwhile")  # ESTALE
    finally:
        os.close(here)


def _moved(here: int, name: str) -> int:
    there = os.open(name, _DIRECTORY, dir_fd=here)
    os.close(here)
    return there


def _give_entries(directory: int, gid: int) -> list[str]:
    """All but the subdirectories, whose names are returned."""
    below = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
            elif entry.is_symlink():
                os.chown(entry.name, -1, gid, dir_fd=directory, follow_symlinks=False)
            else:
                with _held(entry.name, directory) as fd:
                    _change(fd, gid)
    return below


@contextlib.contextmanager
def _held(name: str, directory: int) -> Iterator[int]:
    """O_PATH: neither a FIFO nor a device is opened."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield fd
    finally:
        os.close(fd)


def _change(fd: int, gid: int) -> None:
    """Group and mode of what ``fd`` is. The mode second: chown takes set-user-ID away."""
    found = os.fstat(fd)
    if not _has(found, gid):
        itself = f"/proc/self/fd/{fd}"  # fchmod refuses an O_PATH descriptor
        os.chown(itself, -1, gid)
        os.chmod(itself, stat.S_IMODE(found.st_mode) | _bits(found))


def _has(found: os.stat_result, gid: int) -> bool:
    return found.st_gid == gid and found.st_mode & _bits(found) == _bits(found)


def _bits(found: os.stat_result) -> int:
    return _DIRECTORY_BITS if stat.S_ISDIR(found.st_mode) else _READ_WRITE


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino
