"""Compressed streams: each kind, several in one, and damage."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
from collections.abc import Callable

import pytest
import zstandard

from podrun.image.streams import CHUNK, Intake, plain, sniff
from podrun.image.types import BadArchive, Limits

CONTENT = b"".join(hashlib.sha256(b"%d" % n).digest() + bytes(300) for n in range(9000))


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, "gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress, "zstd": zstd,
}  # fmt: skip
PACKED = [kind for kind in KINDS if kind]


def expand(data: bytes, size: int = CHUNK) -> tuple[bytes, str]:
    source, kind = sniff(io.BytesIO(data))
    stream, out = plain(source, kind), b""
    while piece := stream.read(size):
        assert len(piece) <= size
        out += piece
    return out, kind


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_recognized_and_read_whole(kind: str) -> None:
    assert expand(KINDS[kind](CONTENT)) == (CONTENT, kind)


@pytest.mark.parametrize("kind", PACKED)
def test_small_reads_lose_nothing(kind: str) -> None:
    assert expand(KINDS[kind](CONTENT), 70_000)[0] == CONTENT


@pytest.mark.parametrize("kind", PACKED)
def test_several_streams_in_one_are_one_content(kind: str) -> None:
    assert expand(KINDS[kind](b"one") + KINDS[kind](b"two"))[0] == b"onetwo"


@pytest.mark.parametrize("kind", PACKED)
def test_zero_padding_behind_the_end_is_no_content(kind: str) -> None:
    assert expand(KINDS[kind](CONTENT) + bytes(1000))[0] == CONTENT


@pytest.mark.parametrize("kind", PACKED)
def test_a_truncated_stream_is_an_error(kind: str) -> None:
    packed = KINDS[kind](CONTENT)
    for cut in (10, len(packed) // 2, len(packed) - 1):
        with pytest.raises(BadArchive, match=r"truncated|damaged"):
            expand(packed[:cut])


@pytest.mark.parametrize("kind", PACKED)
def test_a_damaged_stream_is_an_error(kind: str) -> None:
    packed = bytearray(KINDS[kind](CONTENT))
    packed[len(packed) // 2] ^= 0xFF
    packed[len(packed) // 2 + 1] ^= 0xFF
    try:
        assert expand(bytes(packed))[0] != CONTENT  # zstd without a checksum cannot tell
    except BadArchive as error:
        assert kind in error.message


def test_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50 << 20))
    source, kind = sniff(io.BytesIO(bomb))
    stream = Intake(plain(source, kind), 1 << 20)
    with pytest.raises(BadArchive, match=r"limit: bytes, in the configuration imageLimits.bytes"):
        while stream.read(CHUNK):
            pass


@pytest.mark.parametrize("kind", PACKED)
def test_garbage_behind_the_end_is_damage(kind: str) -> None:
    """gzip(1) warns and goes on; the bytes are under the digest, so somebody meant something."""
    for garbage in (b"garbage", bytes(600_000) + b"x"):
        with pytest.raises(BadArchive, match=r"damaged|truncated"):
            expand(KINDS[kind](CONTENT) + garbage)


def test_zstd_that_begins_with_a_skippable_frame_is_recognized() -> None:
    skippable = b"\x53\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    assert expand(skippable + zstd(b"one") + skippable + zstd(b"two")) == (b"onetwo", "zstd")


def test_xz_may_not_ask_for_more_memory_than_the_limit_allows() -> None:
    packed = lzma.compress(CONTENT, preset=9)
    assert expand(packed)[0] == CONTENT
    source, kind = sniff(io.BytesIO(packed))
    with pytest.raises(BadArchive, match=r"memory.*imageLimits\.windowBytes"):
        plain(source, kind, Limits(window_bytes=8 << 20)).read(CHUNK)


def test_the_intake_hashes_counts_copies_and_tells() -> None:
    told: list[int] = []
    copy = io.BytesIO()
    intake = Intake(io.BytesIO(CONTENT), 1 << 30, copy, told.append)
    while intake.read(100_000):
        pass
    assert intake.digest == "sha256:" + hashlib.sha256(CONTENT).hexdigest()
    assert copy.getvalue() == CONTENT
    assert told[-1] == intake.size == len(CONTENT)
