"""Blobs on their way in from a registry: a file that one process writes and another follows.

    images/.partial/<hex>        as much of the blob as has come; whoever adds to it holds a flock

    fetcher ── bytes ──► file ◄── reads ── Following ──► digest, decompression, tree
       └────── one byte on a pipe: there is more; end of the pipe: no more comes ──┘

The file outlives a pull that fails or is killed, and the next one goes on where it ended. It is a
blob only when its digest has been checked, and only then it gets a link in the store. Two pulls of
one blob share the file: the second one waits for the lock, and finds it complete, or goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.image import oci
from podrun.image.layout import Layout

_MORE = b"\0"


class Starved(MechanismFailed):
    """The fetcher has ended before the blob did; why, is the fetcher's to say."""


class Partial:
    """The file of one blob, open; ``close`` keeps what is in it."""

    def __init__(self, layout: Layout, descriptor: oci.Descriptor) -> None:
        self.path = layout.partial / oci.hex_of(descriptor.digest)
        self.size = descriptor.size
        self.fd = self._open()
        if self.present() > self.size:  # somebody has lied about its size, then or now
            self.forget()
            os.close(self.fd)
            self.fd = self._open()

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def close(self) -> None:
        if self.fd >= 0:
            if not self.present():
                self.forget()
            os.close(self.fd)
            self.fd = -1

    def present(self) -> int:
        """Bytes that have come so far."""
        return os.fstat(self.fd).st_size

    @property
    def complete(self) -> bool:
        """All bytes are there; whether they are the right ones is not known yet."""
        return self.present() == self.size

    def digest(self) -> str:
        """Of what has come; reads all of it."""
        with open(self.reopened(os.O_RDONLY), "rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"

    def reopened(self, flags: int) -> int:
        """A descriptor with a position and a lock of its own, for another process."""
        return os.open(f"/proc/self/fd/{self.fd}", flags | os.O_CLOEXEC)

    @contextlib.contextmanager
    def writing(self) -> Iterator[int]:
        """A descriptor for writing, the one to lock, and its lock ends with it."""
        fd = self.reopened(os.O_WRONLY | os.O_APPEND)
        try:
            yield fd
        finally:
            os.close(fd)

    def keep_as(self, path: Path) -> None:
        """A second name for what is there: its digest is known now."""
        directory = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:  # with a directory it is linkat(2), which can follow; without, os.link never does
            os.link(str(self.fd), path, src_dir_fd=directory, follow_symlinks=True)
        except FileNotFoundError:  # it has lost its own name: another pull has given it up
            with open(self.reopened(os.O_RDONLY), "rb") as source, open(path, "xb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
        finally:
            os.close(directory)

    def forget(self) -> None:
        """It was wrong: the next pull begins anew. Another pull's own file stays."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.path), os.fstat(self.fd)):
                os.unlink(self.path)


class Following:
    """Reads a blob while it comes: ``wake`` is the reading end of its fetcher's pipe."""

    def __init__(self, partial: Partial, wake: int) -> None:
        self._fd = partial.reopened(os.O_RDONLY)
        self._wake = wake
        self._size = partial.size
        self._position = 0

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end. Starved when its fetcher ended before that."""
        while True:
            data = os.read(self._fd, min(size, self._size - self._position))
            self._position += len(data)
            if data or self._position == self._size:
                return data
            if not os.read(self._wake, 65536) and os.fstat(self._fd).st_size <= self._position:
                raise Starved("the download has ended too early")

    def close(self) -> None:
        os.close(self._fd)


def tell_more(wake: int) -> None:
    """There is more to read. A full pipe says that already; nobody may be there to hear it."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(wake, _MORE)
