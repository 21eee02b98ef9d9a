"""Bytes on their way in: counted, hashed, copied and decompressed in one pass.

source ─► Intake (hash, copy to the blob, progress) ─► plain ─► Intake (hash) ─► tar reader
          digest of the blob                                    diff ID
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from podrun.image.types import BadArchive

CHUNK = 1 << 20


class Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""


class Intake:
    """Reads ``source``: hashes what passes, copies it to ``sink``, stops beyond ``limit``."""

    def __init__(
        self,
        source: Readable,
        limit: int,
        sink: BinaryIO | None = None,
        tell: Callable[[int], None] | None = None,
    ) -> None:
        self._source = source
        self._limit = limit
        self._sink = sink
        self._tell = tell
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        self.size += len(data)
        if self.size > self._limit:
            raise BadArchive(f"the layer is larger than {self._limit} bytes (limit: bytes)")
        if self._sink is not None:
            self._sink.write(data)
        if self._tell is not None:
            self._tell(self.size)
        return data

    @property
    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


class Prefixed:
    """A source whose first bytes were already read, to see what it is."""

    def __init__(self, prefix: bytes, source: Readable) -> None:
        self._prefix = prefix
        self._source = source

    def read(self, size: int, /) -> bytes:
        if not self._prefix:
            return self._source.read(size)
        data, self._prefix = self._prefix[:size], self._prefix[size:]
        return data


class Decompressor(Protocol):
    """The common part of what bz2, lzma and (wrapped) zlib and zstd offer."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Gunzip:
    """zlib's gzip decompressor, with the interface of the other ones."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))


class Decompressed:
    """Reads the decompressed content of ``source``: any number of streams one after another."""

    def __init__(self, kind: str, new: Callable[[], Decompressor], source: Readable) -> None:
        self._kind = kind
        self._new = new
        self._source = source
        self._inner = new()
        self._begun = False

    def read(self, size: int, /) -> bytes:
        while True:
            if self._inner.eof and not self._next_stream():
                return b""
            data = self._source.read(CHUNK) if self._inner.needs_input else b""
            if not data and self._inner.needs_input:
                raise BadArchive(f"the {self._kind} stream is truncated")
            out = self._decompress(data, size)
            if out:
                return out

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._inner.decompress(data, size)
        except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
            raise BadArchive(f"the {self._kind} stream is damaged: {error}") from None

    def _next_stream(self) -> bool:
        """Begin what follows the end of one stream; False when only padding or nothing does."""
        rest = self._inner.unused_data.lstrip(b"\0") or self._source.read(CHUNK).lstrip(b"\0")
        if not rest:
            return False
        self._source = Prefixed(rest, self._source)
        self._inner = self._new()
        return True


_MAGIC = (
    ("gzip", b"\x1f\x8b"),
    ("xz", b"\xfd7zXZ\0"),
    ("bzip2", b"BZh"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
)


def compression(start: bytes) -> str:
    """gzip, xz, bzip2, zstd or "" (none), by the first six bytes."""
    return next((kind for kind, magic in _MAGIC if start.startswith(magic)), "")


def sniff(source: Readable) -> tuple[Readable, str]:
    """``source`` still from its beginning, and how it is compressed."""
    start = read_exactly(source, 6)
    return Prefixed(start, source), compression(start)


def plain(source: Readable, kind: str) -> Readable:
    """The content of ``source``, which ``sniff`` found to be ``kind``."""
    return Decompressed(kind, _decompressor(kind), source) if kind else source


def _decompressor(kind: str) -> Callable[[], Decompressor]:
    if kind == "gzip":
        return Gunzip
    if kind == "zstd":
        from podrun.image.zstd import Unzstd

        return Unzstd
    return lzma.LZMADecompressor if kind == "xz" else bz2.BZ2Decompressor


def read_exactly(source: Readable, size: int) -> bytes:
    """``size`` bytes, fewer only at the end."""
    data = b""
    while len(data) < size and (more := source.read(size - len(data))):
        data += more
    return data
