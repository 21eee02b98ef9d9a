"""A tar reader for layers: a stream read once, forwards, in bounded memory.

ustar, GNU (long names, base-256 numbers, sparse) and pax (nanoseconds, extended attributes, sparse
0.0, 0.1 and 1.0). tarfile is not used here: it keeps every member, loses nanoseconds, and would
hide which bytes belong to what. Format: pax(1) of POSIX, and GNU tar's manual, "Tar Internals".

    header [extended headers before it] ─► Entry ─► data(): (offset, bytes) … ─► next header
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from podrun.image import pax, sparse
from podrun.image.limits import beyond
from podrun.image.streams import CHUNK, Readable
from podrun.image.types import BadArchive, Limits

BLOCK = 512
_FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s")
_ZERO = bytes(BLOCK)

REGULAR, HARDLINK, SYMLINK, CHAR, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"  # fmt: skip  # noqa: E501
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _GNU_SPARSE = b"L", b"K", b"x", b"g", b"S"
_EXTENSIONS = frozenset((_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL))
_WITHOUT_DATA = frozenset((HARDLINK, SYMLINK, CHAR, BLOCK_DEVICE, DIRECTORY, FIFO))
_KNOWN = _WITHOUT_DATA | {REGULAR}
_DEVICES = frozenset((CHAR, BLOCK_DEVICE))
_OWNER_MAX = 2**32 - 2  # chown(2) takes the last one for "leave it as it is"
_MAJOR_MAX, _MINOR_MAX = 2**12 - 1, 2**20 - 1  # mknod(2) cuts off the rest: 4096:0 becomes 0:0
_TIME_MAX = 2**62 * 1_000_000_000  # time_t has 64 bits; a file system takes what it can hold
_NOTHING: pax.Records = {}


class Entry:
    """One member; ``size`` is what the file has in the end, ``stored`` its bytes in the stream."""

    __slots__ = (
        "gid", "kind", "linkname", "major", "minor", "mode", "mtime_ns", "name", "parts", "size",
        "stored", "uid", "xattrs",
    )  # fmt: skip

    def __init__(self, name: bytes, kind: bytes, linkname: bytes) -> None:
        self.name = name
        self.kind = kind
        self.linkname = linkname
        self.mode = self.uid = self.gid = self.mtime_ns = 0
        self.major = self.minor = self.size = self.stored = 0
        self.xattrs: dict[bytes, bytes] = {}
        self.parts: sparse.Parts | None = None  # sparse: (offset, length) of the data


class TarReader:
    """Iterate over the entries; after each, ``data`` gives its content, or it is skipped."""

    def __init__(self, source: Readable, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._buffer = b""
        self._position = 0
        self._before = 0  # bytes of the stream before the buffer, for messages
        self._left = 0  # bytes of the current entry's data not yet taken
        self._padding = 0
        self._total = 0
        self._entries = 0
        self.ended = False  # the end-of-archive mark was seen

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry

    def data(self, entry: Entry) -> Iterator[tuple[int, bytes | memoryview]]:
        """The current entry's content as (offset in the file, bytes), in order."""
        for offset, length in [(0, entry.size)] if entry.parts is None else entry.parts:
            while length:
                piece = self._some(length)
                self._left -= len(piece)
                yield offset, piece
                offset += len(piece)
                length -= len(piece)

    def whole(self, entry: Entry) -> bytes:
        """All of a small entry's content at once."""
        self._left -= entry.stored
        return self._take(entry.stored)

    def drain(self) -> None:
        """Read what is behind the end: padding belongs to the digest, too."""
        while self._source.read(CHUNK):
            pass

    # Bytes ────────────────────────────────────────────────────────────────────────────────────

    @property
    def _offset(self) -> int:
        return self._before + self._position

    def _refill(self) -> bool:
        self._before += len(self._buffer)
        self._buffer, self._position = self._source.read(CHUNK), 0
        return bool(self._buffer)

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if end <= len(self._buffer):
            data = self._buffer[self._position : end]
            self._position = end
            return data
        pieces = []
        while size:
            piece = self._some(size)
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _some(self, size: int) -> bytes | memoryview:
        if self._position >= len(self._buffer) and not self._refill():
            raise BadArchive(f"the archive is truncated at byte {self._offset}")
        end = min(self._position + size, len(self._buffer))
        piece = memoryview(self._buffer)[self._position : end]
        self._position = end
        return piece

    def _skip(self, size: int) -> None:
        if self._position + size <= len(self._buffer):
            self._position += size
            return
        while size:
            size -= len(self._some(size))

    def _at_end(self) -> bool:
        return self._position >= len(self._buffer) and not self._refill()

    # Headers ──────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> Entry | None:
        self._skip(self._left + self._padding)
        self._left = self._padding = 0
        if self._at_end():
            return None
        header = self._take(BLOCK)
        if header == _ZERO:
            self.ended = True
            return None
        self._entries += 1
        if self._entries > self._limits.entries:
            raise beyond("entries", self._limits, "entries")
        self._check(header)
        if header[156:157] not in _EXTENSIONS:
            return self._entry(header, None)
        return self._extended(header)

    def _extended(self, header: bytes) -> Entry:
        """Gather the extended headers before an entry, then the entry."""
        found: pax.Records = {}
        size = 0
        while (kind := header[156:157]) in _EXTENSIONS:
            length = self._number(header[124:136])
            size += BLOCK + max(length, 0)
            if length < 0 or size - BLOCK > self._limits.header_bytes:
                what = f"extended headers of {size} bytes"
                raise beyond(what, self._limits, "header_bytes")
            self._extension(kind, self._take(length), found)
            self._skip(-length % BLOCK)
            header = self._take(BLOCK)
            self._check(header)
        return self._entry(header, found)

    def _extension(self, kind: bytes, data: bytes, found: pax.Records) -> None:
        if kind == _LONG_NAME:
            found[b"path"] = data.partition(b"\0")[0]
        elif kind == _LONG_LINK:
            found[b"linkpath"] = data.partition(b"\0")[0]
        elif kind == _PAX:
            found.update(pax.records(data))

    def _check(self, header: bytes) -> None:
        """The sum of the header's bytes, its own field counted as spaces."""
        field = header[148:156]
        try:
            claimed = self._number(field)
        except BadArchive:
            claimed = -1
        # Adler-32's low half is 1 + the sum of the bytes, modulo 65521: a sum at C's speed.
        if (claimed + sum(field) - 255) % 65521 == zlib.adler32(header) & 0xFFFF:
            return
        signed = struct.unpack("512b", header)  # some old writers summed signed bytes
        if claimed != sum(signed) - sum(signed[148:156]) + 8 * 32:
            raise BadArchive(
                "this is not a tar archive" if self._offset == BLOCK
                else f"the archive is damaged: a wrong checksum before byte {self._offset}"
            )  # fmt: skip

    def _number(self, field: bytes) -> int:
        """Octal text, or GNU's base-256 for what octal cannot hold."""
        if field[0] & 0x80:
            first = field[0] & 0x7F
            value = int.from_bytes(bytes([first]) + field[1:], "big")
            return value - (1 << (8 * len(field) - 1)) if first & 0x40 else value
        text = field.partition(b"\0")[0].strip()
        try:
            if text.isdigit():
                return int(text, 8)
        except ValueError:
            pass
        if text:
            raise BadArchive(f"a damaged number {field!r} before byte {self._offset}")
        return 0

    def _entry(self, header: bytes, found: pax.Records | None) -> Entry:
        (
            name, mode, uid, gid, size, mtime, _, kind, linkname, magic, _, _, major, minor, prefix,
        ) = _FIELDS.unpack_from(header)  # fmt: skip
        name = name.partition(b"\0")[0]
        if prefix[0] and magic == b"ustar\x0000":
            name = prefix.partition(b"\0")[0] + b"/" + name
        entry = Entry(name, kind, linkname.partition(b"\0")[0])
        number = self._number
        entry.mode = number(mode) & 0o7777
        entry.uid, entry.gid = number(uid), number(gid)
        entry.mtime_ns = number(mtime) * 1_000_000_000
        entry.size = entry.stored = number(size)
        if kind in _DEVICES:
            entry.major, entry.minor = number(major), number(minor)
        if found:
            _apply(found, entry)
        if kind not in _KNOWN:
            self._old_kind(entry)
        self._measure(header, found or _NOTHING, entry)
        return entry

    def _old_kind(self, entry: Entry) -> None:
        """v7 had no type for directories but a slash; type 7 asks for contiguous storage."""
        if entry.kind == b"\0":
            entry.kind = DIRECTORY if entry.name.endswith(b"/") else REGULAR
        elif entry.kind == b"7":
            entry.kind = REGULAR

    def _measure(self, header: bytes, found: pax.Records, entry: Entry) -> None:
        """How much data follows, and where in the file it belongs."""
        if entry.kind in _WITHOUT_DATA:
            entry.size = entry.stored = 0
        _sane(entry)
        self._left, self._padding = entry.stored, -entry.stored % BLOCK
        if entry.kind == _GNU_SPARSE or (found and entry.kind == REGULAR):
            self._sparse(header, found, entry)
        self._total += entry.size
        if self._total > self._limits.bytes:
            raise beyond(f"{self._total} bytes of files", self._limits, "bytes")

    def _sparse(self, header: bytes, found: pax.Records, entry: Entry) -> None:
        blocks = sparse.Blocks(lambda: self._take(BLOCK), self._limits)
        if entry.kind == _GNU_SPARSE:
            entry.kind = REGULAR
            entry.parts, entry.size = sparse.old_gnu_map(header, blocks, self._number, entry.name)
        elif b"GNU.sparse.map" in found:
            entry.parts, entry.size = sparse.pax_map(found, entry.name)
        elif found.get(b"GNU.sparse.major") == b"1":
            entry.parts, entry.size = sparse.gnu_map(found, blocks, entry.name)
            self._left -= blocks.used
        if entry.parts is not None and sum(n for _, n in entry.parts) != self._left:
            raise BadArchive(f"the sparse map of {entry.name!r} does not match its data")


