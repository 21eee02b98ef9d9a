"""How much of a disk trees of files take, whoever has filled them: any depth, any number of files.

Paths are of no use for that: a tree deeper than PATH_MAX, made by one who goes down step by step,
could not be counted at all. So only one directory is open, and the way back is "..", which must
lead to where we came from: somebody may move a directory away while we are in it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 512  # of st_blocks, whatever the file system's own are
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_Inode = tuple[int, int]


def bytes_of(trees: Iterable[Path]) -> int:
    """Bytes of disk: holes count nothing, a file with several names counts once.

    What is removed meanwhile, or moved away, is left out. Raises PermissionError.
    """
    seen: set[_Inode] = set()
    return sum(_size(tree, seen) for tree in trees)


def _size(tree: Path, seen: set[_Inode]) -> int:
    try:
        status = os.lstat(tree)
        if not stat.S_ISDIR(status.st_mode):
            return _of(status, seen)
        directory = os.open(tree, _DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    with contextlib.closing(_Walk(directory, seen)) as walk:
        return walk.total()


class _Walk:
    """Below one directory; closes it."""

    def __init__(self, directory: int, seen: set[_Inode]) -> None:
        self._here = directory
        self._seen = seen
        self._waiting: list[tuple[_Inode, list[str]]] = []  # from the top to where we are

    def close(self) -> None:
        os.close(self._here)

    def total(self) -> int:
        total = self._enter(self._here)
        while self._waiting:
            names = self._waiting[-1][1]
            if names:
                total += self._down(names.pop())
            elif not self._up():
                break
        return total

    def _down(self, name: str) -> int:
        try:
            child = os.open(name, _DIRECTORY, dir_fd=self._here)
        except (FileNotFoundError, NotADirectoryError):
            return 0  # removed while we count
        return self._enter(child)

    def _up(self) -> bool:
        """To the directory above, if it is the one we came from."""
        self._waiting.pop()
        if not self._waiting:
            return False
        try:
            parent = os.open("..", _DIRECTORY, dir_fd=self._here)
        except FileNotFoundError:
            return False
        self._go(parent)
        return _inode(os.fstat(parent)) == self._waiting[-1][0]

    def _enter(self, directory: int) -> int:
        self._go(directory)
        status = os.fstat(directory)
        total, below = status.st_blocks * _BLOCK, []
        with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
                    continue
                with contextlib.suppress(FileNotFoundError):
                    total += _of(entry.stat(follow_symlinks=False), self._seen)
        self._waiting.append((_inode(status), below))
        return total

    def _go(self, directory: int) -> None:
        if directory != self._here:
            os.close(self._here)
            self._here = directory


def _of(status: os.stat_result, seen: set[_Inode]) -> int:
    """Only what has other names is remembered: there may be millions of files."""
    if status.st_nlink > 1:
        if _inode(status) in seen:
            return 0
        seen.add(_inode(status))
    return status.st_blocks * _BLOCK


def _inode(status: os.stat_result) -> _Inode:
    return status.st_dev, status.st_ino
