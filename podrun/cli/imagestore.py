"""What the verbs of ``podrun image`` share: the store, its configuration, sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podrun.cli.root import require_root

if TYPE_CHECKING:
    from podrun.image.store import ImageStore
    from podrun.node.config import Config


def config() -> Config:
    from podrun.node.config import load

    return load()


def store(writing: str = "") -> ImageStore:
    """The node's store; ``writing`` says what for, when it is not for reading."""
    from podrun.image.store import ImageStore

    require_root(writing or "read the image store")
    return ImageStore.of(config())


def size(count: int) -> str:
    """Decimal units, as docker and podman print sizes."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
