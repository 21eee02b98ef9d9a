"""What the local store has: images by name, by digest, by ID. Readers take no lock.

An image of the store is a manifest of its index; its ID is the digest of its configuration.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from podrun.errors import Conflict, NotFound, UsageError
from podrun.image import host, naming, oci, platform
from podrun.image.layout import Layout
from podrun.image.types import DEFAULT_LIMITS, BadArchive, Image, Limits
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.registry.name import Reference, candidates, image_id_prefix

_Self = TypeVar("_Self", bound="Catalog")


class Catalog:
    """``meaning`` gives what a name may mean here, the likeliest first."""

    def __init__(
        self,
        paths: Paths,
        limits: Limits = DEFAULT_LIMITS,
        meaning: Callable[[str], Sequence[Reference]] = candidates,
    ) -> None:
        self.layout = Layout(paths.images, paths.snapshots, limits.document_bytes)
        self._limits = limits
        self._meaning = meaning

    @classmethod
    def of(cls: type[_Self], config: Config) -> _Self:
        """With the node's limits; short names mean what registries.conf says, too."""
        return cls(Paths(config), config.image_limits, functools.partial(_meaning, config))

    def resolve(self, ref: str) -> Image:
        """The local image ``ref`` means: a reference, or a (short) image ID.

        Raises UsageError (reason InvalidImageName), NotFound (reason ErrImageNeverPull).
        """
        wanted = self._meaning(ref)
        if host.is_host(wanted[0]):
            return host.image()
        index = self.layout.index()
        for reference in wanted:
            if entry := naming.find(index, reference):
                return self._image(entry, entry.name)
        if (prefix := image_id_prefix(ref)) and (found := self._by_id(index, prefix)):
            return found
        raise NotFound(
            f"image {wanted[0]} is not in the local store",
            hint=f"`podrun image pull {ref}` fetches it; `podrun image ls` shows what is there",
            reason="ErrImageNeverPull",
        )

    def list(self) -> list[Image]:
        """Every image, one for each name; those without one have the name "". Damaged ones are left
        out: ``resolve`` says so."""
        images = [host.image()]
        for entry in self.layout.index().manifests:
            with contextlib.suppress(NotFound, BadArchive):  # removed since the index was read
                images.append(self._image(entry, entry.name))
        return images

    def entry(self, name: str) -> oci.Descriptor | None:
        """What the index has under exactly this name."""
        return next((e for e in self.layout.index().manifests if e.name == name), None)

    def manifests(self) -> Iterator[tuple[str, oci.Manifest]]:
        """Every name with the manifest it means."""
        for entry in self.layout.index().manifests:
            with contextlib.suppress(FileNotFoundError, BadArchive):
                if entry.name:
                    yield entry.name, self._manifest(entry.digest)

    def whole(self, entry: oci.Descriptor, wanted: oci.Platform) -> Image | None:
        """The image when it is for ``wanted`` and nothing of it is missing, blobs and layers."""
        try:
            image = self._image(entry, entry.name)
            manifest, file = self._manifest(entry.digest), self._file(image.id)
        except (NotFound, BadArchive):
            return None
        meant = entry.digest == entry.source or platform.of_file(file) == wanted
        there = all(self.layout.has_blob(layer) for layer in manifest.layers)
        unpacked = all(self.layout.snapshot(chain).exists() for chain in image.layers)
        return image if meant and there and unpacked and platform.runs_on(file, wanted) else None

    def inspect(self, ref: str) -> tuple[Image, oci.ImageFile | None]:
        """The image and its configuration document (None for localhost/host)."""
        image = self.resolve(ref)
        return image, None if image.host else self._file(image.id)

    def _by_id(self, index: oci.Index, prefix: str) -> Image | None:
        images = [self._image(entry, entry.name) for entry in index.manifests]
        found = {i.id: i for i in [host.image(), *images] if i.id[7:].startswith(prefix)}
        if len(found) > 1:
            raise Conflict(f"{prefix} is the beginning of {len(found)} image IDs")
        return next(iter(found.values()), None)

    def _image(self, entry: oci.Descriptor, name: str) -> Image:
        try:
            manifest = self._manifest(entry.digest)
            file = self._file(manifest.config.digest)
        except FileNotFoundError:
            raise NotFound(
                f"image {name or entry.digest} has just been removed", reason="ErrImageNeverPull"
            ) from None
        return Image(
            name=name,
            id=manifest.config.digest,
            config=oci.image_config(file.config),
            layers=oci.chain_ids(file.rootfs.diff_ids),
            manifest=entry.digest,
            created=file.created or "",
            size=sum(d.size for d in (entry, manifest.config, *manifest.layers)),
            architecture=file.architecture,
            os=file.os,
        )

    def _manifest(self, digest: str) -> oci.Manifest:
        return oci.decode(self.layout.document(digest), oci.Manifest, f"the manifest {digest}")

    def _file(self, digest: str) -> oci.ImageFile:
        return oci.decode(self.layout.document(digest), oci.ImageFile, f"the config {digest}")


def _meaning(config: Config, text: str) -> Sequence[Reference]:
    """Also what a pull of ``text`` would have been stored as."""
    from podrun.registry.config import Registries

    local = candidates(text)
    if len(local) == 1:
        return local
    try:
        remote = Registries.load(config).references(text)
    except UsageError:  # broken, or nobody may guess: a pull says so
        remote = ()
    return list(dict.fromkeys((*remote, *local)))
