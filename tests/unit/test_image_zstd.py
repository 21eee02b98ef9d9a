"""zstd streams followed block by block: every structure, and what they may cost."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from podrun.image.types import BadArchive, Limits
from podrun.image.zstd import ERRORS, Unzstd

CONTENT = random.Random(3).randbytes(300_000) + bytes(700_000) + b"text " * 100_000
SKIPPED = b"\x5f\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"


def packed(data: bytes, **parameters: int | bool) -> bytes:
    chosen = zstandard.ZstdCompressionParameters.from_level(3, **parameters)
    return zstandard.ZstdCompressor(compression_params=chosen).compress(data)


def expand(frame: bytes, step: int, size: int, limits: Limits | None = None) -> tuple[bytes, bytes]:
    """Content and what is behind the frame, fed ``step`` bytes and taken ``size`` at a time."""
    inner, out, at = Unzstd(limits or Limits()), b"", 0
    while not inner.eof:
        data = frame[at : at + step] if inner.needs_input else b""
        assert data or not inner.needs_input, "truncated"
        at += len(data)
        piece = inner.decompress(data, size)
        assert len(piece) <= size
        out += piece
    return out, inner.unused_data + frame[at:]


@pytest.mark.parametrize(
    "parameters",
    [{}, {"write_checksum": True}, {"write_content_size": False}, {"window_log": 10}],
)
@pytest.mark.parametrize(("step", "size"), [(1 << 18, 1 << 20), (7, 1000), (100_000, 1)])
def test_frames_of_every_kind(parameters: dict[str, int], step: int, size: int) -> None:
    content = CONTENT if size > 1 else CONTENT[-20_000:]
    assert expand(packed(content, **parameters) + b"rest", step, size) == (content, b"rest")


def test_an_empty_frame_and_a_skippable_one() -> None:
    assert expand(packed(b"") + b"!", 3, 9) == (b"", b"!")
    assert expand(SKIPPED + b"!", 3, 9) == (b"", b"!")
    assert expand(SKIPPED[:4] + bytes(4) + b"next", 100, 9) == (b"", b"next")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_791, 65_792, 1 << 17, (1 << 17) + 1])
def test_sizes_at_the_edges_of_the_format(size: int) -> None:
    """The content's size is written in 1, 2, 4 or 8 bytes; a block ends at 128 KiB."""
    content = random.Random(size).randbytes(size)
    assert expand(packed(content), 1 << 18, 1 << 20) == (content, b"")


def raw_frame(window: int, *blocks: bytes) -> bytes:
    """``window`` is the descriptor's byte: exponent (from 1 KiB) and mantissa."""
    return b"\x28\xb5\x2f\xfd\0" + bytes([window]) + b"".join(blocks)


def block(kind: int, size: int, data: bytes, *, last: bool = False) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + data


def test_what_expands_most_comes_in_pieces() -> None:
    """4 bytes are 128 KiB; the library alone would give all 2 GiB of these at once."""
    bomb = raw_frame(7 << 3, *[block(1, 1 << 17, b"\0")] * 16_384)
    inner, largest, total = Unzstd(Limits()), 0, 0
    piece = inner.decompress(bomb, 1 << 20)
    while piece:
        largest, total = max(largest, len(piece) + len(inner._output)), total + len(piece)
        piece = b"" if inner.needs_input else inner.decompress(b"", 1 << 20)
    assert (largest, total) == (1 << 20, 2 << 30)


@pytest.mark.parametrize(
    "frame",
    [
        raw_frame(15 << 3 | 1, block(0, 0, b"", last=True)),
        b"\x28\xb5\x2f\xfd\xe0" + (1 << 60).to_bytes(8, "little") + b"\1\0\0",
        b"\x28\xb5\x2f\xfd\xa0" + ((32 << 20) + 1).to_bytes(4, "little") + b"\1\0\0",
    ],
)
def test_a_window_beyond_the_limit_is_refused_by_its_name(frame: bytes) -> None:
    with pytest.raises(BadArchive, match=r"window.*33554432.*imageLimits\.windowBytes"):
        expand(frame, 100, 100)
    allowed = raw_frame(15 << 3, block(0, 2, b"ok", last=True))
    assert expand(allowed, 100, 100) == (b"ok", b"")
    with pytest.raises(BadArchive, match="imageLimits"):
        expand(allowed, 100, 100, Limits(window_bytes=1 << 20))


@pytest.mark.parametrize(
    "frame",
    [
        b"not zstd at all",
        raw_frame(0, block(3, 10, b"x" * 10)),
        raw_frame(0, block(0, 1025, b"x" * 1025)),
        raw_frame(0, block(2, 10, b"x" * 10, last=True)),
        b"\x28\xb5\x2f\xfd\x03\0\1\0\0\0" + block(0, 1, b"x", last=True),
        b"\x28\xb5\x2f\xfd\x08\0" + block(0, 1, b"x", last=True),
        packed(CONTENT, write_checksum=True)[:-4] + b"\0\0\0\0",
        b"\x28\xb5\x2f\xfd\x20\x05" + block(0, 1, b"x", last=True),
    ],
)
def test_damage_is_an_error(frame: bytes) -> None:
    with pytest.raises(ERRORS):
        expand(frame + bytes(50), 100, 1 << 20)


@given(data=st.binary(max_size=200), at=st.integers(0, 60), cut=st.booleans())
@settings(max_examples=100, deadline=None)
def test_bytes_at_random_do_no_more_than_that(data: bytes, at: int, cut: bool) -> None:
    frame = packed(b"some content, " * 20, write_checksum=True)
    for start in (frame[:at], SKIPPED[:at], b""):
        frame_of(lambda start=start: expand(start + data + bytes(40 * (not cut)), 13, 999))  # type: ignore[misc]


def frame_of(run: Callable[[], object]) -> None:
    try:
        run()
    except (BadArchive, AssertionError, *ERRORS):
        pass
