"""What podrun keeps on disk, how much of it there is, and what of it nobody needs.

Reclaimable is what ``podrun system prune --all`` takes: images no pod uses, with what only they
have, and what belongs to no image and to no pod. Never what a claim holds, used or not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from podrun.linux.diskuse import bytes_of
from podrun.node.config import Config
from podrun.node.paths import Paths

if TYPE_CHECKING:
    from podrun.image.gc import Kept
    from podrun.image.store import ImageStore


class Item(msgspec.Struct, frozen=True):
    """One of what is counted; ``users`` are the pods, or of a layer the images, that have it."""

    name: str
    bytes: int
    reclaimable: int
    users: tuple[str, ...] = ()


class Use(msgspec.Struct, frozen=True, omit_defaults=True):
    """``bytes`` on disk: holes count nothing, and what several share counts once.

    ``active`` are those of ``count`` that pods use. ``partial``: there is more, which the caller
    may not read; what of it all is reclaimable cannot be said then.
    """

    kind: str
    count: int
    active: int
    bytes: int
    reclaimable: int
    items: tuple[Item, ...] = ()
    partial: bool = False

    def as_part(self) -> Use:
        return msgspec.structs.replace(self, reclaimable=0, partial=True)

    def without_items(self) -> Use:
        return msgspec.structs.replace(self, items=())


def disk_use(config: Config) -> Iterator[Use]:
    """As far as the caller may read it."""
    from podrun.agent.podstore import PodStore
    from podrun.cli.claimuse import claim_use, object_use
    from podrun.cli.imageuse import users
    from podrun.image.store import ImageStore

    store, paths = ImageStore.of(config), Paths(config)
    pods = PodStore(paths).list()
    names = {pod.paths.uid: "/".join(pod.key) for pod in pods}
    parts: tuple[tuple[tuple[str, ...], Callable[[], Iterable[Use]]], ...] = (
        (("images", "unpacked layers"), lambda: _Images(store, users(store, pods)).uses()),
        (
            ("writable layers",),
            lambda: [_of_pods("writable layers", paths, "containers/*/*/upper", names)],
        ),
        (("volumes",), lambda: [_of_pods("volumes", paths, "volumes/*", names)]),
        (("claims",), lambda: [claim_use(paths, pods)]),
        (("objects",), lambda: [object_use(paths)]),
        (("logs",), lambda: [_of_logs(paths, names)]),
    )
    hidden = _has_hidden(paths)
    for kinds, count in parts:
        uses = _as_allowed(kinds, count)
        yield from (use.as_part() for use in uses) if hidden and kinds != ("objects",) else uses


def _has_hidden(paths: Paths) -> bool:
    """Whether there are pods whose records the caller may not read."""
    return any(not os.access(path, os.R_OK | os.X_OK) for path in entries(paths.pods))


def _as_allowed(kinds: Iterable[str], count: Callable[[], Iterable[Use]]) -> list[Use]:
    try:
        return list(count())
    except PermissionError:
        return [Use(kind, 0, 0, 0, 0).as_part() for kind in kinds]


class _Images:
    """The two halves of an image: its blobs, and its layers as they are unpacked."""

    def __init__(self, store: ImageStore, users: Mapping[str, Sequence[str]]) -> None:
        from podrun.image import gc

        self._layout = store.layout
        self._users = users
        self._images = gc.inventory(store)
        self._holders: dict[Path, list[Kept]] = {}  # blob or snapshot → the images that have it
        for image in self._images:
            for part in image.parts:
                self._holders.setdefault(gc.path_of(store.layout, part), []).append(image)

    def uses(self) -> Iterator[Use]:
        root = self._layout.images
        blobs = {path: bytes_of([path]) for path in entries(self._layout.blobs)}
        halves = [path for name in (".partial", ".staging") for path in entries(root / name)]
        yield Use(
            kind="images",
            count=len(self._images),
            active=sum(image.id in self._users for image in self._images),
            bytes=bytes_of([root]),
            reclaimable=sum(size for path, size in blobs.items() if not self._is_needed(path))
            + bytes_of(halves),
            items=tuple(self._image(image, blobs) for image in self._images),
        )
        layers = {path: bytes_of([path]) for path in entries(self._layout.snapshots)}
        items = tuple(self._layer(path, size) for path, size in layers.items())
        yield Use(
            kind="unpacked layers",
            count=len(layers),
            active=sum(map(self._is_needed, layers)),
            bytes=sum(layers.values()),
            reclaimable=sum(item.reclaimable for item in items),
            items=items,
        )

    def _is_needed(self, path: Path) -> bool:
        return any(image.id in self._users for image in self._holders.get(path, ()))

    def _image(self, image: Kept, blobs: Mapping[Path, int]) -> Item:
        mine = [path for path in blobs if image in self._holders.get(path, ())]
        alone = [path for path in mine if len(self._holders[path]) == 1]
        used_by = tuple(user.removeprefix("pod ") for user in self._users.get(image.id, ()))
        return Item(
            name=_name(image),
            bytes=sum(blobs[path] for path in mine),
            reclaimable=0 if used_by else sum(blobs[path] for path in alone),
            users=used_by,
        )

    def _layer(self, path: Path, size: int) -> Item:
        users = tuple(_name(image) for image in self._holders.get(path, ()))
        return Item(path.name[:12], size, 0 if self._is_needed(path) else size, users)


def _name(image: Kept) -> str:
    return ", ".join(image.names) or image.id[7:19]


def _of_pods(kind: str, paths: Paths, pattern: str, names: Mapping[str, str]) -> Use:
    """What is at ``pattern`` below a pod's directory."""
    items: list[Item | None] = []
    active = 0
    for path in sorted(paths.pods.glob(f"*/{pattern}")):
        uid, *rest = path.relative_to(paths.pods).parts
        name = "/".join(part for part in rest[1:] if part != "upper")
        items.append(_of_pod(name, path, names.get(uid)))
        active += uid in names
    use = _sum(kind, items, active)
    closed = paths.pods.glob(f"*/{pattern.partition('/')[0]}")
    return use if all(os.access(path, os.R_OK | os.X_OK) for path in closed) else use.as_part()


def _of_logs(paths: Paths, names: Mapping[str, str]) -> Use:
    directories = list(entries(paths.log / "pods"))
    uids = [path.name.rpartition("_")[2] for path in directories]
    items = [
        _of_pod(path.name.replace("_", "/", 1).rpartition("_")[0], path, names.get(uid))
        for path, uid in zip(directories, uids, strict=True)
    ]
    others = [path for path in entries(paths.log) if path.name != "pods"]
    items += [_of_node(path) for path in others]
    return _sum("logs", items, sum(uid in names for uid in uids))


def _of_pod(name: str, path: Path, owner: str | None) -> Item | None:
    """None: the caller may not read it."""
    try:
        size = bytes_of([path])
    except PermissionError:
        return None
    return Item(name, size, size if owner is None else 0, () if owner is None else (owner,))


def _of_node(path: Path) -> Item | None:
    """What is no pod's, and never reclaimable."""
    item = _of_pod(path.name, path, "")
    return None if item is None else msgspec.structs.replace(item, users=())


def _sum(kind: str, found: Sequence[Item | None], active: int) -> Use:
    items = tuple(each for each in found if each is not None)
    size, free = sum(each.bytes for each in items), sum(each.reclaimable for each in items)
    use = Use(kind, len(found), active, size, free, items)
    return use if len(items) == len(found) else use.as_part()


def entries(directory: Path) -> Iterator[Path]:
    """By name, but for hidden ones; none where there is no such directory."""
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return
    yield from (directory / name for name in names if not name.startswith("."))
