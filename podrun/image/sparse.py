"""The four ways GNU tar writes down where a sparse file's data belongs.

Each gives [(offset, length), …] in ascending order and the file's full size. BadArchive when the
map overlaps, leaves the file or is longer than any real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from podrun.image.types import BadArchive

Parts = list[tuple[int, int]]
_PARTS_MAX = 1_000_000


def old_gnu_map(
    header: bytes, next_block: Callable[[], bytes], number: Callable[[bytes], int]
) -> tuple[Parts, int]:
    """Type S: four pairs in the header, then blocks of 21 as long as a flag says there are more."""
    parts = _pairs(header[386:482], number)
    more = header[482]
    while more:
        block = next_block()
        parts += _pairs(block[:504], number)
        more = block[504]
        if len(parts) > _PARTS_MAX:
            raise BadArchive(f"a sparse map of more than {_PARTS_MAX} parts")
    return _checked(parts, number(header[483:495]), header[:100])


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


def gnu_map(
    pax: Mapping[bytes, bytes], next_block: Callable[[], bytes], name: bytes
) -> tuple[Parts, int, int]:
    """pax 1.0: the map is text in front of the data. Also gives the bytes it took up."""
    text, used = b"", 0

    def line() -> int:
        nonlocal text, used
        while b"\n" not in text:
            if len(text) > 20:
                raise BadArchive(f"a damaged sparse map of {name!r}")
            text += next_block()
            used += 512
        head, _, text = text.partition(b"\n")
        return _decimals([head], name)[0]

    count = line()
    if count > _PARTS_MAX:
        raise BadArchive(f"a sparse map of more than {_PARTS_MAX} parts")
    parts = [(line(), line()) for _ in range(count)]
    size = _decimals([pax.get(b"GNU.sparse.realsize", b"")], name)[0]
    return *_checked(parts, size, name), used


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
