"""The CRI log format, and the files one run of a container left in it.

2016-10-06T00:17:09.669794202Z stdout F whole line
2016-10-06T00:17:10.000000000Z stdout P part of a line that goes on in the stream's next entry
N.log                          being written
N.log.20240501-100000[-0001]   rotated away; perhaps with .gz. Name order is time order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_BLOCK = 64 * 1024
#: A line without end must not fill our memory: what is longer is printed in pieces.
_JOIN_MAX = 1 << 20


class Entry(NamedTuple):
    time: bytes  # RFC 3339 with nanoseconds, UTC: sorts as text
    stream: bytes  # stdout or stderr
    whole: bool  # False: the line goes on in the next entry of this stream
    content: bytes


class Line(NamedTuple):
    """What a container wrote, joined from its entries; ``ended`` by a newline."""

    time: bytes
    stream: bytes
    content: bytes
    ended: bool


def parse(raw: bytes) -> Entry | None:
    """One line of a log file, without its newline; None when it is none (a torn write)."""
    parts = raw.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr") or parts[2][:1] not in b"FP":
        return None
    return Entry(parts[0], parts[1], parts[2][:1] == b"F", parts[3] if len(parts) > 3 else b"")


class Joiner:
    """Entries to lines; each stream's parts are kept until its line ends."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[bytes, list[bytes], int]] = {}

    def feed(self, entry: Entry) -> Iterator[Line]:
        time, parts, size = self._open.pop(entry.stream, (entry.time, [], 0))
        parts.append(entry.content)
        size += len(entry.content)
        if entry.whole or size > _JOIN_MAX:
            yield Line(time, entry.stream, b"".join(parts), entry.whole)
        else:
            self._open[entry.stream] = (time, parts, size)

    def rest(self) -> Iterator[Line]:
        """What never got its newline."""
        for stream, (time, parts, _) in self._open.items():
            yield Line(time, stream, b"".join(parts), ended=False)
        self._open.clear()


def files(current: Path) -> list[Path]:
    """The rotated files of ``current`` from the oldest on, then itself where it exists.

    Raises PermissionError when the directory may not be read.
    """
    shape = re.compile(re.escape(current.name) + r"\.(\d{8}-\d{6}(?:-\d+)?)(?:\.gz)?")
    found: dict[str, str] = {}  # without ".gz", which sorts elsewhere; compressed once only
    try:
        names = sorted(os.listdir(current.parent), reverse=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    for name in names:
        if match := shape.fullmatch(name):
            found[match[1]] = name
    rotated = [current.with_name(found[key]) for key in sorted(found)]
    return [*rotated, current] if current.name in names else rotated


def tail_start(paths: list[Path], count: int) -> tuple[int, int]:
    """Where the last ``count`` lines of all ``paths`` together begin: (index, offset).

    The offset into a compressed file counts its uncompressed bytes.
    """
    for index in range(len(paths) - 1, -1, -1):
        begin, found = _tail(paths[index], count)
        count -= found
        if count <= 0:
            return index, begin
    return 0, 0


def _tail(path: Path, count: int) -> tuple[int, int]:
    """Where the last ``count`` lines of one file begin, and how many there are of them."""
    begin, found = -1, 0
    for start, raw in _backwards(path) if path.suffix != ".gz" else _unzipped_backwards(path):
        entry = parse(raw)
        # A part at the very end is a line of its own: one that never got its newline.
        ends = entry is not None and (entry.whole or begin < 0)
        if begin < 0:
            begin = start + len(raw) + 1
        if ends and found == count:
            break
        found += ends
        begin = start
    return max(begin, 0), found


def _unzipped_backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    import gzip

    with gzip.open(path) as file:
        lines = [line for line in file if line.endswith(b"\n")]
    at = sum(map(len, lines))
    for line in reversed(lines):
        at -= len(line)
        yield at, line[:-1]


def _backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    """Offset and content of the complete lines, last one first, reading no more than is needed."""
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return
    with file:
        at = file.seek(0, os.SEEK_END)
        rest, complete = b"", False  # complete: the newline after ``rest`` was seen
        while at > 0:
            size = min(_BLOCK, at)
            at -= size
            file.seek(at)
            data = file.read(size) + rest
            cut = len(data)
            while (newline := data.rfind(b"\n", 0, cut)) >= 0:
                if complete:
                    yield at + newline + 1, data[newline + 1 : cut]
                complete, cut = True, newline
            rest = data[:cut]
        if complete:
            yield 0, rest
