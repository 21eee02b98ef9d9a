"""Where a root file system is read from: a tar, a stream of one, or a directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from podrun.image.streams import Readable


@contextlib.contextmanager
def opened(source: Path | Readable) -> Iterator[tuple[Readable, int]]:
    """The tar stream of ``source`` and its size in bytes, 0 when unknown. OSError."""
    if not isinstance(source, Path):
        yield source, 0
    elif source.is_dir():
        from podrun.image.tarwrite import DirectoryTar

        with contextlib.closing(DirectoryTar(source)) as stream:
            yield stream, 0
    else:
        with open(source, "rb", buffering=0) as file:
            yield file, source.stat().st_size
