"""Write tar: a directory tree as a stream, with everything ``tarread`` can take back.

pax headers are written only where ustar has no room: long names, nanoseconds, large numbers,
extended attributes (SCHILY.xattr.*, as GNU tar and the Go library do).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from pathlib import Path

from podrun.image.attributes import kept
from podrun.image.streams import CHUNK
from podrun.image.tarread import (
    BLOCK,
    BLOCK_DEVICE,
    CHAR,
    DIRECTORY,
    FIFO,
    HARDLINK,
    REGULAR,
    SYMLINK,
    Entry,
)
from podrun.image.types import BadArchive

_KINDS = {
    stat.S_IFREG: REGULAR, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: SYMLINK, stat.S_IFCHR: CHAR,
    stat.S_IFBLK: BLOCK_DEVICE, stat.S_IFIFO: FIFO,
}  # fmt: skip
END = bytes(2 * BLOCK)


def header(entry: Entry) -> bytes:
    """The block (or blocks) that announce ``entry``; its data, padded, must follow."""
    records = {b"SCHILY.xattr." + key: value for key, value in entry.xattrs.items()}
    seconds, fraction = divmod(entry.mtime_ns, 1_000_000_000)
    if fraction or not 0 <= seconds < 8**11:
        sign, whole = ("-", -entry.mtime_ns) if entry.mtime_ns < 0 else ("", entry.mtime_ns)
        records[b"mtime"] = b"%s%d.%09d" % (sign.encode(), whole // 10**9, whole % 10**9)
    for key, text in ((b"path", entry.name), (b"linkpath", entry.linkname)):
        if len(text) > 100 or not text.isascii():
            records[key] = text
    for key, number in ((b"uid", entry.uid), (b"gid", entry.gid), (b"size", entry.size)):
        if number >= (8**11 if key == b"size" else 8**7):
            records[key] = b"%d" % number
    block = _block(entry, max(seconds, 0) % 8**11)
    return _pax(records) + block if records else block


def _block(entry: Entry, seconds: int) -> bytes:
    fields = (
        entry.name[:100].ljust(100, b"\0"),
        b"%07o\0" % entry.mode,
        b"%07o\0" % (entry.uid % 8**7),
        b"%07o\0" % (entry.gid % 8**7),
        b"%011o\0" % (entry.size % 8**11),
        b"%011o\0" % seconds,
        b"        ",
        entry.kind,
        entry.linkname[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),
        b"%07o\0%07o\0" % (entry.major, entry.minor),
        bytes(167),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _pax(records: dict[bytes, bytes]) -> bytes:
    data = b"".join(_record(key, value) for key, value in sorted(records.items()))
    entry = Entry(b"././@PaxHeader", b"x", b"")
    entry.mode, entry.size = 0o644, len(data)
    return _block(entry, 0) + data + bytes(-len(data) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """ "LENGTH KEY=VALUE\\n", the length counting its own digits."""
    rest = b" %s=%s\n" % (key, value)
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d%s" % (length, rest)


class DirectoryTar:
    """The tree below a directory as a tar stream; other file systems mounted in it stay out."""

    def __init__(self, root: Path) -> None:
        self._pieces = _pieces(os.fsencode(root))
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        while len(self._rest) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest = self._rest + piece if self._rest else piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def close(self) -> None:
        self._pieces.close()


def _pieces(root: bytes) -> Generator[bytes, None, None]:
    links: dict[tuple[int, int], bytes] = {}
    device = os.lstat(root).st_dev
    gathered: list[bytes] = []
    size = 0
    for path, name in _walk(root, device):
        for piece in _member(path, name, links):
            gathered.append(piece)
            size += len(piece)
            if size >= CHUNK:
                yield b"".join(gathered)
                gathered, size = [], 0
    yield b"".join([*gathered, END])


def _walk(root: bytes, device: int) -> Iterator[tuple[bytes, bytes]]:
    """(path on disk, name in the archive), parents first, sorted: equal trees, equal bytes."""
    waiting = [(root, b"./")]
    while waiting:
        path, name = waiting.pop()
        yield path, name
        if name.endswith(b"/") and os.lstat(path).st_dev == device:
            with os.scandir(path) as entries:
                found = sorted(
                    (e.name, e.is_dir(follow_symlinks=False)) for e in entries
                )  # fmt: skip
            for child, is_directory in reversed(found):
                below = name + child + (b"/" if is_directory else b"")
                waiting.append((path + b"/" + child, below))


def _member(path: bytes, name: bytes, links: dict[tuple[int, int], bytes]) -> Iterator[bytes]:
    status = os.lstat(path)
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return  # a socket: nothing outside its listener
    entry = Entry(name, kind, os.readlink(path) if kind == SYMLINK else b"")
    _fill(entry, path, status)
    if status.st_nlink > 1 and kind != DIRECTORY:
        first = links.setdefault((status.st_dev, status.st_ino), name)
        if first != name:
            entry.kind, entry.linkname, entry.size, entry.xattrs = HARDLINK, first, 0, {}
    yield header(entry)
    if entry.size:
        yield from _content(path, entry.size)


def _fill(entry: Entry, path: bytes, status: os.stat_result) -> None:
    entry.mode = status.st_mode & 0o7777
    entry.uid, entry.gid = status.st_uid, status.st_gid
    entry.mtime_ns = status.st_mtime_ns
    if entry.kind == REGULAR:
        entry.size = status.st_size
    if entry.kind in (CHAR, BLOCK_DEVICE):
        entry.major, entry.minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    for attribute in os.listxattr(path, follow_symlinks=False):
        key = os.fsencode(attribute)
        if kept(key):
            entry.xattrs[key] = os.getxattr(path, attribute, follow_symlinks=False)


def _content(path: bytes, size: int) -> Iterator[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        left = size
        while left:
            data = os.read(fd, min(left, CHUNK))
            if not data:
                raise BadArchive(f"{os.fsdecode(path)} became shorter while it was read")
            left -= len(data)
            yield data
        yield bytes(-size % BLOCK)
    finally:
        os.close(fd)
