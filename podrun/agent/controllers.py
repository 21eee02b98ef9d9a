"""All workloads of the node: who is told what, and how far each has come.

objects applied or deleted ──┐
pods that change ────────────┼──► the controller of that object is woken
the agent starts ────────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from podrun.agent.controller import STEPS, Controller, Workload
from podrun.agent.objects import Key, Prepared
from podrun.agent.podstore import StoredPod
from podrun.api.kinds import KINDS
from podrun.api.objects import AnyObject, describe
from podrun.errors import Conflict
from podrun.workload.ownership import owners

if TYPE_CHECKING:
    from podrun.agent.server import Agent


class Controllers:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._known: dict[str, Controller] = {}  # by uid
        self._running: set[asyncio.Task[None]] = set()
        agent.objects.listeners.add(self._applied)

    def start(self) -> None:
        """Go on with those on disk; all pods must have been adopted."""
        for kind in KINDS:
            if kind.name in STEPS:
                for thing in self._agent.objects.store.list(kind):
                    self._applied((kind, thing.metadata.namespace, thing.metadata.name))

    @property
    def need_agent(self) -> bool:
        return any(controller.needs_agent for controller in self._known.values())

    def heard(self, stored: StoredPod) -> None:
        """A pod has changed, has come or has gone."""
        for uid in owners(stored.pod):
            if uid in self._known:
                self._known[uid].wake()

    def check(self, prepared: Iterable[Prepared]) -> None:
        """Raises Conflict: one of them is just being deleted, and nothing was changed."""
        for each in prepared:
            if each.old is not None and each.old.metadata.deletion_timestamp:
                hint = "nothing was changed; apply it again when it is gone"
                raise Conflict(f"{describe(each.old)} is being deleted", hint=hint)

    def find(self, keys: Iterable[Key]) -> list[Controller]:
        """Those that there are; the other kinds are passed over."""
        keys = set(keys)
        return [each for each in self._known.values() if each.key in keys]

    def of(self, things: Iterable[AnyObject]) -> list[Controller]:
        """Those of the workloads among ``things``."""
        uids = [thing.metadata.uid for thing in things]
        return [self._known[uid] for uid in uids if uid in self._known]

    def _applied(self, key: Key) -> None:
        thing = self._agent.objects.store.read(*key) if key[0].name in STEPS else None
        if thing is None:
            return
        known = self._known.get(thing.metadata.uid)
        if known is not None:
            known.changed()
            return
        assert isinstance(thing, Workload)
        controller = Controller(self._agent, key[0], thing)
        self._known[controller.uid] = controller
        running = asyncio.get_running_loop().create_task(self._drive(controller))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _drive(self, controller: Controller) -> None:
        controller.listeners.add(lambda events: self._agent.recheck())
        await controller.run()
        self._known.pop(controller.uid, None)
        self._agent.recheck()
