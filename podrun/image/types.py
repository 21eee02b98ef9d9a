"""What the image room speaks about. Light: the command line's `ps` may load it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from podrun.errors import PodrunError
from podrun.node.config import ImageLimits

#: image ID → who uses it ("default/web"); asked before anything of an image is removed.
Usage = Callable[[], Mapping[str, Sequence[str]]]


class Progress(Protocol):
    """Told of bytes read so far; ``total`` is 0 when it is not known."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


def no_progress(what: str, done: int, total: int) -> None:
    pass


class BadArchive(PodrunError):
    """The archive or layer is damaged, hostile or no archive at all; nothing of it was kept."""


class ImageConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an image says about running it, null and absent made empty."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = {}


class Image(msgspec.Struct, frozen=True):
    """An image of the local store.

    ``name`` is the normalized reference ("" for an image without one), ``id`` the digest of its
    configuration ("sha256:…"), ``layers`` the chain IDs from the bottom to the top.
    """

    name: str
    id: str
    config: ImageConfig
    layers: tuple[str, ...] = ()
    host: bool = False
    manifest: str = ""
    created: str = ""
    size: int = 0  # bytes of all blobs
    architecture: str = ""
    os: str = ""


Limits = ImageLimits
DEFAULT_LIMITS = Limits()
