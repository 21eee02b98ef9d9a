"""One pod, alive: ask policy what is due, carry it out, remember what happened.

    ┌──► plan(pod, facts, now) ──► actions? ──yes──► carry out each ──► facts, events saved ──┐
    │                                 │ no                                                    │
    │                                 ▼                                                       │
    └──── woken (an exit, a request) or wake_at ◄──────────────────────────────────────────────┘

Everything the task knows is on disk before it acts on it; killed at any point, ``adopt`` of the
next agent's task starts from the records and what the kernel has.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from podrun.agent.execution import Execution
from podrun.agent.handlers import Handlers
from podrun.agent.hooks import Hooks
from podrun.agent.liveupdate import LiveUpdate
from podrun.agent.node import Node
from podrun.agent.podpulls import PodPulls
from podrun.agent.podstore import PodStore, StoredPod
from podrun.agent.prober import Prober
from podrun.agent.pulls import Pulls
from podrun.agent.turns import Turns
from podrun.agent.watch import Watch
from podrun.pod.actions import ReleasePod, StartContainer
from podrun.pod.events import Event, events, merge
from podrun.pod.facts import Facts
from podrun.pod.hooks import forget_unfinished
from podrun.pod.missing import forget_missing
from podrun.pod.plan import plan
from podrun.pod.pulling import forget_unfinished_pulls
from podrun.pod.resources import Amounts

log = logging.getLogger(__name__)

Listener = Callable[[StoredPod, list[Event]], None]
PullListener = Callable[[StoredPod, dict[str, Any]], None]

#: pause after what should not happen: a full disk, or a defect of ours
_RETRY_SECONDS = 1.0


class PodTask:
    """Drives one pod until it is released.

    ``listeners`` hear of every change of its facts, ``pull_listeners`` of how its pulls go on;
    ``taken`` gives what the pods beside the one of that uid request.
    """

    def __init__(
        self,
        node: Node,
        store: PodStore,
        stored: StoredPod,
        turns: Turns | None = None,
        pulls: Pulls | None = None,
        taken: Callable[[str], Amounts] = lambda uid: {},
    ) -> None:
        self.stored = stored
        self.released = False
        self.listeners: set[Listener] = set()
        self.pull_listeners: set[PullListener] = set()
        self._store = store
        self._settings = node.settings
        self._told: Facts | None = copy.deepcopy(stored.facts)  # what is saved and told
        self._events = stored.events()
        self._wake = asyncio.Event()
        self._watch = Watch(node, stored, self.happened)
        self._handlers = Handlers(node, stored)
        self._hooks = Hooks(stored, self._handlers, self.happened)
        self._prober = Prober(stored, self._handlers, turns or Turns(), self.happened, self.tell)
        self._pulls = PodPulls(
            node, stored, pulls or Pulls(node), self.happened, self.tell, self._pull_goes_on
        )
        self._live = LiveUpdate(node, stored, self.tell)
        save = partial(self.changed, durable=True)
        self._execution = Execution(
            node, stored, self._watch, self._hooks, self._pulls, save, taken
        )

    @property
    def facts(self) -> Facts:
        return self.stored.facts

    def wake(self) -> None:
        """Something changed: plan again."""
        self._wake.set()

    def objects_changed(self) -> None:
        """What the pod refers to, or what it tells of itself, has changed: it is looked at anew."""
        forget_missing(self.stored.pod, self.facts)
        self._live.ask()
        self._wake.set()

    def happened(self) -> None:
        """Something happened to the pod by itself, and the facts say so."""
        self._wake.set()
        self.changed()

    async def run(self) -> None:
        """Until the pod is released. Never raises: what fails is tried again."""
        while not self.released:
            try:
                await self._step()
            except Exception:  # one pod's trouble is not the others', nor the agent's end
                log.exception("pod %s/%s", *self.stored.key)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _step(self) -> None:
        self._wake.clear()
        self.changed()  # again, what could not be saved a moment ago
        self._look()
        due = plan(self.stored.pod, self.facts, time.time(), self._settings)
        starts = [action for action in due.actions if isinstance(action, StartContainer)]
        for action in due.actions:
            if not isinstance(action, StartContainer):
                await self._execution.carry_out(action)
            elif action is starts[0]:
                await self._execution.start(starts)
            if isinstance(action, ReleasePod) and self.facts.sandbox_trouble is None:
                self._release()
                return
            self.changed()
        if not due.actions:
            await self._sleep(due.wake_at)

    def _look(self) -> None:
        """Probes, hooks and pulls follow what the facts have become."""
        self._prober.look()
        self._hooks.look()
        self._pulls.look()
        runs = (known.current for known in self.facts.containers.values())
        self._handlers.forget(run.id for run in runs if run is not None and run.exit is None)

    async def _sleep(self, wake_at: float | None) -> None:
        timeout = None if wake_at is None else max(wake_at - time.time(), 0.001)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout)

    def adopt(self) -> None:
        """Go on from the records of another agent."""
        forget_unfinished(self.facts)
        forget_unfinished_pulls(self.facts)
        self._watch.adopt(time.time())
        self._live.ask()  # the last agent may have died between an object and its files
        with contextlib.suppress(OSError):  # a full disk keeps no agent from starting
            self.changed()

    def accepted(self) -> None:
        """Tell of a pod that is new, and saved as it is."""
        self._told = None
        self._tell()

    def changed(self, *, durable: bool = False) -> None:
        """Save the facts when they are not what was last told; derive events; tell. OSError.

        A record is whole whenever we are killed; ``durable`` is for what must outlive the machine,
        too. Of most facts the truth is elsewhere: what runs dies with it, exits are on disk.
        """
        if self.facts != self._told and not self.released:
            self._store.save_facts(self.stored, durable=durable)
            self._tell()

    def _tell(self) -> None:
        new = events(self.stored.pod, self._told, self.facts, time.time(), self._settings)
        self._told = copy.deepcopy(self.facts)
        self._record(new)

    def tell(self, event: Event) -> None:
        """Of what happened, but left the facts as they are."""
        if not self.released:
            self._record([event])

    def _record(self, new: list[Event]) -> None:
        """Who listens hears of it also when the disk is too full for events. OSError."""
        try:
            if new:
                self._events = merge(self._events, new)
                self._store.save_events(self.stored, self._events)
        finally:
            for listener in tuple(self.listeners):
                listener(self.stored, new)

    def _pull_goes_on(self, progress: dict[str, Any]) -> None:
        for listener in tuple(self.pull_listeners):
            listener(self.stored, progress)

    def _release(self) -> None:
        self.released = True
        self._live.close()
        self._pulls.close()
        self._prober.close()
        self._hooks.close()
        self._handlers.close()
        for listener in tuple(self.listeners):
            listener(self.stored, [])
