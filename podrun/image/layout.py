"""The store on disk: an OCI image layout, and beside it the unpacked layers.

    images/oci-layout  images/index.json  images/blobs/sha256/<hex>
    images/.lock          held while index.json changes
    images/.using         shared: bytes are on their way in; exclusive: what nobody needs is removed
    images/.staging/<n>/  one writer's blobs and trees until they are complete
    images/.partial/<hex> what has come of a blob from a registry (podrun.image.partial)
    snapshots/<chain ID>/fs

                      .using shared                                  .lock
    ingest ──► .staging/<n>/ ──► complete, synced ──► renamed into place ──► index.json replaced

Whatever dies on the way leaves a staging directory, or blobs no manifest names. Whoever can get
``.using`` exclusively knows that nobody is writing, and removes both.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.image import oci
from podrun.image.staging import Staging
from podrun.image.types import DEFAULT_LIMITS, BadArchive
from podrun.linux.trees import remove_tree
from podrun.node.records import fsync_directory, write_record

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_PARTIAL_SECONDS = 24 * 3600.0  # how long what a failed pull has fetched waits for the next one


class Layout:
    def __init__(
        self, images: Path, snapshots: Path, document_bytes: int = DEFAULT_LIMITS.document_bytes
    ) -> None:
        self.images = images
        self.snapshots = snapshots
        self.partial = images / ".partial"
        self._document_bytes = document_bytes
        self.blobs = images / "blobs" / "sha256"

    # Reading: no lock, since every file is complete from the moment it has its name ────────────

    def index(self) -> oci.Index:
        try:
            data = (self.images / "index.json").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return oci.Index()
        return oci.decode(data, oci.Index, str(self.images / "index.json"))

    def blob_path(self, digest: str) -> Path:
        return self.blobs / oci.hex_of(digest)

    def document(self, digest: str) -> bytes:
        """A small blob, its digest checked. FileNotFoundError, BadArchive."""
        with open(self.blob_path(digest), "rb") as file:
            data = file.read(self._document_bytes + 1)
        if oci.digest_of(data) != digest:
            raise BadArchive(
                f"the blob {digest} in {self.blobs} is damaged",
                hint="remove the image and import or load it again",
            )
        return data

    def has_blob(self, descriptor: oci.Descriptor) -> bool:
        try:
            return self.blob_path(descriptor.digest).stat().st_size == descriptor.size
        except FileNotFoundError:
            return False

    def snapshot(self, chain_id: str) -> Path:
        return self.snapshots / oci.hex_of(chain_id) / "fs"

    # Writing ──────────────────────────────────────────────────────────────────────────────────

    def prepare(self) -> None:
        """Make the empty store. Both directories are root's: layers have set-user-ID files."""
        for directory in (self.images, self.snapshots):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.blobs.mkdir(parents=True, exist_ok=True)
        for directory in (self.images / ".staging", self.partial):
            directory.mkdir(mode=0o700, exist_ok=True)
        if not (self.images / "oci-layout").exists():
            write_record(self.images / "oci-layout", _LAYOUT)
        if not (self.images / "index.json").exists():
            with self._locked(".lock", fcntl.LOCK_EX):
                if not (self.images / "index.json").exists():
                    write_record(self.images / "index.json", oci.encode(oci.Index()))

    @contextlib.contextmanager
    def staging(self) -> Iterator[Staging]:
        """A place for what comes in; gone afterwards, except for what ``commit`` has published."""
        self.prepare()
        self.sweep()
        with self._locked(".using", fcntl.LOCK_SH) as lock:
            root = self.images / ".staging" / f"{os.getpid()}-{os.urandom(6).hex()}"
            root.mkdir(mode=0o700)
            try:
                yield Staging(root, lock)
            finally:
                remove_tree(root)

    def commit(self, staging: Staging, change: Callable[[oci.Index], oci.Index]) -> None:
        """Publish what is staged, then the index that names it."""
        staging.sync()
        with self._locked(".lock", fcntl.LOCK_EX):
            for digest, path in staging.blobs.items():
                os.rename(path, self.blob_path(digest))
                with contextlib.suppress(FileNotFoundError):
                    (self.partial / oci.hex_of(digest)).unlink()
            for chain_id, path in staging.trees.items():
                _rename_new(path, self.snapshots / oci.hex_of(chain_id))
            fsync_directory(self.blobs)
            fsync_directory(self.snapshots)
            self._replace_index(change)

    def change_index(self, change: Callable[[oci.Index], oci.Index]) -> None:
        self.prepare()
        with self._locked(".lock", fcntl.LOCK_EX):
            self._replace_index(change)

    def _replace_index(self, change: Callable[[oci.Index], oci.Index]) -> None:
        old = self.index()
        new = change(old)
        if new != old:
            write_record(self.images / "index.json", oci.encode(new))

    # Removing ─────────────────────────────────────────────────────────────────────────────────

    def sweep(self, partial_seconds: float = _PARTIAL_SECONDS) -> int | None:
        """Remove what died half-made and what no manifest needs; gives the bytes of the blobs.

        What a pull has fetched without coming to its end stays for ``partial_seconds``. None when
        somebody is bringing an image in: what is unnamed now may be theirs.
        """
        try:
            with self._locked(".using", fcntl.LOCK_EX | fcntl.LOCK_NB):
                return self._sweep(partial_seconds)
        except BlockingIOError:
            return None

    def _sweep(self, partial_seconds: float) -> int:
        """Nobody is writing or fetching: ``.using`` is ours alone."""
        staging, freed = self.images / ".staging", 0
        with contextlib.suppress(BadArchive):  # what a damaged image needs is not known: all stays
            freed = self._sweep_unneeded(staging)
        freed += self._sweep_partial(time.time() - partial_seconds)
        for path in [*staging.iterdir(), *self.images.glob(".index.json.*.tmp")]:
            remove_tree(path)
        return freed

    def _sweep_unneeded(self, staging: Path) -> int:
        freed = 0
        blobs, chains = self.needed()
        for path in self.blobs.iterdir():
            if path.name not in blobs:
                freed += path.stat().st_size
                path.unlink()
        for path in self.snapshots.iterdir():
            if path.name not in chains:  # first out of sight, then entry by entry
                os.rename(path, staging / f"unneeded-{path.name}")
        return freed

    def _sweep_partial(self, before: float) -> int:
        freed = 0
        for path in self.partial.iterdir():
            status = path.stat()
            if (self.blobs / path.name).exists() or status.st_mtime <= before:
                freed += status.st_size
                path.unlink()
        return freed

    def needed(self) -> tuple[set[str], set[str]]:
        """Blobs and chain IDs (hexadecimal) that the index leads to. BadArchive (damage)."""
        blobs: set[str] = set()
        chains: set[str] = set()
        for entry in self.index().manifests:
            blobs.add(oci.hex_of(entry.digest))
            try:
                manifest = oci.decode(self.document(entry.digest), oci.Manifest, entry.digest)
                blobs.update(oci.hex_of(d.digest) for d in (manifest.config, *manifest.layers))
                file = oci.decode(self.document(manifest.config.digest), oci.ImageFile, "config")
                chains.update(oci.hex_of(c) for c in oci.chain_ids(file.rootfs.diff_ids))
            except FileNotFoundError:
                continue
        return blobs, chains

    @contextlib.contextmanager
    def _locked(self, name: str, operation: int) -> Iterator[int]:
        fd = os.open(self.images / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, operation)
            yield fd
        finally:
            os.close(fd)


def _rename_new(source: Path, target: Path) -> None:
    """Rename a directory; when somebody else was faster, theirs is as good."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise MechanismFailed.from_oserror(f"publish the snapshot {target}", error) from error
