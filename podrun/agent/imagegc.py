"""Garbage collection of images, as the agent does it: looked at rarely, carried out by a worker.

    a pull, or a pod, has ended ─┐
    300 s while there are pods  ─┴─► statvfs(2) ─► below the high mark: nothing
                                                └► above ─► worker: sweep, choose, remove ─► log

A look is a few system calls. After a collection that could not free enough nothing is measured
again for ``PERIOD`` seconds, unless a pod has ended meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from podrun.agent import worker
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.errors import PodrunError
from podrun.image import gc
from podrun.image.layout import Layout
from podrun.image.store import ImageStore
from podrun.node.config import Config
from podrun.pod import imagegc, pulling
from podrun.pod.events import Event
from podrun.pod.imagegc import Choice, Disk, Policy, Stored

log = logging.getLogger(__name__)

PERIOD = 300.0


class Collected(msgspec.Struct, frozen=True):
    """``wanted`` is what there was to free, in bytes; ``names`` are images, or their IDs.

    ``busy``: an image is coming in, and what went is swept when it is there.
    """

    wanted: int
    freed: int = 0
    names: tuple[str, ...] = ()
    busy: bool = False


class ImageGc:
    """Of one agent. ``pods`` gives those that may use images."""

    def __init__(self, node: Node, pods: Callable[[], Iterable[StoredPod]]) -> None:
        self._node = node
        self._policy = policy(node.config)
        self._pods = pods
        self._layout = Layout(node.paths.images, node.paths.snapshots)
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._said = ""

    def heard(self, pod: StoredPod, events: Iterable[Event]) -> None:
        """A listener of pods: an image has come, or was here, or could not come (a full disk?)."""
        if any(event.reason in ("Pulled", "Failed") for event in events):
            self.look()

    def ended(self, pod: StoredPod) -> None:
        """It is released, and used its images until now."""
        self._remember(pulling.image_ids(pod.facts))
        self._not_before = 0.0
        self.look()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._running is not None:
            self._running.cancel()

    def look(self) -> None:
        """Now, and again in ``PERIOD`` seconds while there are pods."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pods = list(self._pods())
        self._remember({each for pod in pods for each in pulling.image_ids(pod.facts)})
        if pods:
            self._timer = asyncio.get_running_loop().call_later(PERIOD, self.look)
        if self._running is None and time.monotonic() >= self._not_before and self._is_full():
            self._running = asyncio.get_running_loop().create_task(self._collect(pods))

    def _remember(self, ids: Iterable[str]) -> None:
        with contextlib.suppress(OSError):  # what is lost is an order
            gc.remember_use(self._layout, ids)

    def _is_full(self) -> bool:
        disk = _disk(self._node.paths.images)
        return disk is not None and imagegc.excess(disk, self._policy) > 0

    async def _collect(self, pods: list[StoredPod]) -> None:
        """Only ever one. What is used is asked as late as can be: pods may come meanwhile."""
        ids = sorted({each for pod in pods for each in pulling.image_ids(pod.facts)})
        names = sorted({name for pod in pods for name in pulling.image_names(pod.pod)})
        try:
            answer = await worker.run(collect, self._node, ids, names)
            self._tell(msgspec.convert(answer, Collected))
        except PodrunError as error:
            self._say(f"ImageGCFailed: {error.text}")
            self._not_before = time.monotonic() + PERIOD
        finally:
            self._running = None

    def _tell(self, done: Collected) -> None:
        if done.names:
            log.warning("images removed, %d bytes freed: %s", done.freed, ", ".join(done.names))
        if done.busy:
            return
        if done.freed < done.wanted:
            self._not_before = time.monotonic() + PERIOD
            self._say(
                "FreeDiskSpaceFailed: Failed to garbage collect required amount of images. "
                f"Attempted to free {done.wanted} bytes, but only found {done.freed} bytes "
                "eligible to free."
            )
        else:
            self._said = ""

    def _say(self, text: str) -> None:
        """Once, not every five minutes."""
        if text != self._said:
            log.warning("%s", text)
        self._said = text


def policy(config: Config) -> Policy:
    return Policy(
        high_percent=config.image_gc_high_threshold_percent,
        low_percent=config.image_gc_low_threshold_percent,
        minimum_age=config.image_minimum_gc_age,
    )


def collect(node: Node, used: list[str], names: list[str]) -> Collected:
    """What the worker does. ``used`` are IDs and ``names`` the names of images that must stay.

    First what nobody could use anyhow goes, then images. Raises PodrunError, OSError.
    """
    store, rules = ImageStore.of(node.config), policy(node.config)
    store.layout.prepare()
    before = _disk(node.paths.images)
    if before is None or not (wanted := imagegc.excess(before, rules)):
        return Collected(0)
    busy = store.layout.sweep(partial_seconds=rules.minimum_age) is None
    after = _disk(node.paths.images) or before
    freed = max(after.available - before.available, 0)
    if freed >= wanted:
        return Collected(wanted, freed)
    choice, going = _choose(store, {*used, *gc.ids_of(store, names)}, wanted - freed, rules)
    names_gone = tuple(", ".join(each.names) or each.id for each in going)
    if going and gc.remove(store.layout, going):
        freed, busy = freed + choice.bytes, False
    return Collected(wanted, freed, names_gone, busy)


def _choose(
    store: ImageStore, using: set[str], amount: int, rules: Policy
) -> tuple[Choice, list[gc.Kept]]:
    kept = {each.id: each for each in gc.inventory(store)}
    images = [Stored(k.id, k.parts, k.detected_at, k.last_used) for k in kept.values()]
    order = imagegc.candidates(images, using, time.time(), rules)
    sizes = gc.sizes(store.layout, imagegc.parts_to_gain(order, images))
    choice = imagegc.choose(order, images, sizes, amount)
    return choice, [kept[each] for each in choice.ids]


def _disk(path: Path) -> Disk | None:
    """None while there is no store."""
    try:
        status = os.statvfs(path)
    except FileNotFoundError:
        return None
    return Disk(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)
