"""Unpack one layer into one directory.

A stranger's archive: what its names may reach is podrun.image.tree's matter, what it may ask for
podrun.node.config.ImageLimits', what it says of lower layers podrun.image.whiteout's.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.image import attributes, hardlink, lower, tarread, whiteout
from podrun.image.mkdirs import DIRECTORY
from podrun.image.streams import CHUNK, Readable
from podrun.image.tarread import Entry, TarReader
from podrun.image.tree import Directory, Parts, Tree
from podrun.image.types import DEFAULT_LIMITS, BadArchive, Limits

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ZEROS = bytes(CHUNK)
_DEVICE_TYPES = {
    tarread.CHAR: stat.S_IFCHR,
    tarread.BLOCK_DEVICE: stat.S_IFBLK,
    tarread.FIFO: stat.S_IFIFO,
}


def unpack(
    source: Readable,
    root: Path,
    lowers: Sequence[Path] = (),
    limits: Limits = DEFAULT_LIMITS,
    *,
    need_end: bool = False,
) -> int:
    """Unpack the tar stream into the empty directory ``root``; gives the number of entries.

    ``lowers`` are the unpacked layers below, topmost first. ``need_end`` demands the end mark of
    the archive: a stream of no known digest could be cut at a header unnoticed. The stream is read
    to its very end. Raises BadArchive, MechanismFailed (kernel errors, the entry's name in them);
    ``root`` is then half-filled and the caller's to remove.
    """
    reader = TarReader(source, limits)
    mask = os.umask(0)
    try:
        count = _unpack(reader, Tree(root, lowers, limits))
    finally:
        os.umask(mask)
    if need_end and not reader.ended:
        what = "truncated: it has no end mark" if count else "empty"
        raise BadArchive(f"the archive is {what}")
    reader.drain()
    return count


def _unpack(reader: TarReader, tree: Tree) -> int:
    try:
        unpacker = _Unpacker(tree, reader)
        count = 0
        for entry in reader:
            try:
                unpacker.take(entry)
            except OSError as error:
                raise _failed(entry, error) from error
            count += 1
        tree.complete()
        return count
    finally:
        tree.close()


class _Unpacker:
    def __init__(self, tree: Tree, reader: TarReader) -> None:
        self._tree = tree
        self._reader = reader

    def take(self, entry: Entry) -> None:
        parts = self._tree.split(entry.name)
        if not parts:
            self._root(entry)
            return
        if whiteout.PREFIX in entry.name and whiteout.handled(self._tree, parts):
            return
        directory = self._tree.directory(parts[:-1])
        if entry.kind == tarread.REGULAR:
            self._file(directory, parts[-1], entry)
        elif entry.kind == tarread.DIRECTORY:
            self._directory(directory, parts, entry)
        elif entry.kind == tarread.SYMLINK:
            self._symlink(directory, parts[-1], entry)
        elif entry.kind == tarread.HARDLINK:
            hardlink.make(self._tree, directory, parts, entry)
        elif entry.kind in _DEVICE_TYPES:
            self._device(directory, parts[-1], entry)
        else:
            raise BadArchive(f"{entry.name!r} is of the unknown type {entry.kind!r}")

    def _root(self, entry: Entry) -> None:
        if entry.kind != tarread.DIRECTORY:
            raise BadArchive(f"the layer's root, {entry.name!r}, is not a directory")
        root = self._tree.root
        self._tree.root_listed = True
        attributes.set_by_descriptor(root.fd, entry)
        root.mtime_ns, root.bare = entry.mtime_ns, not attributes.hands_down(entry)

    def _file(self, directory: Directory, name: bytes, entry: Entry) -> None:
        bare = directory.bare
        mode = entry.mode & 0o777 if bare else 0o600
        try:
            fd = os.open(name, _NEW_FILE, mode, dir_fd=directory.fd)
        except FileExistsError:
            self._tree.clear(directory, name)
            fd = os.open(name, _NEW_FILE, mode, dir_fd=directory.fd)
        try:
            if entry.size <= CHUNK and entry.parts is None:
                if entry.size:
                    _write(fd, self._reader.whole(entry))
            else:
                self._large(fd, entry)
            attributes.set_by_descriptor(fd, entry, bare=bare)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)

    def _large(self, fd: int, entry: Entry) -> None:
        """Piece by piece; pieces of zeros become holes: a bomb of them takes no room on disk."""
        for offset, piece in self._reader.data(entry):
            if piece[0] or bytes(piece) != _ZEROS[: len(piece)]:
                os.lseek(fd, offset, os.SEEK_SET)
                _write(fd, piece)
        os.ftruncate(fd, entry.size)

    def _directory(self, directory: Directory, parts: Parts, entry: Entry) -> None:
        name, bare, was_deleted = parts[-1], directory.bare, False
        mode = entry.mode & 0o777 if bare else 0o700
        try:
            os.mkdir(name, mode, dir_fd=directory.fd)
        except FileExistsError:
            was_deleted = self._tree.clear(directory, name, keep_directory=True)
            bare = _make_unless_there(name, mode, directory.fd) and bare
        fd = os.open(name, DIRECTORY, dir_fd=directory.fd)
        try:
            attributes.set_by_descriptor(fd, entry, bare=bare)
            if was_deleted:
                os.setxattr(fd, lower.OPAQUE, b"y")
        except BaseException:
            os.close(fd)
            raise
        self._tree.enter(parts, fd, entry.mtime_ns, bare=not attributes.hands_down(entry))

    def _symlink(self, directory: Directory, name: bytes, entry: Entry) -> None:
        if b"\0" in entry.linkname:
            raise BadArchive(f"the target of the link {entry.name!r} is not allowed in a layer")
        try:
            os.symlink(entry.linkname, name, dir_fd=directory.fd)
        except FileExistsError:
            self._tree.clear(directory, name)
            os.symlink(entry.linkname, name, dir_fd=directory.fd)
        attributes.set_by_name(directory.fd, name, entry, bare=True)

    def _device(self, directory: Directory, name: bytes, entry: Entry) -> None:
        number = os.makedev(entry.major, entry.minor)
        if entry.kind == tarread.CHAR and number == 0:
            raise BadArchive(
                f"{entry.name!r} is a character device 0/0: overlayfs' whiteout, no real device"
            )
        self._tree.clear(directory, name)
        os.mknod(name, entry.mode | _DEVICE_TYPES[entry.kind], number, dir_fd=directory.fd)
        attributes.set_by_name(directory.fd, name, entry, bare=directory.bare)


def _make_unless_there(name: bytes, mode: int, directory: int) -> bool:
    try:
        os.mkdir(name, mode, dir_fd=directory)
    except FileExistsError:
        return False
    return True


def _write(fd: int, data: bytes | memoryview) -> None:
    while (written := os.write(fd, data)) < len(data):
        data = data[written:]


def _failed(entry: Entry, error: OSError) -> MechanismFailed:
    name = os.fsdecode(entry.name)
    shown = name if len(name) <= 200 else f"{name[:200]}…"
    hint = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        room = " (or its room for extended attributes)" if entry.xattrs else ""
        hint = f"the disk{room} is full"
    if error.errno == errno.EPERM and entry.kind in _DEVICE_TYPES:
        hint = "making device nodes needs root with CAP_MKNOD"
    return MechanismFailed(
        f"unpack {shown!r}: {error.strerror}", hint=hint, errno=error.errno or 0
    )  # fmt: skip
