"""Images out of archives that others have written: OCI layouts, and what `docker save` makes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from podrun.image import archive, host, manifest, oci, platform
from podrun.image.archive import Archive, DockerEntry
from podrun.image.layers import LayerIntake
from podrun.image.layout import Layout
from podrun.image.staging import Staging
from podrun.image.streams import Readable
from podrun.image.types import BadArchive, Limits, Progress
from podrun.registry.name import parse

_CONTAINERD_NAME = "io.containerd.image.name"
_INDEXES_MAX = 4  # how deep an index may lead to an index

Loaded = list[tuple[oci.Descriptor, Sequence[str]]]


def load(
    layout: Layout,
    staging: Staging,
    limits: Limits,
    source: Path | Readable,
    name: str,
    progress: Progress,
) -> Loaded:
    """Stage every image of the archive: its manifest and the names it is to have. BadArchive."""
    spool, path = staging.new_file("w+b")
    with contextlib.closing(spool), archive.opened(source, spool) as content:
        path.unlink()
        stem = source.name.split(".")[0].lower() if isinstance(source, Path) else ""
        loader = _Loader(layout, staging, limits, content, progress)
        loaded = loader.load(stem)
    if name and len(loaded) != 1:
        raise BadArchive(f"the archive has {len(loaded)} images: a name can be given to one only")
    return [(manifest, [name] if name else names) for manifest, names in loaded]


class _Loader:
    def __init__(
        self,
        layout: Layout,
        staging: Staging,
        limits: Limits,
        content: Archive,
        progress: Progress,
    ) -> None:
        self._layout = layout
        self._staging = staging
        self._limits = limits
        self._archive = content
        self._progress = progress

    def load(self, stem: str) -> Loaded:
        if self._archive.size("index.json") is not None:
            entries = archive.oci_entries(self._archive, self._limits.document_bytes)
            return [(self._oci(entry), _oci_names(entry, stem)) for entry in entries]
        if self._archive.size("manifest.json") is None:
            raise BadArchive(
                "this is neither an OCI layout (index.json) nor a docker archive (manifest.json)",
                hint="a plain root file system is taken in by `podrun image import`",
            )
        data = archive.document(self._archive, "manifest.json", self._limits.document_bytes)
        docker = oci.decode(data, list[DockerEntry], "manifest.json")
        return [(self._docker(entry), _docker_names(entry)) for entry in docker]

    # OCI ──────────────────────────────────────────────────────────────────────────────────────

    def _oci(self, entry: oci.Descriptor) -> oci.Descriptor:
        for _ in range(_INDEXES_MAX):
            what = f"the document {entry.digest[:19]}"
            data = archive.blob(self._archive, entry, self._limits.document_bytes)
            kind, media_type = manifest.kind_of(data, entry.media_type, what)
            if kind == "manifest":
                return self._manifest(data, media_type)
            index = oci.decode(data, oci.Index, what)
            entry = platform.choose(index, platform.this(), f"the list {entry.digest[:19]}")
        raise BadArchive(f"more than {_INDEXES_MAX} indexes lead to each other")

    def _manifest(self, data: bytes, media_type: str) -> oci.Descriptor:
        """The manifest is kept as it is, byte for byte: its digest is a name of the image."""
        found = manifest.manifest(data, self._limits, "the manifest")
        config = archive.blob(self._archive, found.config, self._limits.document_bytes)
        file = manifest.file(config, found)
        intake = self._intake()
        for layer, diff_id in zip(found.layers, file.rootfs.diff_ids, strict=True):
            if not intake.skip(layer, diff_id):
                self._add(intake, archive.blob_name(layer.digest), layer.digest, diff_id)
        self._staging.add_document(config, found.config.media_type)
        return self._staging.add_document(data, media_type)

    # docker ───────────────────────────────────────────────────────────────────────────────────

    def _docker(self, entry: DockerEntry) -> oci.Descriptor:
        config = archive.document(self._archive, entry.config, self._limits.document_bytes)
        file = oci.decode(config, oci.ImageFile, entry.config)
        manifest.number_of_layers(len(entry.layers), self._limits, "the archive's image")
        manifest.same_number(len(entry.layers), file)
        intake = self._intake()
        for name, diff_id in zip(entry.layers, file.rootfs.diff_ids, strict=True):
            size = self._archive.size(name) or 0
            if not intake.skip(oci.Descriptor(oci.LAYER, diff_id, size), diff_id):
                self._add(intake, name, "", diff_id)
        return intake.add_manifest(config)

    def _intake(self) -> LayerIntake:
        return LayerIntake(self._layout, self._staging, self._limits)

    def _add(self, intake: LayerIntake, name: str, digest: str, diff_id: str) -> None:
        total = self._archive.size(name) or 0
        with self._archive.open(name) as stream:
            try:
                intake.add(
                    stream,
                    lambda done: self._progress(diff_id[7:19], done, total),
                    digest=digest,
                    diff_id=diff_id,
                )
            except BadArchive as error:
                raise BadArchive(f"layer {diff_id[7:19]}: {error.message}") from None


def _oci_names(entry: oci.Descriptor, stem: str) -> list[str]:
    """The names an entry gives itself; a bare tag goes with the archive's own file name."""
    annotations = entry.annotations or {}
    if name := annotations.get(_CONTAINERD_NAME):
        return [_checked(name)]
    if not entry.name:
        return []
    if any(mark in entry.name for mark in "/:"):
        return [_checked(entry.name)]
    return [_checked(f"localhost/{stem or 'loaded'}:{entry.name}")]


def _docker_names(entry: DockerEntry) -> list[str]:
    return [_checked(tag) for tag in entry.repo_tags or ()]


def _checked(name: str) -> str:
    reference = parse(name)
    if host.is_host(reference):
        raise BadArchive(f"the archive calls its image {host.NAME}, which is the host itself")
    return str(msgspec.structs.replace(reference, digest="") if reference.tag else reference)
