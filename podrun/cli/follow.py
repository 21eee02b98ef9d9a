"""Reading one run's log, also while it is written and rotated, until the run has ended.

open N.log ──► read to its end ──► still N.log? ──yes──► wait a little ──► read on
    ▲                                  │ no: rotated away
    └── next newer file, to the end ◄──┘
exit.json is there and nothing new came after it was seen, or the pod is gone: the end
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from podrun.cli import crilog


class Follower:
    """Reads one run's log, its rotated files first. ``ended``: nothing more will come."""

    def __init__(self, log: Path, exit_record: Path) -> None:
        self.log = log
        self.exit_record = exit_record
        self.ended = False
        self._file: BinaryIO | None = None
        self._rest = b""

    def start(self, last: int | None = None) -> None:
        """From the last ``last`` lines on; None: from the oldest there is."""
        found = crilog.files(self.log)
        index, offset = (0, 0) if last is None else crilog.tail_start(found, last)
        if found:
            self._open(found[index])
            if self._file is not None:
                self._file.seek(offset)

    def poll(self) -> Iterator[bytes]:
        """What came since the last call; sets ``ended`` when nothing more will come."""
        over = self.exit_record.exists() or not self.exit_record.parent.exists()
        if self._file is None:
            self._open(self.log)
        while self._file is not None:
            yield from self._read()
            successor = self._successor()
            if successor is None:
                break
            yield from self._read()  # written between our last look and the rotation
            self._open(successor)
        self.ended = over

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _read(self) -> Iterator[bytes]:
        assert self._file is not None
        while data := self._file.read(1 << 16):
            *lines, self._rest = (self._rest + data).split(b"\n")
            yield from lines

    def _open(self, path: Path) -> None:
        self.close()
        self._rest = b""
        with contextlib.suppress(FileNotFoundError):
            self._file = _opened(path)

    def _successor(self) -> Path | None:
        """The file after the one we read; None while that is the newest."""
        assert self._file is not None
        here = os.fstat(self._file.fileno())
        try:
            now = self.log.stat()
        except FileNotFoundError:
            return None  # between rename and open, or removed
        if now.st_ino == here.st_ino:
            return None
        found = crilog.files(self.log)
        inodes = [path.stat().st_ino if path.exists() else 0 for path in found]
        if here.st_ino in inodes:
            return next(iter(found[inodes.index(here.st_ino) + 1 :]), None)
        # Ours was compressed (its copy has its time) or pruned: go on with the oldest after it.
        return next((path for path in found if _is_after(path, here)), None)


def _is_after(path: Path, here: os.stat_result) -> bool:
    with contextlib.suppress(FileNotFoundError):
        at = path.stat().st_mtime_ns
        return at > here.st_mtime_ns or (at == here.st_mtime_ns and path.suffix != ".gz")
    return False


def _opened(path: Path) -> BinaryIO:
    """Also of a file that is being compressed. FileNotFoundError when it was pruned."""
    if path.suffix != ".gz":
        with contextlib.suppress(FileNotFoundError):
            return path.open("rb", buffering=0)
        path = path.with_name(f"{path.name}.gz")
    return _unzipped(path)


def _unzipped(path: Path) -> BinaryIO:
    import gzip
    from typing import cast

    return cast(BinaryIO, gzip.open(path, "rb"))
