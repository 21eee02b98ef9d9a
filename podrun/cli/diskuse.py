"""What podrun keeps on disk, and how much of it there is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from podrun.node.paths import Paths

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Use(msgspec.Struct, frozen=True):
    """``bytes`` on disk: holes count nothing, a file with several names counts once."""

    kind: str
    count: int
    bytes: int


def disk_use(paths: Paths) -> Iterator[Use]:
    """Raises PermissionError for who is not root."""
    blobs = paths.images / "blobs" / "sha256"
    yield _use("images", list(_entries(blobs)), [paths.images])
    yield _use("unpacked layers", list(_entries(paths.snapshots)))
    yield _use("writable layers", list(paths.pods.glob("*/containers/*/*/upper")))
    yield _use("volumes", list(paths.pods.glob("*/volumes/*")))
    yield _use("logs", list(_entries(paths.log / "pods")), [paths.log])


def _use(kind: str, counted: list[Path], measured: Iterable[Path] | None = None) -> Use:
    return Use(kind, len(counted), bytes_of(counted if measured is None else measured))


def _entries(directory: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return
    yield from (directory / name for name in names if not name.startswith("."))


def bytes_of(trees: Iterable[Path]) -> int:
    seen: set[tuple[int, int]] = set()
    return sum(_size(str(tree), seen) for tree in trees)


def _size(path: str, seen: set[tuple[int, int]]) -> int:
    total, waiting = 0, [path]
    while waiting:
        here = waiting.pop()
        try:
            status = os.lstat(here)
            below = os.scandir(here) if os.path.isdir(here) and not os.path.islink(here) else ()
            waiting += [entry.path for entry in below]
        except FileNotFoundError:
            continue  # removed while we count
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * 512
    return total


def human_size(size: int) -> str:
    value = float(size)
    for unit in _UNITS[:-1]:
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} {_UNITS[-1]}"
