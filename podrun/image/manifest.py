"""Is this document an image that can be taken in? What a stranger sends is looked at here first.

index ──► manifest ──► configuration      a document is what its mediaType says; one that could
                  └──► layers             be both a list and a manifest is refused
                                          (CVE-2021-41190), and so is schema 1
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from podrun.image import oci
from podrun.image.limits import beyond
from podrun.image.types import BadArchive, Limits

Kind = Literal["index", "manifest"]

_LISTS = (oci.INDEX, oci.DOCKER_LIST)
_MANIFESTS = (oci.MANIFEST, oci.DOCKER_MANIFEST)
#: What to ask a registry for, the newest first.
ACCEPTED = (oci.INDEX, oci.MANIFEST, oci.DOCKER_LIST, oci.DOCKER_MANIFEST)
_CONFIGS = (oci.CONFIG, oci.DOCKER_CONFIG)
_SCHEMA_1 = re.compile(r"application/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)")
_LAYER = re.compile(
    re.escape(oci.LAYER) + r"(\+gzip|\+zstd)?|" + re.escape(oci.DOCKER_LAYER) + r"(\.gzip|\.zstd)?"
)
_GENERIC = ("", "application/json", "text/plain", "application/octet-stream")


_ABSENT = msgspec.Raw(b"")


class _Outline(msgspec.Struct, rename="camel"):
    """What tells one kind of document from another."""

    schema_version: int = 0
    media_type: str = ""
    manifests: msgspec.Raw = _ABSENT
    layers: msgspec.Raw = _ABSENT
    config: msgspec.Raw = _ABSENT
    fs_layers: msgspec.Raw = _ABSENT


def kind_of(data: bytes, said: str, what: str) -> tuple[Kind, str]:
    """What the document is, and its media type; ``said`` is the sender's word. BadArchive."""
    outline = oci.decode(data, _Outline, what)
    said = said.partition(";")[0].strip().lower()
    said = "" if said in _GENERIC else said
    media_type = outline.media_type or said
    if outline.schema_version == 1 or _SCHEMA_1.fullmatch(media_type) or _has(outline.fs_layers):
        raise BadArchive(
            f"{what} is a manifest of schema 1, which is not supported",
            hint="it is obsolete since 2017: push the image again with a current tool",
        )
    if outline.media_type and said and outline.media_type != said:
        raise BadArchive(f"{what} was sent as {said}, but calls itself {outline.media_type}")
    if _has(outline.manifests) and (_has(outline.layers) or _has(outline.config)):
        raise BadArchive(f"{what} is a list and a manifest at once, which is not allowed")
    if media_type in _LISTS or (not media_type and _has(outline.manifests)):
        return "index", media_type or oci.INDEX
    if media_type in _MANIFESTS or (not media_type and _has(outline.layers)):
        return "manifest", media_type or oci.MANIFEST
    raise BadArchive(f"{what} is no image: its media type is {media_type[:100] or 'not given'}")


def _has(value: msgspec.Raw) -> bool:
    return bytes(value) not in (b"", b"null")


def manifest(data: bytes, limits: Limits, what: str) -> oci.Manifest:
    """The manifest, its layers looked at one by one. BadArchive."""
    found = oci.decode(data, oci.Manifest, what)
    if found.config.media_type not in _CONFIGS:
        raise BadArchive(
            f"{what} is no container image: its configuration is {found.config.media_type[:100]}"
        )
    number_of_layers(len(found.layers), limits, what)
    size(found.config, limits, "document_bytes", "the configuration")
    for layer in found.layers:
        _layer(layer, limits)
    return found


def number_of_layers(layers: int, limits: Limits, what: str) -> None:
    if layers > limits.layers:
        raise beyond(f"{what} has {layers} layers", limits, "layers")


def _layer(layer: oci.Descriptor, limits: Limits) -> None:
    short = oci.hex_of(layer.digest)[:12]
    media_type = layer.media_type
    if "nondistributable" in media_type or ".foreign." in media_type:
        raise BadArchive(
            f"layer {short} is foreign: its publisher does not allow registries to have it",
            hint="such layers are Windows' own; there is nothing to run here",
        )
    if not _LAYER.fullmatch(media_type):
        raise BadArchive(f"layer {short} is of the unknown type {media_type[:100]!r}")
    size(layer, limits, "bytes", f"layer {short}")


def size(descriptor: oci.Descriptor, limits: Limits, field: str, what: str) -> None:
    """BadArchive when ``what`` has more bytes than ``field`` of the limits allows."""
    oci.hex_of(descriptor.digest)
    if descriptor.size < 0:
        raise BadArchive(f"{what} has a negative size")
    if descriptor.size > getattr(limits, field):
        raise beyond(f"{what} has {descriptor.size} bytes", limits, field)


def file(data: bytes, of: oci.Manifest) -> oci.ImageFile:
    """The configuration that belongs to the manifest: as many diff IDs as layers. BadArchive."""
    found = oci.decode(data, oci.ImageFile, "the image's configuration")
    same_number(len(of.layers), found)
    return found


def same_number(layers: int, found: oci.ImageFile) -> None:
    if layers != len(found.rootfs.diff_ids):
        raise BadArchive(
            f"the image has {layers} layers, but {len(found.rootfs.diff_ids)} diff IDs"
        )
    oci.chain_ids(found.rootfs.diff_ids)
