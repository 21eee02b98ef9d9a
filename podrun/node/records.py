"""Records: files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def write_record(
    path: Path, data: bytes, *, mode: int = 0o640, gid: int = -1, durable: bool = True
) -> None:
    """Replace ``path`` by ``data``: temporary file, fsync, rename, fsync of the directory.

    ``durable=False`` leaves out both fsyncs: for what means nothing after a crash of the machine.
    A process killed at any point leaves the old record or the new one, never a part. OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            if gid >= 0:
                os.fchown(fd, -1, gid)
            os.fchmod(fd, mode)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(fd)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if durable:
        fsync_directory(path.parent)


def fsync_directory(path: Path) -> None:
    fsync_path(path, os.O_DIRECTORY)


def fsync_path(path: Path, flags: int = 0) -> None:
    fd = os.open(path, os.O_RDONLY | flags | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_record(path: Path, kind: type[T]) -> T | None:
    """The record at ``path``, or None when there is none. msgspec.ValidationError on a bad one."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return msgspec.json.decode(data, type=kind)
