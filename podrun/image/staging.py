"""What one writer has brought in and not published yet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Literal

from podrun.image import oci
from podrun.linux.syscall import libc
from podrun.linux.trees import remove_tree


class Staging:
    """``blobs`` and ``trees`` map digest and chain ID to the path that waits to be renamed.

    ``lock`` is the descriptor that keeps others from sweeping: a child that writes here keeps it
    open, so that the place is its own even when its parent has been killed.
    """

    def __init__(self, root: Path, lock: int) -> None:
        self.root = root
        self.lock = lock
        self.blobs: dict[str, Path] = {}
        self.trees: dict[str, Path] = {}
        self._count = 0

    def new_file(self, mode: Literal["xb", "w+b"] = "xb") -> tuple[BinaryIO, Path]:
        path = self.new_path()
        return open(path, mode), path

    def new_path(self) -> Path:
        """A name for a file that somebody else makes."""
        return self._next("blob")

    def new_tree(self) -> Path:
        """A new directory; its ``fs`` (also new) is to be filled."""
        path = self._next("tree")
        _make_tree(path)
        return path

    def empty_tree(self, path: Path) -> None:
        """Begin a tree anew, in the same place: others may know it."""
        remove_tree(path)
        _make_tree(path)

    def add_document(self, data: bytes, media_type: str) -> oci.Descriptor:
        file, path = self.new_file()
        with file:
            file.write(data)
        digest = oci.digest_of(data)
        self.blobs[digest] = path
        return oci.Descriptor(media_type, digest, len(data))

    def sync(self) -> None:
        """Everything staged is on the disk (syncfs: one call, however many files a tree has)."""
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            libc("syncfs", fd, name=str(self.root))
        finally:
            os.close(fd)

    def _next(self, kind: str) -> Path:
        self._count += 1
        return self.root / f"{kind}-{self._count}"


def _make_tree(path: Path) -> None:
    (path / "fs").mkdir(parents=True)
    (path / "fs").chmod(0o755)
