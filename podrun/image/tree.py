"""The directory a layer is unpacked into: every path is resolved by the kernel, inside it.

A layer is written by a stranger. Names are never judged as strings: openat2(RESOLVE_IN_ROOT) makes
".." and symbolic links end at the layer's root, and the last component is always created or removed
through its parent's descriptor, without following. A directory that the layer does not list itself
gets the looks of the one below it (copy-up), since overlayfs shows the topmost one's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from podrun.image import attributes, lower
from podrun.image.types import BadArchive, Limits
from podrun.linux.openat import INSIDE, STRAIGHT, openat2
from podrun.linux.trees import remove_tree

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS_MAX = 40  # as the kernel's own limit on the way of one path


class Tree:
    """One layer's directory, ``lowers`` being the layers below it, topmost first."""

    def __init__(self, root: Path, lowers: Sequence[Path], limits: Limits) -> None:
        self.root = os.open(root, DIRECTORY)
        self.path = root
        self.lowers = lowers
        self._limits = limits
        self.times: list[tuple[tuple[bytes, ...], int]] = []  # of directories, set at the end
        self._cached: tuple[tuple[bytes, ...], int] | None = None

    def close(self) -> None:
        self.forget()
        os.close(self.root)

    def forget(self) -> None:
        """Something was removed: a cached directory may no longer be where its name says."""
        if self._cached:
            os.close(self._cached[1])
            self._cached = None

    def split(self, name: bytes) -> tuple[bytes, ...]:
        """The components of a name of the archive, () for its root. BadArchive."""
        if len(name) > self._limits.path_bytes:
            raise BadArchive(
                f"a name of {len(name)} bytes ({name[:40]!r}…), more than "
                f"{self._limits.path_bytes} (limit: path_bytes)"
            )
        parts = tuple([part for part in name.split(b"/") if part not in (b"", b".")])
        for part in parts:
            if part == b".." or b"\0" in part:
                raise BadArchive(f"the name {name!r} is not allowed in a layer")
            if len(part) > self._limits.name_bytes:
                raise BadArchive(
                    f"a name component of {len(part)} bytes ({part[:40]!r}…), more than "
                    f"{self._limits.name_bytes} (limit: name_bytes)"
                )
        return parts

    def directory(self, parts: tuple[bytes, ...]) -> int:
        """A descriptor of the directory, made where missing. It is the tree's: do not close it."""
        if not parts:
            return self.root
        if self._cached and self._cached[0] == parts:
            return self._cached[1]
        fd = self.open_directory(parts)
        self.forget()
        self._cached = (parts, fd)
        return fd

    def open_directory(self, parts: tuple[bytes, ...]) -> int:
        """The same, as a descriptor of the caller's own."""
        path = b"/".join(parts) or b"."
        try:
            return openat2(self.root, path, os.O_RDONLY | os.O_DIRECTORY, 0, INSIDE)
        except (FileNotFoundError, NotADirectoryError):
            return self._make(parts)

    def _make(self, parts: tuple[bytes, ...]) -> int:
        """Walk as the kernel would, and make what is missing, also behind a link to nowhere."""
        waiting, real, links = list(reversed(parts)), list[bytes](), 0
        fd = os.dup(self.root)
        try:
            while waiting:
                part = waiting.pop()
                if part == b"..":
                    fd = self._go(fd, real[:-1])
                    real = real[:-1]
                    continue
                target = self._step(fd, part, real)
                if target is None:
                    real.append(part)
                    fd = self._go(fd, real)
                    continue
                links += 1
                if links > _LINKS_MAX:
                    raise BadArchive(f"too many symbolic links on the way to {b'/'.join(parts)!r}")
                if target.startswith(b"/"):
                    real = []
                    fd = self._go(fd, real)
                waiting += [p for p in reversed(target.split(b"/")) if p not in (b"", b".")]
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _go(self, fd: int, real: list[bytes]) -> int:
        path = b"/".join(real) or b"."
        if len(path) > self._limits.path_bytes:  # links can lead deeper than a name can say
            raise BadArchive(
                f"a directory deeper than {self._limits.path_bytes} bytes of path "
                "(limit: path_bytes)"
            )
        there = openat2(self.root, path, DIRECTORY, 0, STRAIGHT)
        os.close(fd)
        return there

    def _step(self, fd: int, part: bytes, real: list[bytes]) -> bytes | None:
        """None when ``part`` is (now) a directory, else the target of the link it is."""
        try:
            status = os.stat(part, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            self._make_one(fd, part, [*real, part])
            return None
        if stat.S_ISDIR(status.st_mode):
            return None
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(part, dir_fd=fd)
        if not lower.is_whiteout(status):
            raise BadArchive(f"{b'/'.join([*real, part])!r} is not a directory")
        os.unlink(part, dir_fd=fd)
        self._make_one(fd, part, None)
        return None

    def _make_one(self, fd: int, part: bytes, below: Sequence[bytes] | None) -> None:
        """A directory that is not listed; ``below`` None: the lower one was deleted."""
        os.mkdir(part, 0o755, dir_fd=fd)
        made = os.open(part, DIRECTORY, dir_fd=fd)
        try:
            os.fchmod(made, 0o755)
            if below is None:
                os.setxattr(made, lower.OPAQUE, b"y")
            else:
                self.look_like_lower(made, below)
        finally:
            os.close(made)

    def look_like_lower(self, made: int, parts: Sequence[bytes]) -> None:
        with lower.found(self.lowers, parts) as source:
            if source is not None and stat.S_ISDIR((status := os.fstat(source)).st_mode):
                attributes.copy(source, made)
                self.times.append((tuple(parts), status.st_mtime_ns))

    def clear(self, directory: int, name: bytes, *, keep_directory: bool = False) -> bool:
        """Make room for ``name``; a directory may stay. True when a whiteout had been there."""
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(status.st_mode):
            if not keep_directory:
                self._forget_below(directory)
                remove_tree(Path(f"/proc/self/fd/{directory}") / os.fsdecode(name))
            return False
        self._forget_below(directory)
        os.unlink(name, dir_fd=directory)
        return lower.is_whiteout(status)

    def _forget_below(self, directory: int) -> None:
        if directory == self.root:  # any other directory given is itself the cached one
            self.forget()
