"""What the layers below show at a path, without mounting them.

overlayfs merges directories of one name from the top down until a whiteout, an opaque directory or
something that is no directory ends the stack. Symbolic links are not followed: a layer's path means
real directories, as for overlayfs itself.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from podrun.linux.openat import STRAIGHT, openat2

OPAQUE = "trusted.overlay.opaque"


def is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: str | Path) -> bool:
    with contextlib.suppress(OSError):
        return os.getxattr(path, OPAQUE, follow_symlinks=True) == b"y"
    return False


@contextlib.contextmanager
def found(lowers: Sequence[Path], parts: Sequence[bytes]) -> Iterator[int | None]:
    """An O_PATH descriptor of what the ``lowers`` (topmost first) show at ``parts``, or None."""
    fd = _find(lowers, parts)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


class Shown:
    """What the ``lowers`` show in one directory; open until another one is asked for.

    A layer that deletes the 5,000 files of a directory asks 5,000 times.
    """

    def __init__(self, lowers: Sequence[Path]) -> None:
        self._lowers = lowers
        self._directory: tuple[bytes, ...] | None = None
        self._opened = contextlib.ExitStack()
        self._merged: list[int] = []

    def close(self) -> None:
        self._opened.close()
        self._merged, self._directory = [], None

    def has(self, directory: tuple[bytes, ...], name: bytes) -> bool:
        if directory != self._directory:
            self.close()
            for fd in _merged(self._lowers, directory):
                self._opened.callback(os.close, fd)
                self._merged.append(fd)
            self._directory = directory
        for fd in self._merged:
            with contextlib.suppress(FileNotFoundError):
                return not is_whiteout(os.stat(name, dir_fd=fd, follow_symlinks=False))
        return False


def _merged(lowers: Sequence[Path], parts: Sequence[bytes]) -> Iterator[int]:
    """Descriptors of the directories that overlayfs merges at ``parts``, topmost first."""
    for layer in lowers:
        fd, last = _look_into(layer, parts)
        if fd is not None:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                os.close(fd)
                return
            yield fd
        if last:
            return


def _find(lowers: Sequence[Path], parts: Sequence[bytes]) -> int | None:
    for layer in lowers:
        fd, last = _look_into(layer, parts)
        if fd is not None or last:
            return fd
    return None


def _look_into(layer: Path, parts: Sequence[bytes]) -> tuple[int | None, bool]:
    root = os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _look(root, parts)
    finally:
        os.close(root)


def _look(root: int, parts: Sequence[bytes]) -> tuple[int | None, bool]:
    """What one layer has at ``parts``, and whether it hides the layers below it there."""
    last = False
    for depth in range(len(parts) + 1):
        try:
            path = b"/".join(parts[:depth]) or b"."
            fd = openat2(root, path, os.O_PATH | os.O_NOFOLLOW, 0, STRAIGHT)
        except FileNotFoundError:
            return None, last
        status = os.fstat(fd)
        if is_whiteout(status):
            os.close(fd)
            return None, True
        is_directory = stat.S_ISDIR(status.st_mode)
        last = last or not is_directory or is_opaque(f"/proc/self/fd/{fd}")
        if depth == len(parts):
            return fd, last
        os.close(fd)
        if not is_directory:
            return None, True
    return None, last
