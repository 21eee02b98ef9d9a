"""The four ways GNU tar writes down where a sparse file's data belongs.

Each gives [(offset, length), …] in ascending order and the file's full size. BadArchive when the
map overlaps or leaves the file. However it is written, a map counts as header_bytes: it is held in
memory while the file's data passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from podrun.image.limits import beyond
from podrun.image.types import BadArchive, Limits

Parts = list[tuple[int, int]]
_BLOCK = 512


class Blocks:
    """The blocks of a map that lies between header and data, as many as the limit allows."""

    def __init__(self, take: Callable[[], bytes], limits: Limits) -> None:
        self._take = take
        self._limits = limits
        self.used = 0  # bytes

    def next(self) -> bytes:
        self.used += _BLOCK
        if self.used > self._limits.header_bytes:
            raise beyond(f"a sparse map of {self.used} bytes", self._limits, "header_bytes")
        return self._take()


def old_gnu_map(
    header: bytes, blocks: Blocks, number: Callable[[bytes], int], name: bytes
) -> tuple[Parts, int]:
    """Type S: four pairs in the header, then blocks of 21 as long as a flag says there are more."""
    parts = _pairs(header[386:482], number)
    more = header[482]
    while more:
        block = blocks.next()
        parts += _pairs(block[:504], number)
        more = block[504]
    return _checked(parts, number(header[483:495]), name)


def _pairs(data: bytes, number: Callable[[bytes], int]) -> Parts:
    found = []
    for at in range(0, len(data), 24):
        if not data[at]:
            break
        found.append((number(data[at : at + 12]), number(data[at + 12 : at + 24])))
    return found


def pax_map(pax: Mapping[bytes, bytes], name: bytes) -> tuple[Parts, int]:
    """pax 0.1 (and 0.0, gathered into its form): one record "offset,length,…"."""
    text = pax[b"GNU.sparse.map"]
    numbers = _decimals(text.split(b",") if text else [], name)
    size = _decimals([pax.get(b"GNU.sparse.size", b"")], name)[0]
    return _checked(list(zip(numbers[::2], numbers[1::2], strict=False)), size, name)


def gnu_map(pax: Mapping[bytes, bytes], blocks: Blocks, name: bytes) -> tuple[Parts, int]:
    """pax 1.0: the map is text in front of the data, in whole blocks: COUNT, OFFSET, LENGTH, …"""
    lines = _lines(blocks, name)
    parts = [(lines(), lines()) for _ in range(lines())]
    size = _decimals([pax.get(b"GNU.sparse.realsize", b"")], name)[0]
    return _checked(parts, size, name)


def _lines(blocks: Blocks, name: bytes) -> Callable[[], int]:
    waiting: list[bytes] = []  # complete lines, the next one last
    rest = b""

    def line() -> int:
        nonlocal rest
        while not waiting:
            if len(rest) > 20:
                raise BadArchive(f"a damaged sparse map of {name!r}")
            *found, rest = (rest + blocks.next()).split(b"\n")
            waiting.extend(reversed(found))
        return _decimals([waiting.pop()], name)[0]

    return line


def _decimals(texts: list[bytes], name: bytes) -> list[int]:
    if not all(text.isdigit() and len(text) < 20 for text in texts):
        raise BadArchive(f"a damaged sparse map of {name!r}")
    return [int(text) for text in texts]


def _checked(parts: Parts, size: int, name: bytes) -> tuple[Parts, int]:
    end = 0
    for offset, length in parts:
        if offset < end or length < 0:
            raise BadArchive(f"the sparse map of {name!r} is not in order")
        end = offset + length
    if end > size:
        raise BadArchive(f"the sparse map of {name!r} leaves the file")
    return parts, size
