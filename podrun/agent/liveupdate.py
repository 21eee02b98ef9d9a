"""Mounted files follow the objects they come from, while the pod runs.

asked ─► worker writes ─► done        asked meanwhile: once more
               └─► failed: an event; tried again when something changes, or a new agent adopts
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from podrun.agent import operations, worker
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.agent.projections import has_projections
from podrun.errors import PodrunError
from podrun.pod.events import WARNING, Event


class LiveUpdate:
    """Of one pod's volumes. ``tell`` gets the event of a try that failed."""

    def __init__(self, node: Node, stored: StoredPod, tell: Callable[[Event], None]) -> None:
        self._node = node
        self._stored = stored
        self._tell = tell
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Something may have changed that the pod's volumes show. They are written anew, unless
        they are not made yet."""
        sandbox = self._stored.facts.sandbox
        if sandbox is None or sandbox.stopped_at is not None:
            return
        if has_projections(self._stored.pod):
            self._asked = True
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._work())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        try:
            while self._asked:
                self._asked = False
                try:
                    await worker.run(operations.write_projections, self._node, self._stored)
                except PodrunError as error:
                    now = time.time()
                    reason = error.reason or "FailedMount"
                    with contextlib.suppress(OSError):  # a disk too full for events, too
                        self._tell(Event(WARNING, reason, error.text, "", now, now))
        finally:
            self._task = None
