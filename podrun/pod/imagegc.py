"""Which images go when the disk fills up, as the kubelet's ImageGCManager has it.

    used part of the disk   ──┬── high ──► images go, the longest unused first …
                              ├── low  ◄── … until this much is used, or no more may go
                              └── 0

Never: what a pod uses or is going to use, and what came less than ``minimum_age`` seconds ago.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec


class Policy(msgspec.Struct, frozen=True):
    """Percentages of the disk; ``high_percent`` 100 means: no collection at all."""

    high_percent: int = 85
    low_percent: int = 80
    minimum_age: float = 120.0


class Disk(msgspec.Struct, frozen=True):
    """Bytes; ``available`` is what is left for others than root."""

    capacity: int
    available: int


class Stored(msgspec.Struct, frozen=True):
    """An image of the store; ``parts`` are its blobs and unpacked layers, which others may share.

    ``last_used`` is 0 when no pod has used it yet.
    """

    id: str
    parts: frozenset[str]
    detected_at: float
    last_used: float = 0.0


class Choice(msgspec.Struct, frozen=True):
    """The images that go, and the bytes that go with them."""

    ids: tuple[str, ...] = ()
    bytes: int = 0


def used_percent(disk: Disk) -> int:
    return 100 - disk.available * 100 // disk.capacity if disk.capacity else 0


def excess(disk: Disk, policy: Policy) -> int:
    """Bytes to free: 0 below the high mark, else as many as lead to the low one."""
    if policy.high_percent >= 100 or used_percent(disk) < policy.high_percent:
        return 0
    low = min(policy.low_percent, policy.high_percent)
    return max(disk.capacity * (100 - low) // 100 - disk.available, 0)


def candidates(
    images: Iterable[Stored], used: Collection[str], now: float, policy: Policy
) -> list[Stored]:
    """Images that may go, in the order in which they do: those never used first of all."""
    unused = (image for image in images if image.id not in used)
    old = (image for image in unused if now - image.detected_at >= policy.minimum_age)
    return sorted(old, key=lambda image: (image.last_used, image.detected_at, image.id))


def parts_to_gain(order: Iterable[Stored], images: Iterable[Stored]) -> set[str]:
    """Parts that no image needs once all of ``order`` are gone: those whose sizes matter."""
    going = {image.id for image in order}
    kept: set[str] = set().union(*(image.parts for image in images if image.id not in going))
    return set().union(*(image.parts for image in order)) - kept


def choose(
    order: Iterable[Stored], images: Iterable[Stored], sizes: Mapping[str, int], amount: int
) -> Choice:
    """From the beginning of ``order`` until ``amount`` bytes are free. A part counts with the last
    image that has it; ``sizes`` has the bytes of all ``parts_to_gain``."""
    holders: dict[str, int] = {}
    for image in images:
        for part in image.parts:
            holders[part] = holders.get(part, 0) + 1
    ids: list[str] = []
    freed = 0
    for image in order:
        if freed >= amount:
            break
        ids.append(image.id)
        for part in image.parts:
            holders[part] -= 1
            freed += sizes[part] if holders[part] == 0 else 0
    return Choice(tuple(ids), freed)
