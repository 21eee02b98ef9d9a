"""Lifecycle hooks of one pod under way: each ends as a fact, by itself or at its timeout.

RunHook ──► hook_began ──► exec, httpGet, sleep ──► hook_ended ──► plan again
                │                                      ▲
                └─ timeout ────────────────────────────┘      the run ends: given up
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from podrun.agent.handlers import Handlers
from podrun.agent.podstore import StoredPod
from podrun.api.probe import LifecycleHandler
from podrun.pod.actions import RunHook
from podrun.pod.facts import Run
from podrun.pod.hooks import POST_START, hook_began, hook_ended

log = logging.getLogger(__name__)


class Hooks:
    """``changed`` is called when a hook has ended. Call ``look`` after every change of facts."""

    def __init__(self, stored: StoredPod, handlers: Handlers, changed: Callable[[], None]) -> None:
        self._stored = stored
        self._handlers = handlers
        self._changed = changed
        self._under_way: dict[asyncio.Task[None], Run] = {}

    def begin(self, action: RunHook) -> None:
        """Returns at once; asked for twice, the hook of a run is begun once."""
        run = self._stored.facts.of(action.name).current
        handler = self._handler(action.name, action.hook)
        if run is None or run.exit is not None or handler is None:
            return
        known = run.post_start if action.hook == POST_START else run.pre_stop
        if known is not None:
            return
        hook_began(run, action.hook, action.why, time.time())
        task = asyncio.get_running_loop().create_task(self._carry_out(action, run, handler))
        self._under_way[task] = run
        task.add_done_callback(lambda task: self._under_way.pop(task, None))

    async def _carry_out(self, action: RunHook, run: Run, handler: LifecycleHandler) -> None:
        try:
            async with asyncio.timeout(action.timeout):
                error = await self._handlers.hook(action.name, run, handler)
        except TimeoutError:
            error = "not completed within the grace period"
        except Exception as failure:  # without an end it would hold up the pod for ever
            log.exception("%s hook of %s", action.hook, action.name)
            error = f"cannot be carried out: {failure}"
        hook_ended(run, action.hook, error, time.time())
        with contextlib.suppress(OSError):  # a full disk: the pod's task saves it again
            self._changed()

    def look(self) -> None:
        """Give up the hooks of runs that are over."""
        for task, run in self._under_way.items():
            if run.exit is not None:
                task.cancel()

    def close(self) -> None:
        for task in self._under_way:
            task.cancel()

    def _handler(self, name: str, hook: str) -> LifecycleHandler | None:
        container = next(c for c in self._stored.pod.spec.all_containers if c.name == name)
        lifecycle = container.lifecycle
        if lifecycle is None:
            return None
        return lifecycle.post_start if hook == POST_START else lifecycle.pre_stop
