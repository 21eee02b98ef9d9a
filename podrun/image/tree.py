"""The directory a layer is unpacked into: every path is resolved by the kernel, inside it.

A layer is written by a stranger. Names are never judged as strings: openat2(RESOLVE_IN_ROOT) makes
".." and symbolic links end at the layer's root, and the last component is always created or removed
through its parent's descriptor, without following.

The directories on the way to the current entry stay open while entries go into them. Each gets its
time back when it is left, so nothing has to be remembered until the end:

    usr ─► usr/lib ─► usr/lib/x11        next entry in usr/share: leave x11, leave lib, enter share
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from podrun.image import attributes, lower
from podrun.image.limits import beyond
from podrun.image.mkdirs import DIRECTORY, Missing
from podrun.image.types import BadArchive, Limits
from podrun.linux.openat import INSIDE, openat2
from podrun.linux.trees import remove_tree

_OPEN_MAX = 16  # directories at a time; one that is entered again gets its present time back
_NO_NAME = (b"", b".", b"..")

Parts = tuple[bytes, ...]


class Directory:
    """One directory of the layer, open. ``mtime_ns`` is what it gets when it is left; what is made
    in a ``bare`` one inherits nothing from it."""

    __slots__ = ("bare", "fd", "mtime_ns", "parts")

    def __init__(self, parts: Parts, fd: int, mtime_ns: int, bare: bool) -> None:
        self.parts = parts
        self.fd = fd
        self.mtime_ns = mtime_ns
        self.bare = bare

    def leave(self) -> None:
        try:
            os.utime(self.fd, ns=(self.mtime_ns, self.mtime_ns))
        finally:
            os.close(self.fd)


class Tree:
    """One layer's directory, ``lowers`` being the layers below it, topmost first."""

    def __init__(self, root: Path, lowers: Sequence[Path], limits: Limits) -> None:
        self.lowers = lowers
        self.below = lower.Shown(lowers)
        self._limits = limits
        fd = os.open(root, DIRECTORY)
        self._missing = Missing(fd, lowers, limits)
        self.root = _opened((), fd)
        self.root_listed = False
        self._entered: list[Directory] = []
        self._stale = False
        self._above: tuple[bytes, Parts] = (b"", ())  # of the last name: before the last slash

    def complete(self) -> None:
        """A root that was not listed looks like the one below: at the end, for the layers below may
        still be on their way, and nothing else asks for them in most layers."""
        if not self.root_listed:
            self._missing.look_like_lower(self.root.fd, ())
            self.root.mtime_ns = os.fstat(self.root.fd).st_mtime_ns

    def close(self) -> None:
        self.below.close()
        self._leave_all()
        self.root.leave()

    def split(self, name: bytes) -> Parts:
        """The components of a name of the archive, () for its root. BadArchive."""
        above, _, last = name.rpartition(b"/")
        if above != self._above[0] or last in _NO_NAME:
            parts = tuple([part for part in name.split(b"/") if part not in (b"", b".")])
            self._judge(name, parts)
            if last not in _NO_NAME:
                self._above = (above, parts[:-1])
            return parts
        parts = (*self._above[1], last)
        self._judge(name, (last,))
        return parts

    def _judge(self, name: bytes, parts: Parts) -> None:
        if len(name) > self._limits.path_bytes:
            what = f"a name of {len(name)} bytes ({name[:40]!r}…)"
            raise beyond(what, self._limits, "path_bytes")
        for part in parts:
            if part == b".." or b"\0" in part:
                raise BadArchive(f"the name {name!r} is not allowed in a layer")
            if len(part) > self._limits.name_bytes:
                what = f"a name component of {len(part)} bytes ({part[:40]!r}…)"
                raise beyond(what, self._limits, "name_bytes")

    # Directories ──────────────────────────────────────────────────────────────────────────────

    def directory(self, parts: Parts) -> Directory:
        """The directory, made where missing; good until the next one is asked for."""
        if self._stale:
            self._leave_all()
        entered = self._entered
        while entered and entered[-1].parts != parts[: len(entered[-1].parts)]:
            entered.pop().leave()
        if not parts:
            return self.root
        if entered and len(entered[-1].parts) == len(parts):
            return entered[-1]
        return self._enter(_opened(parts, self.open_directory(parts)))

    def enter(self, parts: Parts, fd: int, mtime_ns: int, *, bare: bool) -> None:
        """``fd`` (now the tree's) was just made in the directory that was asked for last."""
        self._enter(Directory(parts, fd, mtime_ns, bare))

    def _enter(self, directory: Directory) -> Directory:
        self._entered.append(directory)
        if len(self._entered) > _OPEN_MAX:
            self._entered.pop(0).leave()
        return directory

    def _leave_all(self) -> None:
        while self._entered:
            self._entered.pop().leave()
        self._stale = False

    def open_directory(self, parts: Parts) -> int:
        """A descriptor of the directory, made where missing, the caller's own."""
        try:
            return self.look_up(parts)
        except (FileNotFoundError, NotADirectoryError):
            return self._missing.make(parts)

    def look_up(self, parts: Parts) -> int:
        """The same, when it is there. OSError."""
        path = b"/".join(parts) or b"."
        return openat2(self.root.fd, path, os.O_RDONLY | os.O_DIRECTORY, 0, INSIDE)

    # Names ────────────────────────────────────────────────────────────────────────────────────

    def clear(self, directory: Directory, name: bytes, *, keep_directory: bool = False) -> bool:
        """Make room for ``name``; a directory may stay. True when a whiteout had been there."""
        try:
            status = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(status.st_mode):
            self._stale = self._stale or stat.S_ISLNK(status.st_mode)
            os.unlink(name, dir_fd=directory.fd)
            return lower.is_whiteout(status)
        if not keep_directory:
            self._stale = True  # through a link, it may be one of those that are entered
            remove_tree(Path(f"/proc/self/fd/{directory.fd}") / os.fsdecode(name))
        return False


def _opened(parts: Parts, fd: int) -> Directory:
    try:
        bare = not attributes.inherited(fd)
        return Directory(parts, fd, os.fstat(fd).st_mtime_ns, bare)
    except BaseException:
        os.close(fd)
        raise
