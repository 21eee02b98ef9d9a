"""One pod, alive: ask policy what is due, let workers do it, remember what happened.

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
import os
import secrets
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from podrun.agent import observe, operations, worker
from podrun.agent.node import Node
from podrun.agent.podstore import PodStore, StoredPod
from podrun.agent.translate import container_cgroup
from podrun.api.change import spec_hash
from podrun.api.pod import Container
from podrun.cgroup.group import Group
from podrun.container import control
from podrun.errors import PodrunError
from podrun.linux import process
from podrun.pod import actions, backoff
from podrun.pod.events import Event, events, merge
from podrun.pod.facts import ContainerFacts, Facts, Run, Sandbox, Verdict
from podrun.pod.plan import plan
from podrun.sandbox import create as sandbox

Listener = Callable[[StoredPod, list[Event]], None]


class PodTask:
    """Drives one pod until it is released. ``listeners`` hear of every change of its facts."""

    def __init__(self, node: Node, store: PodStore, stored: StoredPod) -> None:
        self.node = node
        self.store = store
        self.stored = stored
        self.released = False
        self.listeners: set[Listener] = set()
        self._told = copy.deepcopy(stored.facts)  # what events and listeners have heard of
        self._events = stored.events()
        self._wake = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._pause_watch: asyncio.Task[None] | None = None

    @property
    def facts(self) -> Facts:
        return self.stored.facts

    def wake(self) -> None:
        """Something changed: plan again."""
        self._wake.set()

    async def run(self) -> None:
        """Until the pod is released. Never raises: what fails becomes facts, and is tried again."""
        while not self.released:
            self._wake.clear()
            due = plan(self.stored.pod, self.facts, time.time(), self.node.settings)
            for action in due.actions:
                await self._carry_out(action)
                if not self.released:
                    self.changed()
            if not due.actions:
                await self._sleep(due.wake_at)
        await self._finish_background()

    async def _sleep(self, wake_at: float | None) -> None:
        timeout = None if wake_at is None else max(wake_at - time.time(), 0.001)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout)

    def changed(self) -> None:
        """Save the facts when they differ from what was last told; derive events; tell."""
        if self.facts == self._told:
            return
        self.store.save_facts(self.stored)
        self._tell()

    def _tell(self) -> None:
        now = time.time()
        new = events(self.stored.pod, self._told, self.facts, now)
        self._told = copy.deepcopy(self.facts)
        if new:
            self._events = merge(self._events, new)
            self.store.save_events(self.stored, self._events)
        for listener in tuple(self.listeners):
            listener(self.stored, new)

    def announce(self) -> None:
        """The events of a pod that was just accepted."""
        new = events(self.stored.pod, None, self.facts, time.time())
        self._events = merge(self._events, new)
        self.store.save_events(self.stored, self._events)

    # ── actions ─────────────────────────────────────────────────────────────────────────────────

    async def _carry_out(self, action: actions.Action) -> None:
        match action:
            case actions.CreateSandbox(attempt=attempt):
                await self._create_sandbox(attempt)
            case actions.StopSandbox():
                await self._stop_sandbox()
            case actions.StartContainer(name=name, attempt=attempt):
                await self._start(name, attempt)
            case actions.SignalContainer(name=name, signal=signal, why=why):
                self._signal(name, signal, why)
            case actions.KillContainer(name=name, why=why):
                self._kill(name, why)
            case actions.PassVerdict(reason=reason, message=message):
                self.facts.verdict = Verdict(reason=reason, message=message, at=time.time())
            case actions.ReleasePod():
                await self._release()

    async def _create_sandbox(self, attempt: int) -> None:
        try:
            ips = await worker.run(operations.create_sandbox, self.node, self.stored, attempt)
        except PodrunError as error:
            self._sandbox_trouble(error, "FailedCreatePodSandBox")
            return
        self.facts.sandbox_trouble = None
        self.facts.sandbox = Sandbox(attempt=attempt, created_at=time.time(), ips=tuple(ips))
        self._watch_pause()

    async def _stop_sandbox(self) -> None:
        assert self.facts.sandbox is not None
        self._stop_watching_pause()
        try:
            await worker.run(operations.stop_sandbox, self.node, self.stored)
        except PodrunError as error:
            self._sandbox_trouble(error, "KillPodSandboxError")
            return
        now = time.time()
        self.facts.sandbox_trouble = None
        self.facts.sandbox.ready = False
        self.facts.sandbox.stopped_at = now

    def _sandbox_trouble(self, error: PodrunError, reason: str) -> None:
        self.facts.sandbox_trouble = backoff.next_trouble(
            self.facts.sandbox_trouble, error.reason or reason, _text(error), time.time()
        )

    async def _start(self, name: str, attempt: int) -> None:
        """Launch; put the run on record; let it go; wait until it is known to have started."""
        container = self._container(name)
        assert self.facts.sandbox is not None
        run = Run(
            id=secrets.token_hex(32),
            attempt=attempt,
            image=container.image,
            image_id="",
            spec_hash=spec_hash(container),
            sandbox_attempt=self.facts.sandbox.attempt,
            created_at=time.time(),
        )
        body = partial(operations.launch_container, self.node, self.stored, container, run)
        forked = worker.Forked(body)
        try:
            try:
                run.image_id = str((await self._said(forked, "image"))["image"])
                await self._said(forked, "created")
            except PodrunError as error:
                self._start_trouble(name, error)
                await worker.ended(forked.pidfd, is_child=True)
                os.close(forked.pidfd)
                return
            known = self.facts.of(name)
            self.facts.containers[name] = backoff.next_run(known, run, self.node.settings)
            self.changed()
            self._watch_monitor(name, run, forked.pidfd, is_child=True)
            forked.let_go()
            await self._await_start(forked, run)
        finally:
            forked.close()

    async def _said(self, forked: worker.Forked, key: str) -> dict[str, Any]:
        answer = await forked.lines.next()
        if answer is None or key not in answer:
            worker.unpack(answer, "start container")
        assert answer is not None
        return answer

    async def _await_start(self, forked: worker.Forked, run: Run) -> None:
        """A failure shows as an exit record; the end of the pipe without a word, too."""
        answer = await forked.lines.next()
        if answer is not None and "started" in answer and run.started_at is None:
            run.started_at = float(answer["started"])

    def _start_trouble(self, name: str, error: PodrunError) -> None:
        known = self.facts.containers.setdefault(name, ContainerFacts())
        known.trouble = backoff.next_trouble(
            known.trouble, error.reason or "CreateContainerError", _text(error), time.time()
        )

    def _signal(self, name: str, signal: str, why: str) -> None:
        run = self.facts.of(name).current
        assert run is not None
        run.stop_sent_at = time.time()
        run.stop_reason = why
        record = control.load(self.node.paths.runtime, run.id)
        if record is not None:
            try:
                number = control.signal_number(signal or record.stop_signal)
            except PodrunError:
                number = control.signal_number("")  # the image names no signal of this system
            control.send(record, number)

    def _kill(self, name: str, why: str) -> None:
        run = self.facts.of(name).current
        assert run is not None
        run.kill_sent_at = time.time()
        run.stop_reason = run.stop_reason or why
        record = control.load(self.node.paths.runtime, run.id)
        if record is not None:
            control.kill(record)

    async def _release(self) -> None:
        self._stop_watching_pause()
        await self._finish_background()
        try:
            await worker.run(operations.release, self.node, self.stored)
        except PodrunError as error:
            self._sandbox_trouble(error, "KillPodSandboxError")
            return
        self.released = True
        for listener in tuple(self.listeners):
            listener(self.stored, [])

    # ── what happens by itself ──────────────────────────────────────────────────────────────────

    def adopt(self) -> None:
        """Go on from the records of another agent. The records of the monitors are merged in."""
        now = time.time()
        if self.facts.deletion is not None:
            asked = self.facts.deletion
            self.facts.deletion = type(asked)(asked.at, asked.grace_seconds, began_at=now)
        self._adopt_sandbox(now)
        for container in self.stored.pod.spec.all_containers:
            self._adopt_container(container, now)
        self.changed()

    def _adopt_sandbox(self, now: float) -> None:
        known = self.facts.sandbox
        if known is None or not known.ready:
            return
        record = sandbox.read(self.stored.paths)
        if record is not None and record.attempt == known.attempt and record.alive():
            self._watch_pause()
        else:
            known.ready = False
            known.lost_at = now

    def _adopt_container(self, container: Container, now: float) -> None:
        known = self.facts.of(container.name)
        run = known.current
        if run is None:
            return
        if observe.was_never_let_go(self.stored.paths, container.name, run):
            self.facts.containers[container.name] = backoff.without_run(known)
            self._clean_up(container.name, run)
            return
        record = control.load(self.node.paths.runtime, run.id)
        if run.exit is not None:
            if record is not None:
                self._ended(container.name, run)
            return
        if record is not None and record.monitor_alive():
            pidfd = process.pidfd_of(record.monitor_pid, record.monitor_start_time)
            if pidfd is not None:
                self._watch_monitor(container.name, run, pidfd, is_child=False)
                return
        self._ended(container.name, run)

    def _watch_pause(self) -> None:
        record = sandbox.read(self.stored.paths)
        pidfd = None if record is None else process.pidfd_of(record.pid, record.start_time)
        if pidfd is None:
            self._pause_ended(self.facts.sandbox)
        else:
            self._pause_watch = self._spawn(self._wait_for_pause(pidfd, self.facts.sandbox))

    def _stop_watching_pause(self) -> None:
        """Its end is ours to bring about from here on."""
        if self._pause_watch is not None:
            self._pause_watch.cancel()

    async def _wait_for_pause(self, pidfd: int, watched: Sandbox | None) -> None:
        try:
            await worker.readable(pidfd)
        finally:
            os.close(pidfd)
        self._pause_ended(watched)

    def _pause_ended(self, watched: Sandbox | None) -> None:
        if watched is None or watched is not self.facts.sandbox or watched.stopped_at is not None:
            return
        watched.ready = False
        watched.lost_at = watched.lost_at or time.time()
        self.wake()

    def _watch_monitor(self, name: str, run: Run, pidfd: int, *, is_child: bool) -> None:
        self._spawn(self._wait_for_monitor(name, run, pidfd, is_child=is_child))

    async def _wait_for_monitor(self, name: str, run: Run, pidfd: int, *, is_child: bool) -> None:
        try:
            await worker.ended(pidfd, is_child=is_child)
        finally:
            os.close(pidfd)
        self._ended(name, run)
        self.changed()
        self.wake()

    def _ended(self, name: str, run: Run) -> None:
        """The monitor is gone: its record says how the run ended, or nobody knows."""
        if run.exit is None:
            observe.merge_run(name, run, self.stored.paths)
        cgroup = container_cgroup(self.node.config, self.stored.pod, name, run.attempt)
        group = Group(cgroup)
        if run.exit is None:
            group.kill()
            run.exit = observe.unknown_exit(time.time())
        elif group.oom_kills() and not run.exit.oom_killed:
            run.exit = observe.out_of_memory(run.exit)
        self._clean_up(name, run)

    def _clean_up(self, name: str, run: Run) -> None:
        self._spawn(self._remove_container(name, run))

    async def _remove_container(self, name: str, run: Run) -> None:
        with contextlib.suppress(PodrunError):  # tried again when the pod is released
            await worker.run(operations.remove_container, self.node, self.stored, name, run)

    # ── helpers ─────────────────────────────────────────────────────────────────────────────────

    def _container(self, name: str) -> Container:
        return next(c for c in self.stored.pod.spec.all_containers if c.name == name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _finish_background(self) -> None:
        """Wait for clean-ups under way; watchers of what is gone end by themselves."""
        me = asyncio.current_task()
        pending = [task for task in self._background if task is not me]
        if pending:
            await asyncio.wait(pending, timeout=10)


def _text(error: PodrunError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
