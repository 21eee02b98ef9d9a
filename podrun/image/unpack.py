"""Unpack one layer into one directory, in overlayfs' own terms.

    .wh.NAME        a character device 0/0 called NAME      (hides NAME of the layers below)
    .wh..wh..opq    trusted.overlay.opaque=y on the directory (hides all of the layers below)
    .wh..wh.*       aufs' own book-keeping: ignored

A whiteout speaks of the layers below only, wherever in the archive it stands: what this layer
itself has under that name stays, and a directory becomes opaque. (Image specification, "Whiteouts";
Documentation/filesystems/overlayfs.rst.)
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.image import attributes, lower, tarread
from podrun.image.streams import CHUNK, Readable
from podrun.image.tarread import Entry, TarReader
from podrun.image.tree import DIRECTORY, Tree
from podrun.image.types import DEFAULT_LIMITS, BadArchive, Limits
from podrun.linux.openat import INSIDE, openat2

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
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
        count = _Unpacker(Tree(root, lowers, limits)).run(reader)
    finally:
        os.umask(mask)
    if need_end and not reader.ended:
        what = "truncated: it has no end mark" if count else "empty"
        raise BadArchive(f"the archive is {what}")
    reader.drain()
    return count


class _Unpacker:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def run(self, reader: TarReader) -> int:
        try:
            self._tree.look_like_lower(self._tree.root, ())
            count = 0
            for entry in reader:
                self._entry(entry, reader)
                count += 1
            self._set_times()
            return count
        finally:
            self._tree.close()

    def _entry(self, entry: Entry, reader: TarReader) -> None:
        parts = self._tree.split(entry.name)
        try:
            if not parts:
                self._root(entry)
                return
            directory = self._tree.directory(parts[:-1])
            if parts[-1].startswith(_WHITEOUT):
                self._whiteout(directory, parts)
            else:
                self._make(directory, parts, entry, reader)
        except OSError as error:
            raise _failed(entry, error) from error

    def _root(self, entry: Entry) -> None:
        if entry.kind != tarread.DIRECTORY:
            raise BadArchive(f"the layer's root, {entry.name!r}, is not a directory")
        attributes.set_by_descriptor(self._tree.root, entry)
        self._tree.times.append(((), entry.mtime_ns))

    def _make(
        self, directory: int, parts: tuple[bytes, ...], entry: Entry, reader: TarReader
    ) -> None:
        name = parts[-1]
        if entry.kind == tarread.REGULAR:
            self._file(directory, name, entry, reader)
        elif entry.kind == tarread.DIRECTORY:
            self._directory(directory, parts, entry)
        elif entry.kind == tarread.HARDLINK:
            self._hardlink(directory, name, entry)
        elif entry.kind == tarread.SYMLINK:
            self._tree.clear(directory, name)
            os.symlink(entry.linkname, name, dir_fd=directory)
            attributes.set_by_name(directory, name, entry)
        elif entry.kind in _DEVICE_TYPES:
            self._device(directory, name, entry)
        else:
            raise BadArchive(f"{entry.name!r} is of the unknown type {entry.kind!r}")

    def _file(self, directory: int, name: bytes, entry: Entry, reader: TarReader) -> None:
        try:
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=directory)
        except FileExistsError:
            self._tree.clear(directory, name)
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=directory)
        try:
            if entry.parts is None and entry.size <= CHUNK:
                _write(fd, reader.whole(entry), 0)
            else:
                for offset, piece in reader.data(entry):
                    _write(fd, piece, offset)
                os.ftruncate(fd, entry.size)
            attributes.set_by_descriptor(fd, entry)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)

    def _directory(self, directory: int, parts: tuple[bytes, ...], entry: Entry) -> None:
        name = parts[-1]
        was_deleted = False
        try:
            os.mkdir(name, 0o700, dir_fd=directory)
        except FileExistsError:
            was_deleted = self._tree.clear(directory, name, keep_directory=True)
            if not _is_directory(directory, name):
                os.mkdir(name, 0o700, dir_fd=directory)
        fd = os.open(name, DIRECTORY, dir_fd=directory)
        try:
            attributes.set_by_descriptor(fd, entry)
            if was_deleted:
                os.setxattr(fd, lower.OPAQUE, b"y")
        finally:
            os.close(fd)
        self._tree.times.append((parts, entry.mtime_ns))

    def _device(self, directory: int, name: bytes, entry: Entry) -> None:
        number = os.makedev(entry.major, entry.minor)
        if entry.kind == tarread.CHAR and number == 0:
            raise BadArchive(
                f"{entry.name!r} is a character device 0/0: overlayfs' whiteout, no real device"
            )
        self._tree.clear(directory, name)
        os.mknod(name, entry.mode | _DEVICE_TYPES[entry.kind], number, dir_fd=directory)
        attributes.set_by_name(directory, name, entry)

    # Hard links ───────────────────────────────────────────────────────────────────────────────

    def _hardlink(self, directory: int, name: bytes, entry: Entry) -> None:
        target = self._tree.split(entry.linkname)
        if not target:
            raise BadArchive(f"the hard link {entry.name!r} leads to the layer's root")
        source = self._target_directory(target, entry)
        try:
            if _same(source, target[-1], directory, name):
                return
            self._tree.clear(directory, name)
            os.link(
                target[-1], name, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False
            )
        finally:
            os.close(source)

    def _target_directory(self, target: tuple[bytes, ...], entry: Entry) -> int:
        """The directory that has the link's target; one of a lower layer is copied up first."""
        path = b"/".join(target[:-1]) or b"."
        try:
            fd = openat2(self._tree.root, path, os.O_RDONLY | os.O_DIRECTORY, 0, INSIDE)
            if _exists(fd, target[-1]):
                return fd
            os.close(fd)
        except (FileNotFoundError, NotADirectoryError):
            pass
        with lower.found(self._tree.lowers, target) as below:
            if below is None or not stat.S_ISREG(os.fstat(below).st_mode):
                raise BadArchive(
                    f"the hard link {entry.name!r} leads to {entry.linkname!r}, which is no file "
                    "of this layer or those below"
                )
            return self._copy_up(below, target)

    def _copy_up(self, below: int, target: tuple[bytes, ...]) -> int:
        directory = self._tree.open_directory(target[:-1])
        try:
            to = os.open(target[-1], _NEW_FILE, 0o600, dir_fd=directory)
            try:
                with open(f"/proc/self/fd/{below}", "rb", buffering=0) as file:
                    while os.sendfile(to, file.fileno(), None, 1 << 30):
                        pass
                attributes.copy(below, to)
            finally:
                os.close(to)
        except BaseException:
            os.close(directory)
            raise
        return directory

    # Whiteouts ────────────────────────────────────────────────────────────────────────────────

    def _whiteout(self, directory: int, parts: tuple[bytes, ...]) -> None:
        if parts[-1] == _OPAQUE:
            os.setxattr(directory, lower.OPAQUE, b"y")
            return
        if parts[-1].startswith(_AUFS):
            return
        name = parts[-1][len(_WHITEOUT) :]
        if name in (b"", b".", b".."):
            raise BadArchive(f"the whiteout {b'/'.join(parts)!r} hides nothing that can be named")
        with lower.found(self._tree.lowers, (*parts[:-1], name)) as below:
            if below is None:
                return  # a whiteout over nothing would show in a directory that is not merged
        self._hide(directory, name)

    def _hide(self, directory: int, name: bytes) -> None:
        if not _exists(directory, name):
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=directory)
        elif _is_directory(directory, name):
            fd = os.open(name, DIRECTORY, dir_fd=directory)
            try:
                os.setxattr(fd, lower.OPAQUE, b"y")
            finally:
                os.close(fd)

    # Times ────────────────────────────────────────────────────────────────────────────────────

    def _set_times(self) -> None:
        """Deepest last does not matter: setting a time changes no other directory's."""
        for parts, mtime_ns in self._tree.times:
            try:
                fd = openat2(
                    self._tree.root, b"/".join(parts) or b".", DIRECTORY, 0, INSIDE
                )  # fmt: skip
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                continue  # a later entry took its place
            os.utime(fd, ns=(mtime_ns, mtime_ns))
            os.close(fd)


def _write(fd: int, data: bytes | memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def _exists(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_directory(directory: int, name: bytes) -> bool:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode)


def _same(source: int, target: bytes, directory: int, name: bytes) -> bool:
    try:
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.stat(target, dir_fd=source, follow_symlinks=False), there)


def _failed(entry: Entry, error: OSError) -> MechanismFailed:
    name = os.fsdecode(entry.name)
    shown = name if len(name) <= 200 else f"{name[:200]}…"
    hint = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    if error.errno == errno.EPERM and entry.kind in _DEVICE_TYPES:
        hint = "making device nodes needs root with CAP_MKNOD"
    return MechanismFailed(
        f"unpack {shown!r}: {error.strerror}", hint=hint, errno=error.errno or 0
    )  # fmt: skip
