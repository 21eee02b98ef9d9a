"""The directories on the way to an entry that its archive does not list.

The way is walked as the kernel would walk it inside the layer's root: links are followed, also to
what is not there yet, ".." and absolute targets end at the root. Each step is one name, opened or
made through its parent's descriptor without following.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from podrun.image import attributes, lower
from podrun.image.limits import beyond
from podrun.image.types import BadArchive, Limits
from podrun.linux.openat import STRAIGHT, openat2

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS_MAX = 40  # as the kernel's own limit on the way of one path


class Missing:
    """Makes directories below ``root``; they look like those of ``lowers`` where these have them.

    overlayfs shows a merged directory with the topmost one's owner, mode and time: a layer that
    brings a file must not change those of the directories above it.
    """

    def __init__(self, root: int, lowers: Sequence[Path], limits: Limits) -> None:
        self._root = root
        self._lowers = lowers
        self._limits = limits
        self._made = 0

    def make(self, parts: Sequence[bytes]) -> int:
        """A descriptor of the directory ``parts`` lead to, the caller's. BadArchive, OSError."""
        waiting, links = list(reversed(parts)), 0
        walk = _Walk(self._root, self._limits)
        try:
            while waiting:
                part = waiting.pop()
                if part == b"..":
                    walk.jump(walk.names[:-1])
                elif (target := self._step(walk, part)) is None:
                    walk.enter(part)
                else:
                    links += 1
                    if links > _LINKS_MAX:
                        way = b"/".join(parts)
                        raise BadArchive(f"too many symbolic links on the way to {way!r}")
                    if target.startswith(b"/"):
                        walk.jump([])
                    waiting += [p for p in reversed(target.split(b"/")) if p not in (b"", b".")]
        except BaseException:
            os.close(walk.fd)
            raise
        return walk.fd

    def _step(self, walk: _Walk, part: bytes) -> bytes | None:
        """None when ``part`` is (now) a directory, else the target of the link it is."""
        names = [*walk.names, part]
        try:
            status = os.stat(part, dir_fd=walk.fd, follow_symlinks=False)
        except FileNotFoundError:
            self._make_one(walk.fd, part, names)
            return None
        if stat.S_ISDIR(status.st_mode):
            return None
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(part, dir_fd=walk.fd)
        if not lower.is_whiteout(status):
            raise BadArchive(f"{b'/'.join(names)!r} is not a directory")
        self._make_one(walk.fd, part, None)
        return None

    def _make_one(self, fd: int, part: bytes, below: Sequence[bytes] | None) -> None:
        """``below`` None: a whiteout is there; what it deletes stays deleted."""
        self._made += 1
        if self._made > self._limits.entries:  # one name can ask for two thousand of them
            raise beyond(f"{self._made} unlisted directories", self._limits, "entries")
        before = os.fstat(fd)
        if below is None:
            os.unlink(part, dir_fd=fd)
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
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))

    def look_like_lower(self, made: int, parts: Sequence[bytes]) -> None:
        with lower.found(self._lowers, parts) as source:
            if source is not None and stat.S_ISDIR(os.fstat(source).st_mode):
                attributes.copy(source, made)


class _Walk:
    """Where it stands: a descriptor, and the names from the root to it, none of them a link."""

    def __init__(self, root: int, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._length = 0
        self.names: list[bytes] = []
        self.fd = os.dup(root)

    def enter(self, name: bytes) -> None:
        self._length += len(name) + 1
        if self._length > self._limits.path_bytes:  # links can lead deeper than a name can say
            what = f"a directory {self._length} bytes of path deep"
            raise beyond(what, self._limits, "path_bytes")
        self.names.append(name)
        self._stand_on(os.open(name, DIRECTORY, dir_fd=self.fd))

    def jump(self, names: list[bytes]) -> None:
        self.names = names
        self._length = sum(map(len, names)) + len(names)
        path = b"/".join(names) or b"."
        self._stand_on(openat2(self._root, path, DIRECTORY, 0, STRAIGHT))

    def _stand_on(self, fd: int) -> None:
        os.close(self.fd)
        self.fd = fd
