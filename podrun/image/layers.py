"""One layer's way in: blob, both digests and the unpacked tree, in one pass over its bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from podrun.image import lower, oci
from podrun.image.layout import Layout
from podrun.image.staging import Staging
from podrun.image.streams import CHUNK, Intake, Readable, plain, sniff
from podrun.image.types import BadArchive, Limits
from podrun.image.unpack import unpack
from podrun.linux.trees import remove_tree

_SUFFIX = {"": "", "gzip": "+gzip", "zstd": "+zstd"}  # the compressions OCI has names for


def cut_at_opaque_root(lowers: list[Path]) -> list[Path]:
    """``lowers`` (topmost first) down to one that hides all below: overlayfs itself ignores
    the opaque mark on a layer's root."""
    for position, path in enumerate(lowers):
        if lower.is_opaque(path):
            return lowers[: position + 1]
    return lowers


class Taken(msgspec.Struct):
    """What one layer turned out to be; ``kind`` is its compression, "" without."""

    kind: str
    digest: str
    size: int
    diff_id: str
    entries: int


def take_in(
    source: Readable,
    root: Path,
    lowers: Sequence[Path],
    limits: Limits,
    *,
    sink: BinaryIO | None = None,
    as_is: bool = True,
    tell: Callable[[int], None] | None = None,
    need_end: bool = False,
) -> Taken:
    """Unpack one layer into the empty directory ``root``; its bytes also go to ``sink``.

    ``as_is``: in the form they came in; else what OCI has no name for (xz, bzip2) goes there
    decompressed, and digest and size are those of that. BadArchive, MechanismFailed.
    """
    source, kind = sniff(source)
    keep = as_is or kind in _SUFFIX
    outer = Intake(source, limits.bytes, sink if keep else None, tell)
    inner = Intake(plain(outer, kind, limits), limits.bytes, None if keep else sink)
    content: Intake = inner if kind else outer
    entries = unpack(content, root, lowers, limits, need_end=need_end)
    while outer.read(CHUNK):
        pass
    blob = outer if keep else inner
    return Taken(kind if keep else "", blob.digest, blob.size, content.digest, entries)


class LayerIntake:
    """Adds layers to ``staging``, each on those before it; what is in already is not doubled."""

    def __init__(self, layout: Layout, staging: Staging, limits: Limits) -> None:
        self._layout = layout
        self._staging = staging
        self._limits = limits
        self.descriptors: list[oci.Descriptor] = []
        self.diff_ids: list[str] = []
        self.entries = 0

    @property
    def chains(self) -> tuple[str, ...]:
        return oci.chain_ids(tuple(self.diff_ids))

    def lowers(self) -> list[Path]:
        """The trees of the layers so far, topmost first."""
        return cut_at_opaque_root([self._tree(chain) for chain in reversed(self.chains)])

    def add(
        self,
        source: Readable,
        tell: Callable[[int], None],
        *,
        digest: str = "",
        diff_id: str = "",
        need_end: bool = False,
    ) -> None:
        """Take in one layer. BadArchive when it is not what ``digest`` or ``diff_id`` promised."""
        tree = self._staging.new_tree()
        file, path = self._staging.new_file()
        with file:
            taken = take_in(
                source,
                tree / "fs",
                self.lowers(),
                self._limits,
                sink=file,
                as_is=bool(digest),
                tell=tell,
                need_end=need_end,
            )
        check_digest("the layer's digest", taken.digest, digest)
        check_digest("the layer's diff ID", taken.diff_id, diff_id)
        media_type = oci.LAYER + _SUFFIX.get(taken.kind, "")
        self.entries += taken.entries
        self.descriptors.append(oci.Descriptor(media_type, taken.digest, taken.size))
        self.diff_ids.append(taken.diff_id)
        self._keep(path, tree)

    def skip(self, descriptor: oci.Descriptor, diff_id: str) -> bool:
        """Take over a layer whose blob and tree are both in the store already."""
        chain = oci.chain_ids((*self.diff_ids, diff_id))[-1]
        known = chain in self._staging.trees or self._layout.snapshot(chain).exists()
        stored = descriptor.digest in self._staging.blobs or self._layout.has_blob(descriptor)
        if known and stored:
            self.descriptors.append(descriptor)
            self.diff_ids.append(diff_id)
        return known and stored

    def add_manifest(self, config: bytes) -> oci.Descriptor:
        """Stage the image's configuration document and a manifest for the layers taken in."""
        document = oci.Manifest(
            config=self._staging.add_document(config, oci.CONFIG), layers=tuple(self.descriptors)
        )
        return self._staging.add_document(oci.encode(document), oci.MANIFEST)

    def _keep(self, blob: Path, tree: Path) -> None:
        chain, digest = self.chains[-1], self.descriptors[-1].digest
        if chain in self._staging.trees or self._layout.snapshot(chain).exists():
            remove_tree(tree)
        else:
            self._staging.trees[chain] = tree
        self._staging.blobs[digest] = blob

    def _tree(self, chain: str) -> Path:
        staged = self._staging.trees.get(chain)
        return staged / "fs" if staged else self._layout.snapshot(chain)


def check_digest(what: str, found: str, promised: str) -> None:
    """BadArchive when ``found`` is not what was ``promised`` ("": nothing was)."""
    if promised and found != promised:
        raise BadArchive(
            f"{what} is {found}, but {promised} was promised: the archive is damaged or truncated"
        )
