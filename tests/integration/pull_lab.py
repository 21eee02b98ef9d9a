"""Images to order in a registry, byte for byte as a test wants them, and a store to pull to."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from podrun.image import oci, platform
from podrun.image.progress import LayerProgress, no_progress
from podrun.image.pull import PullProgress, pull
from podrun.image.store import ImageStore
from podrun.image.types import Image
from podrun.node.config import Config
from podrun.registry.client import Repository
from podrun.registry.types import Endpoint, NoKeyring
from tests.integration import image_lab as lab
from tests.registry import Registry

Members = Sequence[tuple[tarfile.TarInfo, bytes]]
GZIP = f"{oci.LAYER}+gzip"


class Pulling:
    """A store of the test's own and what a pull needs."""

    def __init__(self, root: Path, **settings: Any) -> None:
        root.mkdir(parents=True, exist_ok=True)
        settings = {"registries_conf": str(root / "registries.conf"), "certs_dirs": (), **settings}
        self.config = Config(state_root=str(root / "state"), **settings)
        self.conf = root / "registries.conf"
        self.store = ImageStore.of(self.config)
        self.progress: list[LayerProgress] = []

    def pull(self, name: str, tell: PullProgress = no_progress, *, platform: str = "") -> Image:
        def both(progress: LayerProgress) -> None:
            self.progress.append(progress)
            tell(progress)

        return pull(self.store, self.config, name, NoKeyring(), both, platform=platform)

    def trees(self, image: Image, *, times: bool = True) -> list[dict[str, tuple[object, ...]]]:
        """What every layer was unpacked to, topmost first. A directory that is not listed has the
        time at which it was made."""
        return [lab.tree(path, times=times) for path in self.store.lowers(image)]

    @property
    def partial(self) -> dict[str, int]:
        """What is left of downloads: the blob's digits and how much there is of it."""
        found = self.store.layout.partial
        sizes: dict[str, int] = {}
        for path in found.iterdir() if found.exists() else ():
            with contextlib.suppress(FileNotFoundError):  # complete by now: published
                sizes[path.name] = path.stat().st_size
        return sizes

    def is_empty(self) -> bool:
        """No image, nothing half-made; fetched blobs may wait for the next pull."""
        layout = self.store.layout
        kept = [layout.blobs, layout.snapshots, layout.images / ".staging"]
        return not layout.index().manifests and not any(
            list(path.iterdir()) for path in kept if path.exists()
        )


class Layer(msgspec.Struct):
    """``promised`` is what manifest and configuration say of it, where that is not the truth."""

    blob: bytes
    diff_id: str
    media_type: str = GZIP
    size: int = -1

    @property
    def digest(self) -> str:
        return oci.digest_of(self.blob)

    def descriptor(self) -> dict[str, Any]:
        size = self.size if self.size >= 0 else len(self.blob)
        return {"mediaType": self.media_type, "digest": self.digest, "size": size}


def gzip_layer(*members: tuple[tarfile.TarInfo, bytes]) -> Layer:
    tar = lab.tar_of(*members)
    return Layer(gzip.compress(tar, 1, mtime=0), oci.digest_of(tar))


def files(**content: bytes) -> Layer:
    """A layer of files; ``_`` in a name is a slash."""
    return gzip_layer(*(lab.member(name.replace("_", "/"), data) for name, data in content.items()))


def noise(size: int, seed: str = "") -> bytes:
    """Bytes that no compression makes smaller, always the same."""
    return hashlib.shake_128(seed.encode()).digest(size)


def config_of(layers: Sequence[Layer], **fields: Any) -> bytes:
    here = platform.this()
    whole = {
        "architecture": here.architecture, "os": "linux", "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}, **fields,
    }  # fmt: skip
    return json.dumps(whole).encode()


def manifest_of(layers: Sequence[Layer], config: bytes, **fields: Any) -> dict[str, Any]:
    about = {"mediaType": oci.CONFIG, "digest": oci.digest_of(config), "size": len(config)}
    return {
        "schemaVersion": 2, "mediaType": oci.MANIFEST, "config": about,
        "layers": [layer.descriptor() for layer in layers], **fields,
    }  # fmt: skip


def put(
    registry: Registry,
    name: str,
    layers: Sequence[Layer],
    *,
    config: bytes = b"",
    manifest: Mapping[str, Any] | None = None,
) -> str:
    """Put an image of these layers there as ``name`` (``app:v1``); the manifest's digest."""
    config = config or config_of(layers)
    return put_document(registry, name, manifest or manifest_of(layers, config), [config, *(
        layer.blob for layer in layers)])  # fmt: skip


def put_document(
    registry: Registry, name: str, document: Mapping[str, Any], blobs: Sequence[bytes] = ()
) -> str:
    repository, _, tag = name.partition(":")
    with Repository(registry.endpoint(repository), NoKeyring(), push=True) as there:
        for blob in dict.fromkeys(blobs):
            there.upload(oci.digest_of(blob), len(blob), io.BytesIO(blob), lambda sent: None)
        return there.put_manifest(tag, document["mediaType"], json.dumps(document).encode())


def index_of(*entries: tuple[str, int, str, Mapping[str, str] | None]) -> dict[str, Any]:
    """A list of (digest, size, platform "os/arch/variant" or "", annotations)."""
    found = []
    for digest, size, where, marks in entries:
        one: dict[str, Any] = {"mediaType": oci.MANIFEST, "digest": digest, "size": size}
        if where:
            keys = ("os", "architecture", "variant")
            one["platform"] = dict(zip(keys, where.split("/"), strict=False))
        if marks:
            one["annotations"] = dict(marks)
        found.append(one)
    return {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": found}


def size_of(endpoint: Endpoint, reference: str) -> int:
    with Repository(endpoint, NoKeyring()) as there:
        return len(there.manifest(reference, 1 << 20).data)


def asked(requests: Sequence[Mapping[str, Any]], method: str, part: str) -> list[str]:
    """The paths of the requests with that method and a path that has ``part``."""
    return [r["path"] for r in requests if r["method"] == method and part in r["path"]]
