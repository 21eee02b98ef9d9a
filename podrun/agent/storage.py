"""Local storage that pods use, watched for those that have a limit. The rule: podrun.pod.storage.

a pod with a limit runs ──► every PERIOD: a worker counts ──► overuse? ──► verdict Evicted
none does               ──► no timer at all
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from podrun.agent import worker
from podrun.agent.podstore import StoredPod
from podrun.agent.podtask import PodTask
from podrun.errors import PodrunError
from podrun.linux.diskuse import bytes_of
from podrun.pod.facts import Verdict
from podrun.pod.outcome import outcome
from podrun.pod.runs import any_live
from podrun.pod.storage import StorageUse, is_limited, overuse
from podrun.pod.termination import EVICTED

log = logging.getLogger(__name__)

PERIOD = 10.0  # the kubelet's eviction manager's


class StorageWatch:
    """Of one agent. ``tasks`` gives every pod of the node; call ``heard`` after every change."""

    def __init__(self, tasks: Callable[[], Iterable[PodTask]]) -> None:
        self._tasks = tasks
        self._running: asyncio.Task[None] | None = None

    def heard(self) -> None:
        if self._running is None and any(map(_is_watched, self._tasks())):
            self._running = asyncio.get_running_loop().create_task(self._watch())

    def close(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def _watch(self) -> None:
        try:
            while any(map(_is_watched, self._tasks())):
                await asyncio.sleep(PERIOD)
                for task in list(self._tasks()):  # those that came meanwhile, too
                    await self._try(task)
        finally:
            self._running = None

    async def _try(self, task: PodTask) -> None:
        """One pod's trouble, or a disk too full for its verdict, is not the others'."""
        try:
            await self._look(task)
        except (PodrunError, OSError) as error:  # the next turn may have more luck
            log.warning("storage of pod %s/%s: %s", *task.stored.key, error)

    async def _look(self, task: PodTask) -> None:
        if not _is_watched(task):
            return
        answer = await worker.run(measure, task.stored)
        message = overuse(task.stored.pod, msgspec.convert(answer, StorageUse))
        if message and _is_watched(task):
            task.facts.verdict = Verdict(reason=EVICTED, message=message, at=time.time())
            task.happened()


def measure(stored: StoredPod) -> dict[str, dict[str, int]]:
    """In a worker: a pod may have millions of files."""
    pod, paths = stored.pod, stored.paths
    containers = {
        container.name: bytes_of(
            [*_layers(paths.root, container.name), paths.logs / container.name]
        )
        for container in pod.spec.all_containers
    }
    volumes = {
        volume.name: bytes_of([paths.volume(volume.name)])
        for volume in pod.spec.volumes
        if volume.empty_dir is not None and not volume.empty_dir.medium
    }
    return {"containers": containers, "volumes": volumes}


def _layers(root: Path, container: str) -> list[Path]:
    """What is written to each of its runs' root file systems."""
    return sorted((root / "containers" / container).glob("*/upper"))


def _is_watched(task: PodTask) -> bool:
    pod, facts = task.stored.pod, task.facts
    return is_limited(pod) and any_live(pod, facts) and not outcome(pod, facts)
