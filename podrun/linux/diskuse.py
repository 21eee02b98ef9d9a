"""How much of a disk trees of files take."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 512  # of st_blocks, whatever the file system's own are


def bytes_of(trees: Iterable[Path], seen: set[tuple[int, int]] | None = None) -> int:
    """Bytes of disk: holes count nothing, a file with several names counts once.

    ``seen`` are files (device, inode) that were counted before; it grows. What is removed
    meanwhile is left out. Raises PermissionError.
    """
    counted: set[tuple[int, int]] = set() if seen is None else seen
    return sum(_size(str(tree), counted) for tree in trees)


def _size(path: str, seen: set[tuple[int, int]]) -> int:
    total, waiting = 0, [path]
    while waiting:
        here = waiting.pop()
        try:
            status = os.lstat(here)
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(here) as below:
                    waiting += [entry.path for entry in below]
        except (FileNotFoundError, NotADirectoryError):
            continue  # removed while we count
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * _BLOCK
    return total
