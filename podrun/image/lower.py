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


def _find(lowers: Sequence[Path], parts: Sequence[bytes]) -> int | None:
    for layer in lowers:
        root = os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fd, last = _look(root, parts)
        finally:
            os.close(root)
        if fd is not None or last:
            return fd
    return None


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
        if depth == len(parts):
            return fd, True
        last = last or not stat.S_ISDIR(status.st_mode) or is_opaque(f"/proc/self/fd/{fd}")
        os.close(fd)
        if not stat.S_ISDIR(status.st_mode):
            return None, True
    return None, last
