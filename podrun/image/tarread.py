"""A tar reader for layers: a stream read once, forwards, in bounded memory.

ustar, GNU (long names, base-256 numbers, sparse) and pax (nanoseconds, extended attributes, sparse
0.0, 0.1 and 1.0). tarfile is not used here: it keeps every member, loses nanoseconds, and would
hide which bytes belong to what. Format: pax(1) of POSIX, and GNU tar's manual, "Tar Internals".

    header [extended headers before it] ─► Entry ─► data(): (offset, bytes) … ─► next header
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from podrun.image.sparse import gnu_map, old_gnu_map, pax_map
from podrun.image.streams import CHUNK, Readable
from podrun.image.types import BadArchive, Limits

BLOCK = 512
_FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s")
_ZERO = bytes(BLOCK)

REGULAR, HARDLINK, SYMLINK, CHAR, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"  # fmt: skip  # noqa: E501
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _GNU_SPARSE = b"L", b"K", b"x", b"g", b"S"
_WITHOUT_DATA = (HARDLINK, SYMLINK, CHAR, BLOCK_DEVICE, DIRECTORY, FIFO)
_XATTR = b"SCHILY.xattr."


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
        self.parts: list[tuple[int, int]] | None = None  # sparse: (offset, length) of the data


class TarReader:
    """Iterate over the entries; after each, ``data`` gives its content, or it is skipped."""

    def __init__(self, source: Readable, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._buffer = b""
        self._position = 0
        self._offset = 0  # of the next byte in the stream, for messages
        self._left = 0  # bytes of the current entry's data not yet taken
        self._padding = 0
        self._globals: dict[bytes, bytes] = {}
        self._total = 0
        self._headers = 0
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

    def _refill(self) -> bool:
        self._buffer, self._position = self._source.read(CHUNK), 0
        return bool(self._buffer)

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if end <= len(self._buffer):
            data = self._buffer[self._position : end]
            self._position = end
            self._offset += size
            return data
        pieces = []
        while size:
            piece = bytes(self._some(size))
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _some(self, size: int) -> bytes | memoryview:
        if self._position >= len(self._buffer) and not self._refill():
            raise BadArchive(f"the archive is truncated at byte {self._offset}")
        end = min(self._position + size, len(self._buffer))
        piece = memoryview(self._buffer)[self._position : end]
        self._offset += end - self._position
        self._position = end
        return piece

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._some(size))

    def _at_end(self) -> bool:
        return self._position >= len(self._buffer) and not self._refill()

    # Headers ──────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> Entry | None:
        self._skip(self._left + self._padding)
        self._left = self._padding = 0
        extended: dict[bytes, bytes] = {}
        while True:
            if self._at_end():
                return None
            header = self._take(BLOCK)
            if header == _ZERO:
                self.ended = True
                return None
            self._check(header)
            kind = header[156:157]
            if kind not in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
                return self._entry(header, {**self._globals, **extended})
            self._extension(kind, header, extended)

    def _check(self, header: bytes) -> None:
        self._headers += 1
        if self._headers > self._limits.entries:
            raise BadArchive(f"more than {self._limits.entries} entries (limit: entries)")
        first = self._offset == BLOCK
        try:
            claimed = self._number(header[148:156])
        except BadArchive:
            claimed = -1
        found = sum(header) - sum(header[148:156]) + 8 * 32
        if claimed == found:
            return
        signed = struct.unpack("512b", header)  # some old writers summed signed bytes
        if claimed != sum(signed) - sum(signed[148:156]) + 8 * 32:
            raise BadArchive(
                "this is not a tar archive" if first
                else f"the archive is damaged: a wrong checksum before byte {self._offset}"
            )  # fmt: skip

    def _extension(self, kind: bytes, header: bytes, extended: dict[bytes, bytes]) -> None:
        size = self._number(header[124:136])
        if size > self._limits.header_bytes:
            raise BadArchive(
                f"an extended header of {size} bytes, more than {self._limits.header_bytes} "
                "(limit: header_bytes)"
            )
        data = self._take(size)
        self._skip(-size % BLOCK)
        if kind == _LONG_NAME:
            extended[b"path"] = data.split(b"\0", 1)[0]
        elif kind == _LONG_LINK:
            extended[b"linkpath"] = data.split(b"\0", 1)[0]
        else:
            (self._globals if kind == _PAX_GLOBAL else extended).update(self._records(data))

    def _records(self, data: bytes) -> dict[bytes, bytes]:
        """pax records "LENGTH KEY=VALUE\\n"; the repeated ones of sparse 0.0 become a 0.1 map."""
        records: dict[bytes, bytes] = {}
        sparse: list[bytes] = []
        while data and data[0]:
            length_text = data.split(b" ", 1)[0]
            length = int(length_text) if length_text.isdigit() and len(length_text) < 9 else 0
            record = data[len(length_text) + 1 : length]
            key, equals, value = record.partition(b"=")
            if not length or length > len(data) or not equals or not value.endswith(b"\n"):
                raise BadArchive(f"a damaged pax header before byte {self._offset}")
            if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                sparse.append(value[:-1])
            else:
                records[key] = value[:-1]
            data = data[length:]
        if sparse:
            records[b"GNU.sparse.map"] = b",".join(sparse)
        return records

    def _number(self, field: bytes) -> int:
        """Octal text, or GNU's base-256 for what octal cannot hold."""
        if field[0] & 0x80:
            first = field[0] & 0x7F
            value = int.from_bytes(bytes([first]) + field[1:], "big")
            return value - (1 << (8 * len(field) - 1)) if first & 0x40 else value
        try:
            return int(field.split(b"\0", 1)[0].strip() or b"0", 8)
        except ValueError:
            raise BadArchive(f"a damaged number {field!r} before byte {self._offset}") from None

    def _entry(self, header: bytes, pax: dict[bytes, bytes]) -> Entry:
        (
            name, mode, uid, gid, size, mtime, _, kind, linkname, magic, _, _, major, minor, prefix,
        ) = _FIELDS.unpack_from(header)  # fmt: skip
        name, linkname = name.split(b"\0", 1)[0], linkname.split(b"\0", 1)[0]
        if magic == b"ustar\x0000" and prefix[0]:
            name = prefix.split(b"\0", 1)[0] + b"/" + name
        entry = Entry(name, REGULAR if kind in (b"\0", b"7") else kind, linkname)
        entry.mode = self._number(mode) & 0o7777
        entry.uid, entry.gid = self._number(uid), self._number(gid)
        entry.mtime_ns = self._number(mtime) * 1_000_000_000
        if kind in (CHAR, BLOCK_DEVICE):
            entry.major, entry.minor = self._number(major), self._number(minor)
        entry.size = entry.stored = self._number(size)
        if pax:
            self._apply(pax, entry)
        self._measure(header, pax, entry)
        return entry

    def _apply(self, pax: dict[bytes, bytes], entry: Entry) -> None:
        try:
            entry.name = pax.get(b"GNU.sparse.name") or pax.get(b"path") or entry.name
            entry.linkname = pax.get(b"linkpath") or entry.linkname
            entry.uid = int(pax.get(b"uid") or entry.uid)
            entry.gid = int(pax.get(b"gid") or entry.gid)
            entry.size = entry.stored = int(pax.get(b"size") or entry.size)
            if text := pax.get(b"mtime"):
                entry.mtime_ns = nanoseconds(text)
        except ValueError as error:
            raise BadArchive(f"a damaged pax header of {entry.name!r}: {error}") from None
        entry.xattrs = {
            key[len(_XATTR) :]: value for key, value in pax.items() if key.startswith(_XATTR)
        }

    def _measure(self, header: bytes, pax: dict[bytes, bytes], entry: Entry) -> None:
        """How much data follows, and where in the file it belongs."""
        if entry.kind == DIRECTORY or (entry.kind == REGULAR and entry.name.endswith(b"/")):
            entry.kind = DIRECTORY  # v7 had no type for directories
        if entry.kind in _WITHOUT_DATA:
            entry.size = entry.stored = 0
        if entry.stored < 0 or entry.uid < 0 or entry.gid < 0:
            raise BadArchive(f"a negative size or owner of {entry.name!r}")
        self._left, self._padding = entry.stored, -entry.stored % BLOCK
        if entry.kind == _GNU_SPARSE:
            entry.kind = REGULAR
            entry.parts, entry.size = old_gnu_map(header, lambda: self._take(BLOCK), self._number)
        elif b"GNU.sparse.map" in pax:
            entry.parts, entry.size = pax_map(pax, entry.name)
        elif pax.get(b"GNU.sparse.major") == b"1":
            entry.parts, entry.size, used = gnu_map(pax, lambda: self._take(BLOCK), entry.name)
            self._left -= used
        self._total += entry.size
        if self._total > self._limits.bytes:
            raise BadArchive(f"more than {self._limits.bytes} bytes (limit: bytes)")
        if entry.parts is not None and sum(n for _, n in entry.parts) != self._left:
            raise BadArchive(f"the sparse map of {entry.name!r} does not match its data")


def nanoseconds(text: bytes) -> int:
    """pax's decimal seconds, exactly: b"-1.5" → -1500000000."""
    whole, _, fraction = text.strip().partition(b".")
    value = abs(int(whole or b"0")) * 1_000_000_000 + int((fraction + b"0" * 9)[:9])
    return -value if whole.startswith(b"-") else value
