"""Send an image of the store to a registry: what it has not yet, then the manifest, byte for byte.

has it? ──yes──► exists
   │ no
mount from a repository of the same registry that has it ──201──► exists
   │ 202: an upload is open                     (distribution-spec, "Mounting a blob")
   ▼
upload ─► done        … all layers, the configuration ─► manifest, which gives it its name
"""

from __future__ import annotations

import contextlib

from podrun.errors import UsageError
from podrun.image import host, manifest, oci
from podrun.image.progress import LayerProgress, PullProgress, State, no_progress
from podrun.image.store import ImageStore, naming_errors
from podrun.image.types import Image
from podrun.node.config import Config
from podrun.registry.client import Repository
from podrun.registry.config import Registries
from podrun.registry.name import Reference, parse
from podrun.registry.types import Keyring, RegistryError


def push(
    store: ImageStore,
    config: Config,
    image: str,
    destination: str,
    keyring: Keyring,
    tell: PullProgress = no_progress,
) -> str:
    """Gives the digest ``image`` has at its registry, which is the one it has here.

    ``destination`` "" is the image's own name. Raises UsageError, NotFound, RegistryError.
    """
    found = store.resolve(image)
    if found.host:
        raise UsageError(f"{host.NAME} is the host itself: it cannot be pushed")
    reference = _destination(found, destination)
    with naming_errors(f"push {reference}"):
        endpoint = Registries.load(config).push_endpoint(reference)
        with Repository(endpoint, keyring, certs_dirs=config.certs_dirs, push=True) as repository:
            _Push(store, found, reference, repository, tell).run(config)
    return found.manifest


def _destination(image: Image, destination: str) -> Reference:
    if not destination and not image.name:
        raise UsageError(
            f"image {image.id[7:19]} has no name", hint="say where to push it to, or tag it first"
        )
    reference = parse(destination or image.name)
    if reference.digest and reference.digest != image.manifest:
        raise UsageError(
            f"{reference} names another digest than the image has, {image.manifest}",
            hint="push it to a tag",
        )
    return reference


class _Push:
    def __init__(
        self,
        store: ImageStore,
        image: Image,
        reference: Reference,
        repository: Repository,
        tell: PullProgress,
    ) -> None:
        self._store = store
        self._image = image
        self._reference = reference
        self._repository = repository
        self._tell = tell

    def run(self, config: Config) -> None:
        data = self._store.layout.document(self._image.manifest)
        what = f"the manifest {self._image.manifest[:19]}"
        _, media_type = manifest.kind_of(data, "", what)
        document = manifest.manifest(data, config.image_limits, what)
        for layer in dict.fromkeys(document.layers):
            self._send(layer, self._tell)
        self._send(document.config, no_progress)
        name = self._reference.tag or self._reference.digest
        self._repository.put_manifest(name, media_type, data)

    def _send(self, blob: oci.Descriptor, tell: PullProgress) -> None:
        def say(state: State, done: int) -> None:
            tell(LayerProgress(blob.digest, state, done, blob.size))

        if self._there(blob):
            say("exists", blob.size)
            return
        say("uploading", 0)
        with open(self._store.layout.blob_path(blob.digest), "rb") as file:
            self._repository.upload(
                blob.digest, blob.size, file, lambda sent: say("uploading", sent)
            )
        say("done", blob.size)

    def _there(self, blob: oci.Descriptor) -> bool:
        if self._repository.has_blob(blob.digest):
            return True
        for path in self._relatives(blob):
            with contextlib.suppress(RegistryError):  # no right to read there: it is sent
                return self._repository.mount(blob.digest, path)
        return False

    def _relatives(self, blob: oci.Descriptor) -> list[str]:
        """Repositories of the same registry that have the blob, as far as this store knows."""
        found = []
        for name, manifest_ in self._store.manifests():
            other = parse(name)
            if other.domain == self._reference.domain and other.path != self._reference.path:
                found += [other.path] if blob.digest in {b.digest for b in manifest_.layers} else []
        return found
