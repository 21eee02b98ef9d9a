"""Huge pages in a Pod: resources named ``hugepages-2Mi``, media ``HugePages[-2Mi]``."""

from __future__ import annotations

from podrun.api import quantity
from podrun.api.pod import PodSpec

MEDIUM = "HugePages"
_PREFIX = "hugepages-"


def is_pages(resource: str) -> bool:
    return resource.startswith(_PREFIX)


def is_medium(medium: str) -> bool:
    """It may still name a size that is none."""
    return medium == MEDIUM or medium.startswith(f"{MEDIUM}-")


def resource_of(page_bytes: int) -> str:
    """2097152 → ``hugepages-2Mi``"""
    return _PREFIX + quantity.canonical(f"{page_bytes >> 10}Ki")


def page_bytes(named: str) -> int:
    """Of a resource, or a medium with a size. ValueError for what is no size."""
    size = quantity.bytes(named.partition("-")[2])
    if size <= 0:
        raise ValueError(f"{named} has no size")
    return size


def page_of_medium(spec: PodSpec, medium: str) -> int:
    """Bytes of the pages that a volume of ``medium`` consists of. ValueError, as the kubelet's."""
    names = {name for container in spec.all_containers for name in container.requests}
    names |= spec.resources.requests.keys() if spec.resources is not None else set()
    asked = {page_bytes(name) for name in names if is_pages(name)}
    if medium != MEDIUM:
        asked &= {page_bytes(medium)}
    if len(asked) > 1:
        raise ValueError("can't be used if container requests multiple huge page sizes")
    if not asked:
        raise ValueError(
            "hugePages storage requested, but there is no resource request for huge pages"
        )
    return asked.pop()
