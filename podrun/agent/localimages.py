"""Which image of the local store a name in a Pod means: a few small files, read in the loop."""

from __future__ import annotations

from podrun.agent.node import Node
from podrun.errors import NotFound
from podrun.image.store import ImageStore
from podrun.image.types import Image
from podrun.pod.pulling import Found
from podrun.registry.name import parse

_LOCAL_DOMAIN = "localhost"


def find(node: Node, name: str) -> Found | None:
    """None when it is not there. UsageError with reason InvalidImageName; PodrunError, OSError."""
    try:
        return found_of(node, ImageStore.of(node.config).resolve(name))
    except NotFound:
        return None


def is_pullable(name: str) -> bool:
    """``localhost/…`` is what images are called that are made here; a registry there has a port."""
    return parse(name).domain != _LOCAL_DOMAIN


def found_of(node: Node, image: Image) -> Found:
    """With the digest its registry gave for the name: that of a list, perhaps."""
    entry = ImageStore.of(node.config).entry(image.name) if image.name else None
    source = entry.source if entry is not None else ""
    return Found(
        name=image.name or image.id,
        image_id=image.id,
        reference=f"{parse(image.name).repository}@{source}" if source else "",
        size=image.size,
    )
