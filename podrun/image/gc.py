"""What garbage collection needs of the store: what is in it, since when, last used when.

    images/.used/<hex of the image ID>   empty; its time is when a pod last used the image

A crash of the machine loses times at the most, and what has none counts as never used: nothing is
synced or locked here. Removal goes the store's own way (``Layout.change_index``, ``sweep``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from podrun.errors import PodrunError
from podrun.image import naming, oci
from podrun.image.layout import Layout
from podrun.image.store import ImageStore
from podrun.linux.diskuse import bytes_of

_BLOB, _SNAPSHOT = "blob:", "snapshot:"


class Kept(msgspec.Struct, frozen=True):
    """One image ID; ``parts`` name its blobs and unpacked layers, times are seconds."""

    id: str
    names: tuple[str, ...]
    manifests: tuple[str, ...]
    parts: frozenset[str]
    detected_at: float
    last_used: float


def inventory(store: ImageStore) -> list[Kept]:
    """Every image but localhost/host, which has no files of its own."""
    found: dict[str, Kept] = {}
    for entry in store.layout.index().manifests:
        with contextlib.suppress(FileNotFoundError):  # removed since the index was read
            kept = _kept(store.layout, entry)
            found[kept.id] = _joined(found[kept.id], kept) if kept.id in found else kept
    return list(found.values())


def _kept(layout: Layout, entry: oci.Descriptor) -> Kept:
    manifest = oci.decode(layout.document(entry.digest), oci.Manifest, entry.digest)
    digest = manifest.config.digest
    file = oci.decode(layout.document(digest), oci.ImageFile, digest)
    blobs = (entry, manifest.config, *manifest.layers)
    parts = {f"{_BLOB}{blob.digest}" for blob in blobs}
    parts |= {f"{_SNAPSHOT}{chain}" for chain in oci.chain_ids(file.rootfs.diff_ids)}
    return Kept(
        id=digest,
        names=(entry.name,) if entry.name else (),
        manifests=(entry.digest,),
        parts=frozenset(parts),
        detected_at=layout.blob_path(digest).stat().st_mtime,
        last_used=_time(_record(layout, digest)),
    )


def _joined(one: Kept, other: Kept) -> Kept:
    return msgspec.structs.replace(
        one,
        names=one.names + other.names,
        manifests=one.manifests + other.manifests,
        parts=one.parts | other.parts,
    )


def sizes(layout: Layout, parts: Iterable[str]) -> dict[str, int]:
    """Bytes of disk of each; what is not there has none."""
    return {part: bytes_of([path_of(layout, part)]) for part in parts}


def path_of(layout: Layout, part: str) -> Path:
    """Where one of ``Kept.parts`` is."""
    if part.startswith(_BLOB):
        return layout.blob_path(part.removeprefix(_BLOB))
    return layout.snapshot(part.removeprefix(_SNAPSHOT)).parent


def ids_of(store: ImageStore, names: Iterable[str]) -> set[str]:
    """What pods call their images, by ID; names that lead to none are left out."""
    found = set()
    for name in names:
        with contextlib.suppress(PodrunError):
            found.add(store.resolve(name).id)
    return found


# Last used ───────────────────────────────────────────────────────────────────────────────────────


def remember_use(layout: Layout, ids: Iterable[str]) -> None:
    """They are used now; what is no image of the store is left out. OSError (a full disk)."""
    for image_id in ids:
        if layout.blob_path(image_id).exists():
            record = _record(layout, image_id)
            record.parent.mkdir(mode=0o700, exist_ok=True)
            os.close(os.open(record, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            os.utime(record)


def forget_unknown(layout: Layout) -> None:
    """Records of images that were removed another way."""
    with contextlib.suppress(FileNotFoundError):
        for record in (layout.images / ".used").iterdir():
            if not (layout.blobs / record.name).exists():
                record.unlink(missing_ok=True)


def _record(layout: Layout, image_id: str) -> Path:
    return layout.images / ".used" / oci.hex_of(image_id)


def _time(record: Path) -> float:
    try:
        return record.stat().st_mtime
    except FileNotFoundError:
        return 0.0


# Removing ────────────────────────────────────────────────────────────────────────────────────────


def remove(layout: Layout, images: Collection[Kept]) -> bool:
    """With all their names. False: somebody is bringing an image in, and their files stay yet."""
    manifests = {digest for image in images for digest in image.manifests}
    layout.change_index(naming.without_manifests(manifests))
    swept = layout.sweep() is not None
    forget_unknown(layout)
    return swept
