"""Bring an image from its registry into the store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from podrun.errors import PodrunError
from podrun.image import host, naming, oci
from podrun.image import platform as platforms
from podrun.image.fetch import all_failed
from podrun.image.progress import LayerProgress as LayerProgress
from podrun.image.progress import PullProgress as PullProgress
from podrun.image.progress import no_progress
from podrun.image.remote import Document, Remote, remotes
from podrun.image.store import ImageStore, naming_errors
from podrun.image.transfer import Transfer
from podrun.image.types import Image
from podrun.node.config import Config
from podrun.registry.name import parse
from podrun.registry.types import Keyring, RegistryError


def pull(
    store: ImageStore,
    config: Config,
    name: str,
    keyring: Keyring,
    tell: PullProgress = no_progress,
    *,
    platform: str = "",
) -> Image:
    """The image ``name`` means at its registry now, in the store under that name.

    ``platform`` is "os/architecture[/variant]", "" this machine. What the store has is not
    fetched again. Raises UsageError (reason InvalidImageName), and RegistryError, BadArchive or
    MechanismFailed with the reason ErrImagePull, or RegistryUnavailable when nobody could be asked;
    nothing has changed then. Must be called in a process of one thread.
    """
    if host.is_host(parse(name)):
        return host.image()
    wanted = platforms.parse(platform) if platform else platforms.this()
    with _reasons(), naming_errors(f"pull {name}"), remotes(config, name, keyring) as places:
        failures: list[RegistryError] = []
        for remote in places:
            if (image := _unchanged(store, remote, wanted)) is not None:
                return image
            try:
                found = remote.find()
            except RegistryError as error:
                failures.append(error)
                continue
            return _take_in(store, config, remote, found, wanted, tell)
        raise all_failed(failures)


def _unchanged(store: ImageStore, remote: Remote, wanted: oci.Platform) -> Image | None:
    """The image that is there already, when the registry says that it is still the one.

    A HEAD request costs nothing of what registries count.
    """
    entry = store.entry(naming.stored_name(remote.reference))
    if entry is None or not entry.source:
        return None
    if remote.reference.digest or remote.source() == entry.source:
        return store.whole(entry, wanted)
    return None


def _take_in(
    store: ImageStore,
    config: Config,
    remote: Remote,
    found: Document,
    wanted: oci.Platform,
    tell: PullProgress,
) -> Image:
    image = remote.image(found, wanted, store.layout)
    name = naming.stored_name(remote.reference)
    with store.layout.staging() as staging:
        remote.close()  # children have connections of their own
        parallel = config.max_parallel_layers
        transfer = Transfer(
            store.layout, staging, config.image_limits, remote.repositories, parallel, tell
        )
        transfer.run(image.manifest.layers, image.file.rootfs.diff_ids)
        staging.add_document(image.config, image.manifest.config.media_type)
        staging.add_document(image.data, image.descriptor.media_type)
        store.publish(staging, oci.with_source(image.descriptor, image.source), [name])
    return store.resolve(name)


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Kubernetes' word for what went wrong, where nobody has said one."""
    try:
        yield
    except PodrunError as error:
        error.reason = error.reason or "ErrImagePull"
        raise
