"""What a request is told of pods and workloads, and how it waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from podrun.agent.controller import Controller
from podrun.agent.podstore import StoredPod
from podrun.agent.podtask import PodTask
from podrun.api.objects import AnyObject, describe
from podrun.errors import WaitTimeout
from podrun.pod.events import Event

Progress = Callable[[dict[str, Any]], None]


def of_pod(stored: StoredPod) -> dict[str, Any]:
    namespace, name = stored.key
    return {"object": f"pod/{name}", "namespace": namespace, "uid": stored.paths.uid}


def of_object(thing: AnyObject) -> dict[str, Any]:
    meta = thing.metadata
    return {"object": describe(thing), "namespace": meta.namespace, "uid": meta.uid}


def name_of(task: PodTask) -> str:
    return f"pod/{task.stored.key[1]}"


class Waiting:
    """``tasks``, and ``controllers`` with the pods they have or make; their events are told."""

    def __init__(
        self, progress: Progress, tasks: Sequence[PodTask], controllers: Sequence[Controller] = ()
    ) -> None:
        self._progress = progress
        self._tasks = tasks
        self._controllers = controllers
        self._watched: set[PodTask] = set()
        self._changed = asyncio.Event()

    async def until(
        self,
        done: Callable[[PodTask], bool],
        settled: Callable[[Controller], bool] = lambda controller: controller.gone,
        timeout: float | None = None,
    ) -> None:
        """Until ``done`` holds for each pod or it is gone, ``settled`` for each workload. Raises
        WaitTimeout, after ``timeout`` seconds."""

        def late() -> list[str]:
            pods = [name_of(task) for task in self._tasks if not (done(task) or task.released)]
            return pods + [describe(each.thing) for each in self._controllers if not settled(each)]

        listeners = [(each, self._listener(each)) for each in self._controllers]
        try:
            for controller, listener in listeners:
                controller.listeners.add(listener)
            async with asyncio.timeout(timeout):
                while late():
                    self._changed.clear()
                    self._watch()
                    await self._changed.wait()
        except TimeoutError:
            raise WaitTimeout(
                f"timed out after {timeout:g} s waiting for {', '.join(late())}",
                hint="it goes on: see `podrun describe` and `podrun events`",
            ) from None
        finally:
            for controller, listener in listeners:
                controller.listeners.discard(listener)
            for task in self._watched:
                task.listeners.discard(self._heard)
                task.pull_listeners.discard(self._pulls)

    def _watch(self) -> None:
        pods = [task for controller in self._controllers for task in controller.pods]
        for task in {*self._tasks, *pods} - self._watched:
            self._watched.add(task)
            task.listeners.add(self._heard)
            task.pull_listeners.add(self._pulls)

    def _listener(self, controller: Controller) -> Callable[[list[Event]], None]:
        def heard(events: list[Event]) -> None:
            self._tell(of_object(controller.thing), events)
            self._changed.set()

        return heard

    def _heard(self, stored: StoredPod, events: list[Event]) -> None:
        self._tell(of_pod(stored), events)
        self._changed.set()

    def _tell(self, named: dict[str, Any], events: list[Event]) -> None:
        for event in events:
            self._progress({**named, "event": msgspec.to_builtins(event)})

    def _pulls(self, stored: StoredPod, pull: dict[str, Any]) -> None:
        self._progress({**of_pod(stored), "pull": pull})
