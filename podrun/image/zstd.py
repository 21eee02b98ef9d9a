"""zstd, one frame at a time, in bounded memory (the format: RFC 8878).

The library's streaming object gives all that its input expands to at once, and 4 bytes may be
128 KiB. So the frame's own structure is followed here, and it is fed block by block:

    header ─► block ─► block … last block ─► checksum (if the header says so) ─► end
    skippable header ─► that many bytes ─► end

That also tells exactly where a frame ends, so a cut stream is noticed, and how much memory the
frame asks for (its window) before the library reserves it.
"""

from __future__ import annotations

import zstandard

from podrun.image.limits import beyond
from podrun.image.types import Limits

_MAGIC = 0xFD2FB528
_SKIPPABLE, _SKIPPABLE_MASK = 0x184D2A50, 0xFFFFFFF0
_BLOCK_MAX = 128 << 10
_RAW, _RLE, _COMPRESSED = 0, 1, 2
_HEADER, _BLOCKS, _CHECKSUM, _SKIP, _END = range(5)
_DICTIONARY_ID_SIZE = (0, 1, 2, 4)
_CONTENT_SIZE_SIZE = (0, 2, 4, 8)

#: What Unzstd raises for damage.
ERRORS = (ValueError, zstandard.ZstdError)


class Unzstd:
    """One frame, with the interface of lzma.LZMADecompressor. ERRORS, BadArchive (the window)."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._library: zstandard.ZstdDecompressionObj | None = None  # a skippable frame has none
        self._state = _HEADER
        self._checksum = False
        self._block_max = 0
        self._skip = 0
        self._input = b""
        self._at = 0  # of the first byte in the input that is not yet used
        self._output = memoryview(b"")
        self._starved = True

    @property
    def eof(self) -> bool:
        return self._state == _END and not self._output

    @property
    def needs_input(self) -> bool:
        return self._starved and not self._output

    @property
    def unused_data(self) -> bytes:
        return self._input[self._at :] if self.eof else b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        room = max_length if max_length >= 0 else 1 << 62
        if not self._output:
            self._output = memoryview(self._expand(room))
        out, self._output = self._output[:room], self._output[room:]
        return bytes(out)

    def _expand(self, room: int) -> bytes:
        """Feed the library what expands to ``room`` bytes at the most, but one block at least."""
        begin = self._at
        self._follow(room)
        self._starved = self._at == begin and self._state != _END
        if self._library is None or self._starved:
            return b""
        out = self._library.decompress(self._input[begin : self._at])
        if self._library.eof != (self._state == _END):
            raise ValueError("the frame does not end where its blocks do")
        return out

    def _follow(self, room: int) -> None:
        """Move ``_at`` and the state over the input's whole units."""
        made = 0
        while self._state != _END:
            begin = self._at
            if self._state == _HEADER:
                self._header()
            elif self._state == _BLOCKS:
                made = self._block(made, room)
            elif self._state == _CHECKSUM:
                self._advance(4, _END)
            else:
                self._pass_over()
            if self._at == begin:
                return

    def _advance(self, size: int, state: int) -> None:
        """Over ``size`` bytes and into ``state``, when they are there."""
        if self._at + size <= len(self._input):
            self._at += size
            self._state = state

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(self._input[at : at + size], "little")

    def _header(self) -> None:
        if len(self._input) - self._at < 8:  # no frame is shorter than header, block and all
            return
        magic = self._number(self._at, 4)
        if magic & _SKIPPABLE_MASK == _SKIPPABLE:
            self._skip = self._number(self._at + 4, 4)
            self._advance(8, _SKIP if self._skip else _END)
            return
        if magic != _MAGIC:
            raise ValueError("this is no frame of zstd")
        flags = self._input[self._at + 4]
        single = flags >> 5 & 1
        content = _CONTENT_SIZE_SIZE[flags >> 6] or single
        before = 5 + (not single) + _DICTIONARY_ID_SIZE[flags & 3]
        if len(self._input) - self._at < before + content:
            return
        if single:
            window = self._number(self._at + before, content) + (256 if content == 2 else 0)
        else:
            base = 1 << (10 + (self._input[self._at + 5] >> 3))
            window = base + base // 8 * (self._input[self._at + 5] & 7)
        if window > self._limits.window_bytes:
            raise beyond(f"a zstd window of {window} bytes", self._limits, "window_bytes")
        self._block_max = min(window, _BLOCK_MAX)
        self._checksum = bool(flags & 4)
        library = zstandard.ZstdDecompressor(max_window_size=max(window, 1 << 10))
        self._library = library.decompressobj()
        self._advance(before + content, _BLOCKS)

    def _block(self, made: int, room: int) -> int:
        """Over one block, when it is there whole and fits in; gives what has been made with it."""
        if len(self._input) - self._at < 3:
            return made
        head = self._number(self._at, 3)
        kind, size = head >> 1 & 3, head >> 3
        if kind > _COMPRESSED or size > self._block_max:
            raise ValueError("an impossible block")
        gives = size if kind in (_RAW, _RLE) else self._block_max
        if made and made + gives > room:
            return made
        after = (_CHECKSUM if self._checksum else _END) if head & 1 else _BLOCKS
        self._advance(3 + (1 if kind == _RLE else size), after)
        return made + gives

    def _pass_over(self) -> None:
        size = min(self._skip, len(self._input) - self._at)
        self._skip -= size
        self._advance(size, _SKIP if self._skip else _END)
