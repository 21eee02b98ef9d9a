"""subPath: one file or directory of a volume, found by descriptor.

Whoever writes to a volume may put links in it, also while we look (CVE-2017-1002101,
CVE-2021-25741). No path is checked and then used: openat2(2) resolves it with the volume as its
root, links and ".." included, and what it opened is what is mounted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from podrun.linux.openat import INSIDE, RESOLVE_NO_XDEV, openat2

_TRIES = 100  # openat2 with "..", while somebody renames: EAGAIN


def open_path(root: int, sub_path: str) -> int:
    """An O_PATH descriptor of ``sub_path`` in the directory ``root``, and on its very mount (EXDEV
    where another one begins). OSError."""
    return _open(root, os.fsencode(sub_path), INSIDE | RESOLVE_NO_XDEV)


def open_or_make(root: int, sub_path: str) -> int:
    """The same; missing directories are made, with the mode of the volume's own root. OSError.

    As the kubelet's SafeMakeDir. A link to nothing is not followed to make what it means: ENOENT.
    """
    whole = os.fsencode(sub_path)
    try:
        return _open(root, whole)
    except FileNotFoundError:
        mode = stat.S_IMODE(os.fstat(root).st_mode)
        parts = [part for part in whole.split(b"/") if part]
        for count in range(1, len(parts) + 1):
            _make(root, parts[:count], mode)
        return _open(root, whole)


def _make(root: int, parts: list[bytes], mode: int) -> None:
    """Its parents are there. Another container's worker may be quicker."""
    parent = _open(root, b"/".join(parts[:-1]))
    old = os.umask(0)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(parts[-1], mode, dir_fd=parent)
    finally:
        os.umask(old)
        os.close(parent)


def _open(root: int, path: bytes, resolve: int = INSIDE) -> int:
    for _ in range(_TRIES):
        try:
            return openat2(root, path or b".", os.O_PATH, 0, resolve)
        except BlockingIOError:
            continue
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), os.fsdecode(path))
