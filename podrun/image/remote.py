"""An image at its registry: where it is had from, and the documents that say what it is.

name ──registries.conf──► references ──► endpoints: mirrors, then the registry itself
                                             │ the first that has the manifest
                    index? ──platform──► manifest ──► configuration
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from podrun.image import manifest, oci, platform
from podrun.image.fetch import all_failed
from podrun.image.layout import Layout
from podrun.image.streams import read_exactly
from podrun.image.types import BadArchive, Limits
from podrun.node.config import Config
from podrun.registry.client import Repository
from podrun.registry.config import Registries
from podrun.registry.name import Reference
from podrun.registry.types import Keyring, RegistryError

_INDEXES_MAX = 4  # how deep a list may lead to a list


class Document(msgspec.Struct, frozen=True):
    """A manifest or list: its descriptor, whether it is a list, its bytes."""

    descriptor: oci.Descriptor
    kind: manifest.Kind
    data: bytes


class RemoteImage(msgspec.Struct, frozen=True):
    """An image of which nothing but its layers is still to be fetched; all of it was checked.

    ``source`` is the digest the registry gives for the name: that of a list, perhaps.
    """

    source: str
    descriptor: oci.Descriptor
    manifest: oci.Manifest
    file: oci.ImageFile
    data: bytes
    config: bytes


class Remote:
    """One name at all the places it may be had from. ``close`` ends the connections."""

    def __init__(
        self, reference: Reference, repositories: Sequence[Repository], limits: Limits
    ) -> None:
        self.reference = reference
        self.repositories = list(repositories)
        self._limits = limits

    def close(self) -> None:
        for repository in self.repositories:
            repository.close()

    def source(self) -> str | None:
        """The digest the name leads to now, None when nobody tells without sending it all."""
        for repository in self.repositories:
            with contextlib.suppress(RegistryError):
                return repository.head_manifest(self._what)
        return None

    def find(self) -> Document:
        """What the name leads to; the place that has it is the first to be asked from now on.

        RegistryError with what each of the places said, BadArchive.
        """
        failures: list[RegistryError] = []
        for repository in list(self.repositories):
            try:
                fetched = repository.manifest(self._what, self._limits.document_bytes)
            except RegistryError as error:
                failures.append(error)
                continue
            self.repositories.remove(repository)
            self.repositories.insert(0, repository)
            return _document(fetched.data, fetched.media_type)
        raise all_failed(failures)

    def image(self, found: Document, wanted: oci.Platform, layout: Layout) -> RemoteImage:
        """The image for ``wanted``; what is in ``layout`` is not asked for.

        RegistryError, BadArchive.
        """
        source, entry = found.descriptor.digest, found.descriptor
        for _ in range(_INDEXES_MAX):
            if found.kind == "manifest":
                return self._image(source, entry, found, wanted, layout)
            what = f"the list {found.descriptor.digest[:19]}"
            entry = platform.choose(oci.decode(found.data, oci.Index, what), wanted, what)
            found = self._document(entry, layout)
        raise BadArchive(f"more than {_INDEXES_MAX} lists lead to each other")

    def _image(
        self,
        source: str,
        entry: oci.Descriptor,
        found: Document,
        wanted: oci.Platform,
        layout: Layout,
    ) -> RemoteImage:
        checked = manifest.manifest(found.data, self._limits, "the manifest")
        config = self._config(checked.config, layout)
        file = manifest.file(config, checked)
        platform.check(file, wanted)
        about = entry.platform or platform.of_file(file)
        descriptor = msgspec.structs.replace(found.descriptor, platform=about)
        return RemoteImage(source, descriptor, checked, file, found.data, config)

    def _document(self, entry: oci.Descriptor, layout: Layout) -> Document:
        manifest.size(entry, self._limits, "document_bytes", "the manifest")
        data = _stored(entry, layout)
        if data is None:
            data = self._ask(
                lambda one: one.manifest(entry.digest, self._limits.document_bytes).data
            )
        return _document(data, entry.media_type)

    def _config(self, entry: oci.Descriptor, layout: Layout) -> bytes:
        data = _stored(entry, layout)
        if data is None:
            data = self._ask(lambda one: _blob(one, entry))
        return data

    def _ask(self, question: Callable[[Repository], bytes]) -> bytes:
        failures: list[RegistryError] = []
        for repository in self.repositories:
            try:
                return question(repository)
            except RegistryError as error:
                failures.append(error)
        raise all_failed(failures)

    @property
    def _what(self) -> str:
        return self.reference.digest or self.reference.tag


@contextlib.contextmanager
def remotes(config: Config, name: str, keyring: Keyring) -> Iterator[list[Remote]]:
    """What ``name`` may mean, in the order to be tried.

    UsageError (reason InvalidImageName, or a broken registries.conf), RegistryError when blocked.
    """
    registries = Registries.load(config)
    with contextlib.ExitStack() as stack:
        found = []
        for reference in registries.references(name):
            repositories = [
                Repository(endpoint, keyring, certs_dirs=config.certs_dirs)
                for endpoint in registries.endpoints(reference)
            ]
            found.append(Remote(reference, repositories, config.image_limits))
            stack.callback(found[-1].close)
        yield found


def _document(data: bytes, said: str) -> Document:
    digest = oci.digest_of(data)
    kind, media_type = manifest.kind_of(data, said, f"the document {digest[:19]}")
    return Document(oci.Descriptor(media_type, digest, len(data)), kind, data)


def _stored(entry: oci.Descriptor, layout: Layout) -> bytes | None:
    try:
        return layout.document(entry.digest)
    except FileNotFoundError:
        return None


def _blob(repository: Repository, entry: oci.Descriptor) -> bytes:
    """A small blob, its digest checked; ``entry.size`` was."""
    with repository.blob(entry.digest, entry.size) as blob:
        data = read_exactly(blob, entry.size)
    if oci.digest_of(data) != entry.digest:
        raise RegistryError(
            f"{repository.endpoint.host} sent something else for the blob {entry.digest[:19]}"
        )
    return data
