"""The documents of the OCI image specification, as far as podrun reads and writes them.

Docker's schema 2 differs in media types only, so one set of types decodes both.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, TypeVar

import msgspec

from podrun.image.types import BadArchive, ImageConfig

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
REF_NAME = "org.opencontainers.image.ref.name"
SOURCE = "io.podrun.image.source"  # the digest a registry gave for the name: a list's, perhaps
REFERENCE_TYPE = "vnd.docker.reference.type"
ATTESTATION = "attestation-manifest"

T = TypeVar("T")
EMPTY: dict[str, Any] = {}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None
    platform: Platform | None = None

    @property
    def name(self) -> str:
        return (self.annotations or {}).get(REF_NAME, "")

    @property
    def source(self) -> str:
        return (self.annotations or {}).get(SOURCE, "")


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    config: Descriptor
    layers: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = MANIFEST


class Index(msgspec.Struct, frozen=True, rename="camel"):
    manifests: tuple[Descriptor, ...] = ()
    schema_version: int = 2
    media_type: str = INDEX


class RunConfig(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    user: str | None = None
    exposed_ports: dict[str, Any] | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None


class RootFsIds(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...]
    type: str = "layers"


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    created: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool = False


class ImageFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """The image's configuration document; its digest is the image ID."""

    architecture: str
    os: str
    rootfs: RootFsIds
    variant: str = ""
    config: RunConfig | None = None
    created: str | None = None
    history: tuple[History, ...] | None = None


def decode(data: bytes, kind: type[T], what: str) -> T:
    """``data`` as ``kind``; BadArchive names ``what`` it was."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadArchive(f"{what} is not valid: {error}") from None


def encode(document: msgspec.Struct) -> bytes:
    return msgspec.json.encode(document)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def hex_of(digest: str) -> str:
    """The digits of a digest: the only way one becomes a file name. BadArchive when malformed."""
    if not _DIGEST.fullmatch(digest):
        raise BadArchive(f"{digest[:90]!r} is not a sha256 digest")
    return digest[7:]


def chain_ids(diff_ids: tuple[str, ...]) -> tuple[str, ...]:
    """The chain ID of each layer on those below it (image specification, "Layer ChainID")."""
    chains: list[str] = []
    for diff_id in diff_ids:
        hex_of(diff_id)
        below = f"{chains[-1]} {diff_id}".encode() if chains else b""
        chains.append(digest_of(below) if below else diff_id)
    return tuple(chains)


def with_source(descriptor: Descriptor, source: str) -> Descriptor:
    return msgspec.structs.replace(descriptor, annotations={SOURCE: source})


def image_config(run: RunConfig | None) -> ImageConfig:
    run = run or RunConfig()
    return ImageConfig(
        entrypoint=run.entrypoint or (),
        cmd=run.cmd or (),
        env=run.env or (),
        working_dir=run.working_dir or "",
        user=run.user or "",
        stop_signal=run.stop_signal or "",
        exposed_ports=tuple(run.exposed_ports or ()),
        volumes=tuple(run.volumes or ()),
        labels=run.labels or {},
    )


def run_config(config: ImageConfig) -> RunConfig:
    """The way back: what is empty stays absent."""
    return RunConfig(
        entrypoint=config.entrypoint or None,
        cmd=config.cmd or None,
        env=config.env or None,
        working_dir=config.working_dir or None,
        user=config.user or None,
        stop_signal=config.stop_signal or None,
        exposed_ports=dict.fromkeys(config.exposed_ports, EMPTY) or None,
        volumes=dict.fromkeys(config.volumes, EMPTY) or None,
        labels=config.labels or None,
    )
