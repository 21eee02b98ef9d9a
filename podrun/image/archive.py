"""What `load` reads: an OCI layout or docker-archive, as a directory or a tar.

An archive's own tar is only an index of names here (no name of it becomes a path); a directory is
read through openat2 and cannot lead out of itself either.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from podrun.image import oci, platform
from podrun.image.limits import named
from podrun.image.streams import CHUNK, Readable, compression, plain, read_exactly, sniff
from podrun.image.types import BadArchive
from podrun.linux.openat import INSIDE, openat2

_MEMBERS_MAX = 100_000
_LINKS_MAX = 8


class Archive(Protocol):
    def size(self, name: str) -> int | None:
        """Bytes of the member, None when there is none."""

    def open(self, name: str) -> contextlib.AbstractContextManager[Readable]:
        """Its content. BadArchive when there is none."""


class DirectoryArchive:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def size(self, name: str) -> int | None:
        try:
            fd = openat2(self._fd, os.fsencode(name), os.O_PATH, 0, INSIDE)
        except OSError:
            return None
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        try:
            fd = openat2(self._fd, os.fsencode(name), os.O_RDONLY, 0, INSIDE)
        except OSError as error:
            raise BadArchive(f"{name}: {error.strerror}") from None
        with open(fd, "rb", buffering=0) as file:
            yield file


class TarArchive:
    """``file`` is an uncompressed, seekable tar."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                for member in tar:
                    self._members[_normal(member.name)] = member
                    if len(self._members) > _MEMBERS_MAX:
                        raise BadArchive(f"the archive has more than {_MEMBERS_MAX} members")
        except (tarfile.TarError, ValueError) as error:
            raise BadArchive(f"this is not an image archive: {error}") from None

    def size(self, name: str) -> int | None:
        member = self._find(name)
        return member.size if member else None

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        member = self._find(name)
        if member is None:
            raise BadArchive(f"the archive has no {name}")
        self._file.seek(member.offset_data)
        yield Slice(self._file, member.size)

    def _find(self, name: str) -> tarfile.TarInfo | None:
        """The regular member; old docker archives share layers by symbolic links."""
        for _ in range(_LINKS_MAX):
            member = self._members.get(_normal(name))
            if member is None or member.isreg():
                return member
            if member.issym():
                name = os.path.join(os.path.dirname(member.name), member.linkname)
            else:
                name = member.linkname
        return None


class Slice:
    """``size`` bytes of a file from where it stands."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int, /) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


def _normal(name: str) -> str:
    return os.path.normpath("/" + name)


def document(archive: Archive, name: str, limit: int) -> bytes:
    """A small member, of ``limit`` bytes at the most. BadArchive."""
    with archive.open(name) as file:
        data = read_exactly(file, limit + 1)
    if len(data) > limit:
        raise BadArchive(f"{name} has more than {limit} bytes ({named('document_bytes')})")
    return data


class DockerEntry(msgspec.Struct, frozen=True, rename="pascal"):
    """One image of a docker-archive's manifest.json."""

    config: str
    layers: tuple[str, ...]
    repo_tags: tuple[str, ...] | None = None


@contextlib.contextmanager
def opened(source: Path | Readable, spool: BinaryIO) -> Iterator[Archive]:
    """The archive; what cannot be sought in, or is compressed, goes through ``spool`` first."""
    if isinstance(source, Path) and source.is_dir():
        fd = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield DirectoryArchive(fd)
        finally:
            os.close(fd)
        return
    if not isinstance(source, Path):
        yield _spooled(source, spool)
        return
    with open(source, "rb") as file:
        if file.seekable() and not compression(file.peek(6)[:6]):
            yield TarArchive(file)
        else:
            yield _spooled(file, spool)


def _spooled(source: Readable, spool: BinaryIO) -> TarArchive:
    start, kind = sniff(source)
    content = plain(start, kind)
    while data := content.read(CHUNK):
        spool.write(data)
    spool.seek(0)
    return TarArchive(spool)


def oci_entries(archive: Archive, document_bytes: int) -> list[oci.Descriptor]:
    """The manifests of an OCI layout that are for this machine, the best of each name."""
    data = document(archive, "index.json", document_bytes)
    index = oci.decode(data, oci.Index, "index.json")
    if not index.manifests:
        raise BadArchive("the OCI layout names no image")
    found = []
    for name in dict.fromkeys(entry.name for entry in index.manifests):
        same = [entry for entry in index.manifests if entry.name == name]
        found += platform.suitable(same, platform.this())
    return found or [platform.choose(index, platform.this(), "the OCI layout")]


def blob(archive: Archive, descriptor: oci.Descriptor, limit: int) -> bytes:
    """A small blob of an OCI layout, its digest checked."""
    data = document(archive, blob_name(descriptor.digest), limit)
    if oci.digest_of(data) != descriptor.digest:
        raise BadArchive(f"the blob {descriptor.digest} of the archive is damaged")
    return data


def blob_name(digest: str) -> str:
    return f"blobs/sha256/{oci.hex_of(digest)}"
