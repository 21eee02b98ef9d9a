"""Write images as one OCI archive, with docker's manifest.json beside the index."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any, BinaryIO

import msgspec

from podrun.image import oci
from podrun.image.archive import blob_name
from podrun.image.layout import Layout
from podrun.image.tarread import BLOCK, REGULAR, Entry
from podrun.image.tarwrite import END, header
from podrun.image.types import Image


def save(layout: Layout, images: Sequence[Image], target: BinaryIO) -> None:
    """Write the tar to ``target``, which need not be seekable. OSError."""
    entries: list[oci.Descriptor] = []
    docker: list[dict[str, Any]] = []
    blobs: dict[str, None] = {}
    for image in images:
        manifest = oci.decode(layout.document(image.manifest), oci.Manifest, image.manifest)
        size = layout.blob_path(image.manifest).stat().st_size
        names = {oci.REF_NAME: image.name} if image.name else None
        entries.append(oci.Descriptor(manifest.media_type, image.manifest, size, names))
        blobs |= dict.fromkeys([image.manifest, manifest.config.digest])
        blobs |= dict.fromkeys(layer.digest for layer in manifest.layers)
        docker.append(
            {
                "Config": blob_name(manifest.config.digest),
                "RepoTags": [image.name] if image.name else None,
                "Layers": [blob_name(layer.digest) for layer in manifest.layers],
            }
        )
    _add(target, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    _add(target, "index.json", oci.encode(oci.Index(tuple(entries))))
    _add(target, "manifest.json", msgspec.json.encode(docker))
    for digest in blobs:
        _add_blob(layout, target, digest)
    target.write(END)


def _header(name: str, size: int) -> bytes:
    entry = Entry(name.encode(), REGULAR, b"")
    entry.mode, entry.size = 0o644, size
    return header(entry)


def _add(target: BinaryIO, name: str, data: bytes) -> None:
    target.write(_header(name, len(data)) + data + bytes(-len(data) % BLOCK))


def _add_blob(layout: Layout, target: BinaryIO, digest: str) -> None:
    with open(layout.blob_path(digest), "rb") as blob:
        size = blob.seek(0, 2)
        blob.seek(0)
        target.write(_header(blob_name(digest), size))
        shutil.copyfileobj(blob, target, 1 << 20)
        target.write(bytes(-size % BLOCK))