def _apply(found: pax.Records, entry: Entry) -> None:
    entry.name = found.get(b"GNU.sparse.name") or found.get(b"path") or entry.name
    entry.linkname = found.get(b"linkpath") or entry.linkname
    entry.uid = pax.decimal(found, b"uid", entry.uid)
    entry.gid = pax.decimal(found, b"gid", entry.gid)
    entry.size = entry.stored = pax.decimal(found, b"size", entry.size)
    if text := found.get(b"mtime"):
        entry.mtime_ns = pax.nanoseconds(text)
    start = len(pax.XATTR)
    entry.xattrs = {k[start:]: value for k, value in found.items() if k.startswith(pax.XATTR)}


def _sane(entry: Entry) -> None:
    """Numbers the kernel would cut to something else, or Python refuse with an error of its own."""
    if entry.stored < 0:
        raise BadArchive(f"a negative size of {entry.name!r}")
    if not (0 <= entry.uid <= _OWNER_MAX and 0 <= entry.gid <= _OWNER_MAX):
        raise BadArchive(f"an impossible owner of {entry.name!r}: {entry.uid}:{entry.gid}")
    if not (0 <= entry.major <= _MAJOR_MAX and 0 <= entry.minor <= _MINOR_MAX):
        raise BadArchive(f"an impossible device {entry.name!r}: {entry.major}:{entry.minor}")
    if not -_TIME_MAX < entry.mtime_ns < _TIME_MAX:
        raise BadArchive(f"an impossible time of {entry.name!r}")
