"""The local image store: what the rest of podrun asks of images.

Finding is ``podrun.image.catalog``; here is how images come in, become root file systems, and go.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from podrun.errors import Conflict, MechanismFailed, NotFound, PodrunError, UsageError
from podrun.image import host, naming, oci, platform
from podrun.image.catalog import Catalog
from podrun.image.layers import LayerIntake, cut_at_opaque_root
from podrun.image.source import opened
from podrun.image.staging import Staging
from podrun.image.streams import Readable
from podrun.image.types import (
    BadArchive,
    Image,
    ImageConfig,
    Progress,
    Usage,
    no_progress,
)
from podrun.registry.name import Reference, parse


class Removed(msgspec.Struct):
    """What ``remove`` and ``prune`` did; ``freed`` is in bytes of blobs."""

    untagged: list[str] = []
    deleted: list[str] = []
    freed: int = 0


class ImageStore(Catalog):
    """Writers stage, then publish (podrun.image.layout)."""

    # Root file systems ────────────────────────────────────────────────────────────────────────

    def lowers(self, image: Image) -> Sequence[Path]:
        """The unpacked layers, topmost first, for overlayfs; what is missing is unpacked now."""
        if image.host:
            return [host.ROOT]
        paths = [self.layout.snapshot(chain) for chain in reversed(image.layers)]
        if not all(path.exists() for path in paths):
            with naming_errors(f"unpack image {image.name or image.id}"):
                self._unpack(image)
        return cut_at_opaque_root(paths)

    def _unpack(self, image: Image) -> None:
        with self.layout.staging() as staging:
            intake = LayerIntake(self.layout, staging, self._limits)
            layers = self._manifest(image.manifest).layers
            for descriptor, diff_id in zip(
                layers, self._file(image.id).rootfs.diff_ids, strict=True
            ):
                if not intake.skip(descriptor, diff_id):
                    with open(self.layout.blob_path(descriptor.digest), "rb") as blob:
                        intake.add(blob, _quiet, digest=descriptor.digest, diff_id=diff_id)
            self.layout.commit(staging, lambda index: index)

    # Adding ───────────────────────────────────────────────────────────────────────────────────

    def import_rootfs(
        self,
        source: Path | Readable,
        name: str,
        config: ImageConfig = ImageConfig(),  # noqa: B008 - frozen
        progress: Progress = no_progress,
    ) -> Image:
        """Make an image of one layer out of a root file system: a tar, a stream of one, or a
        directory. A name that is taken moves to the new image."""
        reference = _own_name(name)
        with naming_errors(f"import {reference}"), contextlib.ExitStack() as stack:
            stream, total = stack.enter_context(opened(source))
            staging = stack.enter_context(self.layout.staging())
            intake = LayerIntake(self.layout, staging, self._limits)
            intake.add(stream, lambda n: progress(str(reference), n, total), need_end=True)
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            file = oci.ImageFile(
                architecture=platform.this().architecture,
                os="linux",
                rootfs=oci.RootFsIds(tuple(intake.diff_ids)),
                config=oci.run_config(config),
                created=created,
                history=(oci.History(created=created, created_by="podrun image import"),),
            )
            manifest = intake.add_manifest(oci.encode(file))
            self.publish(staging, manifest, [str(reference)])
        return self._image(manifest, str(reference))

    def load(
        self, source: Path | Readable, name: str = "", progress: Progress = no_progress
    ) -> Sequence[Image]:
        """Take in the images of an OCI layout or docker-archive (directory, tar or stream).

        ``name`` renames an archive's only image. One bad image, and none is taken in. BadArchive.
        """
        from podrun.image.load import load

        what = f"load {source if isinstance(source, Path) else 'the archive'}"
        chosen = str(_own_name(name)) if name else ""
        with naming_errors(what), self.layout.staging() as staging:
            loaded = load(self.layout, staging, self._limits, source, chosen, progress)
            self.publish_all(staging, loaded)
        return [self._image(entry, one) for entry, names in loaded for one in names or [""]]

    def save(self, refs: Sequence[str], target: BinaryIO) -> None:
        """Write the images as one OCI archive, which `docker load` reads as well."""
        from podrun.image.save import save

        images = [self.resolve(ref) for ref in refs]
        if any(image.host for image in images):
            raise UsageError(f"{host.NAME} is the host itself: it cannot be saved")
        with naming_errors("save the archive"):
            save(self.layout, images, target)

    def publish(self, staging: Staging, manifest: oci.Descriptor, names: Sequence[str]) -> None:
        """Commit what is staged, ``manifest`` under ``names`` (none: nameless)."""
        self.publish_all(staging, [(manifest, names)])

    def publish_all(
        self, staging: Staging, images: Sequence[tuple[oci.Descriptor, Sequence[str]]]
    ) -> None:
        def change(index: oci.Index) -> oci.Index:
            for manifest, names in images:
                for name in names or [""]:
                    index = naming.named(manifest, name)(index)
            return index

        self.layout.commit(staging, change)

    def tag(self, ref: str, name: str) -> Image:
        """Give the image one more name; a name that is taken moves."""
        image, reference = self.resolve(ref), _own_name(name)
        if image.host:
            raise UsageError(f"{host.NAME} is the host itself and keeps its one name")
        entries = self.layout.index().manifests
        entry = next(e for e in entries if e.digest == image.manifest)
        entry = msgspec.structs.replace(entry, annotations=None)
        self.layout.change_index(naming.named(entry, str(reference)))
        return msgspec.structs.replace(image, name=str(reference))

    # Removing ─────────────────────────────────────────────────────────────────────────────────

    def remove(self, ref: str, usage: Usage = dict, *, force: bool = False) -> Removed:
        """Remove a name, and with its last name the image; with an ID, all its names.

        Conflict when a pod uses it, or an ID has several names. ``force``: the names go, and what
        a pod uses stays nameless until ``prune`` finds it unused.
        """
        try:
            image = self.resolve(ref)
        except BadArchive:
            return self._remove_damaged(ref, usage, force=force)
        if image.host:
            raise UsageError(f"{host.NAME} is the host itself: it cannot be removed")
        names = [e.name for e in self.layout.index().manifests if e.digest == image.manifest]
        going = [image.name] if image.name in map(str, self._meaning(ref)) else names
        if len(going) > 1 and not force:
            raise Conflict(
                f"image {image.id[7:19]} has {len(going)} names: {', '.join(going)}",
                hint="remove them one by one, or use --force",
            )
        users = usage().get(image.id, ()) if len(going) == len(names) else ()
        if users and not force:
            raise Conflict(
                f"image {image.name or image.id} is used by {', '.join(users)}",
                hint="delete what uses it first, or use --force",
            )
        for name in going:
            self.layout.change_index(naming.without_name(name, keep_nameless=bool(users)))
        freed = self.layout.sweep() or 0
        deleted = [image.id] if len(going) == len(names) and not users else []
        return Removed([name for name in going if name], deleted, freed)

    def _remove_damaged(self, ref: str, usage: Usage, *, force: bool) -> Removed:
        """By its name, which is all that is left of it. Raises as ``remove`` does, BadArchive."""
        index, wanted = self.layout.index(), self._meaning(ref)
        entry = next((e for r in wanted if (e := naming.find(index, r)) and e.name), None)
        if entry is None:
            self.resolve(ref)
            raise NotFound(f"image {ref} has just been removed")
        users = self._users_of_damaged(usage())
        if users and not force:
            raise Conflict(
                f"image {entry.name} is damaged, and may be what {', '.join(users)} uses",
                hint="delete what uses it first, or use --force",
            )
        self.layout.change_index(naming.without_name(entry.name, keep_nameless=bool(users)))
        return Removed([entry.name], [], self.layout.sweep() or 0)

    def _users_of_damaged(self, usage: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Who uses an image that cannot be read: not to be swept below them."""
        if not self._damaged():
            return []
        whole = {image.id for image in self.list()}
        return sorted(
            {user for each, users in usage.items() if each not in whole for user in users}
        )

    def _damaged(self) -> set[str]:
        """Manifests of the index that cannot be read any more."""
        found = set()
        for entry in self.layout.index().manifests:
            try:
                self._image(entry, "")
            except BadArchive:
                found.add(entry.digest)
            except NotFound:
                continue
        return found

    def prune(self, usage: Usage = dict, *, all_unused: bool = False) -> Removed:
        """Remove nameless images no pod uses (``all_unused``: named ones, too) and leftovers."""
        used: Mapping[str, Sequence[str]] = usage()
        unused = [i for i in self.list() if not i.host and i.id not in used]
        going = [i for i in unused if all_unused or not i.name]
        if going:
            self.layout.change_index(
                naming.without_manifests({i.manifest for i in going}, only_nameless=not all_unused)
            )
        self.layout.prepare()
        if not self._users_of_damaged(used):
            self.layout.change_index(naming.without_manifests(self._damaged(), only_nameless=True))
        freed = self.layout.sweep(partial_seconds=0) or 0
        return Removed([i.name for i in going if i.name], sorted({i.id for i in going}), freed)


def _own_name(name: str) -> Reference:
    reference = parse(name)
    if host.is_host(reference):
        raise UsageError(f"{host.NAME} is the host's own root file system; take another name")
    if reference.digest:
        raise UsageError(f"{name}: a digest is found out, it cannot be given")
    return reference


def _quiet(done: int) -> None:
    pass


@contextlib.contextmanager
def naming_errors(what: str) -> Iterator[None]:
    """Errors of the kernel and of archives, with what was being done in front."""
    try:
        yield
    except MechanismFailed:
        raise
    except PodrunError as error:
        error.message = f"{what}: {error.message}"
        error.args = (error.message,)
        raise
    except OSError as error:
        hint = "the disk is full" if error.errno == 28 else ""
        raise MechanismFailed.from_oserror(what, error, hint=hint) from error
