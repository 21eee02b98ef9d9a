"""Bytes on their way in: counted, hashed, copied and decompressed in one pass.

source ─► Intake (hash, copy to the blob, progress) ─► plain ─► Intake (hash) ─► tar reader
          digest of the blob                                    diff ID
"""

from __future__ import annotations

import bz2
import functools
import hashlib
import lzma
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from podrun.image.limits import beyond, named
from podrun.image.types import DEFAULT_LIMITS, BadArchive, Limits

CHUNK = 1 << 20
#: Compressed bytes are taken in smaller pieces: a decompressor copies what it has not used yet.
_PIECE = 1 << 18


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
            raise beyond("the layer is larger", Limits(bytes=self._limit), "bytes")
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
    """One stream's decompressor: what those of bz2, lzma, isal and ours for zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


#: Makes the decompressor of one stream; the errors it has for damage.
_How = tuple[Callable[[], Decompressor], tuple[type[Exception], ...]]


class Decompressed:
    """Reads the decompressed content of ``source``: any number of streams one after another.

    Between and behind them zeros are padding; anything else that is no stream is damage.
    """

    def __init__(self, kind: str, how: _How, source: Readable) -> None:
        self._kind = kind
        self._new, self._errors = how
        self._source = source
        self._inner = self._new()

    def read(self, size: int, /) -> bytes:
        while True:
            if self._inner.eof and not self._next_stream():
                return b""
            data = self._source.read(_PIECE) if self._inner.needs_input else b""
            if not data and self._inner.needs_input:
                raise BadArchive(f"the {self._kind} stream is truncated")
            out = self._decompress(data, size)
            if out:
                return out

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._inner.decompress(data, size)
        except self._errors as error:
            raise BadArchive(f"the {self._kind} stream is damaged: {error}") from None

    def _next_stream(self) -> bool:
        """Begin what follows the end of one stream; False when only padding or nothing does."""
        rest = self._inner.unused_data.lstrip(b"\0")
        while not rest:
            data = self._source.read(_PIECE)
            if not data:
                return False
            rest = data.lstrip(b"\0")
        self._source = Prefixed(rest, _behind(self._source))
        self._inner = self._new()
        return True


def _behind(source: Readable) -> Readable:
    """Below an empty Prefixed: a stream of a million streams must not be a million readers deep."""
    while isinstance(source, Prefixed) and not source._prefix:
        source = source._source
    return source


_MAGIC = (
    ("gzip", b"\x1f\x8b"),
    ("xz", b"\xfd7zXZ\0"),
    ("bzip2", b"BZh"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    *[("zstd", bytes([0x50 + n]) + b"\x2a\x4d\x18") for n in range(16)],  # skippable frames
)


def compression(start: bytes) -> str:
    """gzip, xz, bzip2, zstd or "" (none), by the first six bytes."""
    return next((kind for kind, magic in _MAGIC if start.startswith(magic)), "")


def sniff(source: Readable) -> tuple[Readable, str]:
    """``source`` still from its beginning, and how it is compressed."""
    start = read_exactly(source, 6)
    return Prefixed(start, source), compression(start)


def plain(source: Readable, kind: str, limits: Limits = DEFAULT_LIMITS) -> Readable:
    """The content of ``source``, which ``sniff`` found to be ``kind``. Reads raise BadArchive."""
    return Decompressed(kind, _how(kind, limits), source) if kind else source


def _how(kind: str, limits: Limits) -> _How:
    if kind == "gzip":
        from isal import igzip_lib

        new = functools.partial(igzip_lib.IgzipDecompressor, flag=igzip_lib.DECOMP_GZIP)
        errors: Any = igzip_lib.IsalError  # the stubs take it for an instance
        return new, (errors,)
    if kind == "zstd":
        from podrun.image import zstd

        return functools.partial(zstd.Unzstd, limits), zstd.ERRORS
    if kind == "xz":
        return functools.partial(Unxz, limits), (lzma.LZMAError,)
    return bz2.BZ2Decompressor, (OSError, ValueError)


class Unxz:
    """lzma's, with a limit. Layers are not xz, only what is imported: ``xz -9`` needs 65 MiB."""

    def __init__(self, limits: Limits) -> None:
        self._memory = 2 * limits.window_bytes + (2 << 20)
        self._inner = lzma.LZMADecompressor(memlimit=self._memory)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        try:
            return self._inner.decompress(data, max_length)
        except lzma.LZMAError as error:
            if "Memory" not in str(error):
                raise
            raise BadArchive(
                f"the xz stream needs more than {self._memory} bytes of memory "
                f"(twice the {named('window_bytes')})"
            ) from None


def read_exactly(source: Readable, size: int) -> bytes:
    """``size`` bytes, fewer only at the end."""
    pieces: list[bytes] = []
    while size and (more := source.read(size)):
        pieces.append(more)
        size -= len(more)
    return b"".join(pieces)
