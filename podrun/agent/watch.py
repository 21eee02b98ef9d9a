"""What happens to a pod by itself: pause ends, a container ends. Seen through pidfds.

monitor's pidfd ready ──► exit.json? ──yes──► Exit ──► clean up what the run leaves
                              └─no──► kill the cgroup, ContainerStatusUnknown
pause's pidfd ready ────► sandbox lost (unless its end was ours to bring about)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from podrun.agent import observe, operations, worker
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.agent.translate import container_cgroup
from podrun.api.pod import Container
from podrun.cgroup.group import Group
from podrun.container import control
from podrun.container.message import read_message
from podrun.errors import PodrunError
from podrun.linux import process
from podrun.pod import backoff
from podrun.pod.facts import Run, Sandbox
from podrun.probe.ready import readable
from podrun.sandbox import create as sandbox

#: how long a release waits for clean-ups under way before it does them itself
_CLEAN_UP_SECONDS = 10


class Watch:
    """Turns the ends of processes into facts; ``happened`` is called after each."""

    def __init__(self, node: Node, stored: StoredPod, happened: Callable[[], None]) -> None:
        self._node = node
        self._stored = stored
        self._happened = happened
        self._pause: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # ── pause ───────────────────────────────────────────────────────────────────────────────────

    def pause(self) -> None:
        """Watch the pause process of the present sandbox."""
        watched = self._stored.facts.sandbox
        record = sandbox.read(self._stored.paths)
        pidfd = None if record is None else process.pidfd_of(record.pid, record.start_time)
        if watched is None:
            return
        if pidfd is None:
            _lost(watched, time.time())
        else:
            self._pause = self._spawn(self._wait_for_pause(pidfd, watched))

    def forget_pause(self) -> None:
        """Its end is ours to bring about from here on."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    async def _wait_for_pause(self, pidfd: int, watched: Sandbox) -> None:
        try:
            await readable(pidfd)
        finally:
            os.close(pidfd)
        _lost(watched, time.time())
        self._happened()

    # ── containers ──────────────────────────────────────────────────────────────────────────────

    def monitor(self, name: str, run: Run, pidfd: int, *, is_child: bool) -> None:
        """Watch the monitor of ``run``; takes ``pidfd`` over."""
        self._spawn(self._wait_for_monitor(name, run, pidfd, is_child=is_child))

    async def _wait_for_monitor(self, name: str, run: Run, pidfd: int, *, is_child: bool) -> None:
        try:
            await worker.ended(pidfd, is_child=is_child)
        finally:
            os.close(pidfd)
        try:
            self._ended(name, run)
        finally:
            self._happened()

    def _ended(self, name: str, run: Run) -> None:
        """The monitor is gone: its record says how the run ended, or nobody knows."""
        if self._taken_back(name, run):
            return
        if run.exit is None:
            observe.merge_run(name, run, self._stored.paths)
        if run.exit is None:
            Group(self._cgroup(name, run)).kill()
            run.exit = observe.unknown_exit(time.time())
        if run.started_at is not None and not run.exit.message:
            run.exit = msgspec.structs.replace(run.exit, message=self._last_words(name, run))
        self._spawn(self._clean_up(name, run))

    def _cgroup(self, name: str, run: Run) -> str:
        """A run recorded by an older agent does not say where it is."""
        pod = self._stored.pod
        return run.cgroup or container_cgroup(self._node.config, pod, name, run.attempt)

    def _last_words(self, name: str, run: Run) -> str:
        """The termination message, by the policy of the container's present definition."""
        assert run.exit is not None
        containers = self._stored.pod.spec.all_containers
        policies = [c.termination_message_policy for c in containers if c.name == name]
        return read_message(
            self._stored.paths,
            name,
            run.attempt,
            exit_code=run.exit.code,
            policy=policies[0] if policies else "File",
        )

    async def _clean_up(self, name: str, run: Run) -> None:
        with contextlib.suppress(PodrunError):  # tried again when the pod is released
            await worker.run(operations.remove_container, self._node, self._stored, name, run)

    # ── after another agent ─────────────────────────────────────────────────────────────────────

    def adopt(self, now: float) -> None:
        """Go on from the records; those of the monitors are merged in already."""
        facts = self._stored.facts
        if facts.deletion is not None:  # a manager that was restarted gives the full grace again
            facts.deletion = msgspec.structs.replace(facts.deletion, began_at=now)
        if facts.sandbox is not None and facts.sandbox.ready:
            self._adopt_sandbox(facts.sandbox, now)
        for container in self._stored.pod.spec.all_containers:
            run = facts.of(container.name).current
            if run is not None:
                self._adopt_container(container, run)

    def _adopt_sandbox(self, known: Sandbox, now: float) -> None:
        record = sandbox.read(self._stored.paths)
        if record is not None and record.attempt == known.attempt and record.alive():
            self.pause()
        else:
            _lost(known, now)

    def _adopt_container(self, container: Container, run: Run) -> None:
        name = container.name
        if self._taken_back(name, run):
            return
        record = control.load(self._node.paths.runtime, run.id)
        if run.exit is None and record is not None and record.monitor_alive():
            pidfd = process.pidfd_of(record.monitor_pid, record.monitor_start_time)
            if pidfd is not None:
                self.monitor(name, run, pidfd, is_child=False)
                return
        if run.exit is None or record is not None:  # a record: not cleaned up yet
            self._ended(name, run)

    def _taken_back(self, name: str, run: Run) -> bool:
        """A run that an agent's death kept from being let go is no run at all."""
        known = self._stored.facts.of(name)
        if known.current is not run or not observe.was_never_let_go(self._stored.paths, name, run):
            return False
        self._stored.facts.containers[name] = backoff.without_run(known)
        self._spawn(self._clean_up(name, run))
        return True

    # ── helpers ─────────────────────────────────────────────────────────────────────────────────

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Wait for clean-ups under way, and for the last monitors to leave."""
        self.forget_pause()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLEAN_UP_SECONDS)


def _lost(known: Sandbox, now: float) -> None:
    if known.stopped_at is None:
        known.ready = False
        known.lost_at = known.lost_at or now
