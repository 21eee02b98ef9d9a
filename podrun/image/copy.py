"""Merge layers into one plain tree, for where there is no overlayfs.

From the bottom to the top; whiteouts and opaque directories take away what lower ones brought.
Hard links within a layer stay hard links.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from podrun.image import attributes, lower
from podrun.image.mkdirs import DIRECTORY
from podrun.linux.openat import STRAIGHT, openat2
from podrun.linux.trees import remove_tree


def merge(lowers: Sequence[Path], target: Path) -> None:
    """Fill the empty directory ``target`` from ``lowers``, topmost first. OSError."""
    for layer in reversed(lowers):
        _Merge(layer, target).run()


class _Merge:
    def __init__(self, layer: Path, target: Path) -> None:
        self._layer = layer
        self._target = target
        self._links: dict[int, bytes] = {}  # inode → path in the target

    def run(self) -> None:
        with contextlib.ExitStack() as opened:
            source = os.open(self._layer, DIRECTORY)
            opened.callback(os.close, source)
            target = os.open(self._target, DIRECTORY)
            opened.callback(os.close, target)
            opened.callback(os.umask, os.umask(0))
            done = self._walk(source, target)
            for path in reversed(done):  # times last: filling a directory changes its own
                with _both(source, target, path) as (from_fd, to_fd):
                    attributes.copy(from_fd, to_fd)

    def _walk(self, source: int, target: int) -> list[bytes]:
        waiting, done = [b"."], list[bytes]()
        while waiting:
            path = waiting.pop()
            done.append(path)
            with _both(source, target, path) as (from_fd, to_fd):
                if lower.is_opaque(f"/proc/self/fd/{from_fd}"):
                    for name in map(os.fsencode, os.listdir(to_fd)):
                        _remove(to_fd, name)
                for name in map(os.fsencode, os.listdir(from_fd)):
                    if self._one(from_fd, to_fd, target, name, path + b"/" + name):
                        waiting.append(path + b"/" + name)
        return done

    def _one(self, from_fd: int, to_fd: int, target: int, name: bytes, path: bytes) -> bool:
        """Bring one name over; True for a directory, whose content is still to come."""
        status = os.stat(name, dir_fd=from_fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            if not _is_directory(to_fd, name):
                _remove(to_fd, name)
                os.mkdir(name, 0o700, dir_fd=to_fd)
            return True
        _remove(to_fd, name)
        if lower.is_whiteout(status):
            return False
        first = self._links.setdefault(status.st_ino, path)
        if first != path:
            os.link(first, name, src_dir_fd=target, dst_dir_fd=to_fd, follow_symlinks=False)
        elif stat.S_ISREG(status.st_mode):
            _copy_file(from_fd, to_fd, name)
        else:
            _copy_special(from_fd, to_fd, name, status)
        return False


@contextlib.contextmanager
def _both(source: int, target: int, path: bytes) -> Iterator[tuple[int, int]]:
    from_fd = openat2(source, path, DIRECTORY, 0, STRAIGHT)
    try:
        to_fd = openat2(target, path, DIRECTORY, 0, STRAIGHT)
        try:
            yield from_fd, to_fd
        finally:
            os.close(to_fd)
    finally:
        os.close(from_fd)


def _is_directory(directory: int, name: bytes) -> bool:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode)


def _remove(directory: int, name: bytes) -> None:
    remove_tree(Path(f"/proc/self/fd/{directory}") / os.fsdecode(name))


def _copy_file(from_fd: int, to_fd: int, name: bytes) -> None:
    with contextlib.ExitStack() as opened:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=from_fd)
        opened.callback(os.close, source)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        target = os.open(name, flags, 0o600, dir_fd=to_fd)
        opened.callback(os.close, target)
        while os.sendfile(target, source, None, 1 << 30):
            pass
        attributes.copy(source, target)


def _copy_special(from_fd: int, to_fd: int, name: bytes, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=from_fd), name, dir_fd=to_fd)
    else:
        os.mknod(name, status.st_mode, status.st_rdev, dir_fd=to_fd)
    os.chown(name, status.st_uid, status.st_gid, dir_fd=to_fd, follow_symlinks=False)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=to_fd, follow_symlinks=False)
