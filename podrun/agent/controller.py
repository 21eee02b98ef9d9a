"""One Job, Deployment or DaemonSet, alive: ask its controller what is due, and carry it out.

    ┌──► step(object, pods, now) ──► status saved ──► pods deleted ──► pods created ──► events ──┐
    │         │ to be deleted: its pods go, then it                     │ what fails: an event,  │
    │                                                                   ▼ again after a pause    │
    └──── woken (a pod, a request), wake_at or the pause's end ◄─────────────────────────────────┘

It keeps nothing: the object, with its status, and its pods are on disk before it goes on. So an
agent that is killed anywhere creates no pod twice: the next one sees all that there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from podrun.agent import lifecycle
from podrun.agent.podtask import PodTask
from podrun.agent.podviews import owned_by, view_of
from podrun.api.kinds import Kind
from podrun.api.objects import describe, problems, with_defaults
from podrun.api.pod import Pod
from podrun.api.problem import refusal
from podrun.api.workload import DaemonSet, Deployment, Job
from podrun.errors import Conflict, PodrunError
from podrun.pod.events import Event
from podrun.pod.when import rfc3339
from podrun.workload import daemonset, deployment, job
from podrun.workload.attention import needs_attention
from podrun.workload.model import Step

if TYPE_CHECKING:
    from podrun.agent.server import Agent

log = logging.getLogger(__name__)

Workload = Job | Deployment | DaemonSet
#: told after each step, with the events of the workload itself
Listener = Callable[[list[Event]], None]

STEPS: dict[str, Callable[..., Step[Any]]] = {
    "Job": job.step,
    "Deployment": deployment.step,
    "DaemonSet": daemonset.step,
}
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # without vowels no name spells a word
_LONGEST_PAUSE = 60.0


class Controller:
    """``thing`` is the object as last seen, ``trouble`` why the newest try failed, if it did.

    ``gone``: the object and all that was its are removed. ``key`` is its kind, namespace and name.
    """

    def __init__(self, agent: Agent, kind: Kind, thing: Workload) -> None:
        self.thing = thing
        self.uid = thing.metadata.uid
        self.trouble = ""
        self.gone = False
        self.listeners: set[Listener] = set()
        self._agent = agent
        self.key = kind, thing.metadata.namespace, thing.metadata.name
        self._wake = asyncio.Event()
        self._wake.set()
        self._asked = asyncio.Event()  # the object itself has changed
        self._wake_at: float | None = None
        self._retry_at: float | None = None
        self._failures = 0
        self._news: list[Event] = []

    # ── what others ask ─────────────────────────────────────────────────────────────────────────

    @property
    def pods(self) -> list[PodTask]:
        return list(owned_by(self._agent.tasks.values(), self.uid))

    @property
    def settled(self) -> bool:
        """Nothing has happened since its last step."""
        return not self._wake.is_set()

    @property
    def needs_agent(self) -> bool:
        """Something is due, now or at a time; or pods must be watched over."""
        due = (self._wake_at, self._retry_at) != (None, None) or not self.settled
        return not self.gone and (due or needs_attention(self.thing))

    def wake(self) -> None:
        """A pod of it has changed."""
        self._wake.set()

    def changed(self) -> None:
        """The object has changed: what failed before is tried at once."""
        self._failures = 0
        self._asked.set()
        self._wake.set()

    def delete(self, grace: int | None) -> None:
        """Let its pods go, in ``grace`` seconds or (None) their own, and then the object; also if
        the agent dies meanwhile. OSError: nothing of it has begun."""
        thing = self._read()
        if thing is not None:
            at = thing.metadata.deletion_timestamp or rfc3339(time.time())
            metadata = replace(
                thing.metadata, deletion_timestamp=at, deletion_grace_period_seconds=grace
            )
            self._write(replace(thing, metadata=metadata))
        self.changed()

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Until the object is gone. Never raises: what fails is tried again."""
        while not self.gone:
            self._wake.clear()
            self._asked.clear()
            try:
                await self._step()
                self.trouble, self._failures, self._retry_at = "", 0, None
            except PodrunError as error:
                self._failed(error.text)
            except OSError as error:
                self._failed(str(error))
            except Exception as error:  # one workload's trouble is not the others'
                log.exception("%s %s/%s", self.key[0].name, *self.key[1:])
                self._failed(f"internal error: {error!r}")
            self._tell()
            if not self.gone:
                await self._sleep()

    async def _step(self) -> None:
        thing = self._read()
        if thing is None:
            self.gone = True
        elif thing.metadata.deletion_timestamp:
            self._end(thing)
        else:
            tasks = {task.stored.paths.uid: task for task in self.pods}
            views = [view_of(task) for task in tasks.values()]
            due = STEPS[thing.kind](thing, views, time.time(), _suffix)
            self._wake_at = due.wake_at
            if due.status != thing.status:
                self._write(replace(thing, status=due.status))
            for uid in due.delete:
                lifecycle.delete(tasks[uid], None)
            await self._create(due)
            if due.remove:
                self.delete(None)

    async def _create(self, due: Step[Any]) -> None:
        """Each pod as if somebody had applied it. The events are of what was done."""
        missing = {f"Created pod: {pod.metadata.name}" for pod in due.create}
        made: list[PodTask] = []
        try:
            for pod in due.create:
                made.append(self._created(pod))
            await asyncio.sleep(0)  # the tasks fork their workers, which work while the disk does
        finally:
            missing -= {f"Created pod: {task.stored.key[1]}" for task in made}
            self._record([event for event in due.events if event[2] not in missing])
            for task in made:  # one that the machine forgets is created again: none need go
                if not task.released:
                    self._agent.store.sync(task.stored)

    def _created(self, pod: Pod) -> PodTask:
        """Raises InvalidManifest and Conflict; OSError."""
        found = with_defaults(pod)
        assert isinstance(found, Pod)
        if wrong := problems(found):
            raise refusal(wrong)
        key = found.metadata.namespace, found.metadata.name
        if any(task.stored.key == key for task in self._agent.tasks.values()):
            raise Conflict(f"pod/{key[1]} exists already")
        gid = self._agent.objects.store.owner_gid(*self.key)
        return lifecycle.create(self._agent, found, gid)

    def _end(self, thing: Workload) -> None:
        """Its pods are never left behind, and so the object is the last to go."""
        self._wake_at = None
        grace = thing.metadata.deletion_grace_period_seconds
        pods = self.pods
        for task in pods:
            if task.facts.deletion is None or grace is not None:
                lifecycle.delete(task, grace)
        if not pods:
            self._agent.object_events.remove(self.uid)
            self._agent.objects.store.remove(*self.key)
            self.gone = True

    # ── trouble, and rest ───────────────────────────────────────────────────────────────────────

    def _failed(self, why: str) -> None:
        if why != self.trouble:
            log.warning("%s: %s", describe(self.thing), why)
        self.trouble = why
        self._retry_at = time.time() + min(2.0**self._failures, _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 10)
        reason = "FailedDelete" if self.thing.metadata.deletion_timestamp else "FailedCreate"
        with contextlib.suppress(OSError):
            self._record([("Warning", reason, why)])

    async def _sleep(self) -> None:
        """A pod that changes does not cut the pause after a failure short."""
        failed = self._retry_at is not None
        at = self._retry_at if failed else self._wake_at
        timeout = None if at is None else max(at - time.time(), 0.001)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for((self._asked if failed else self._wake).wait(), timeout)

    # ── records ─────────────────────────────────────────────────────────────────────────────────

    def _read(self) -> Workload | None:
        """None: there is none any more, or another one of its name."""
        found = self._agent.objects.store.read(*self.key)
        if found is None or found.metadata.uid != self.uid:
            return None
        assert isinstance(found, Workload)
        self.thing = found
        return found

    def _write(self, thing: Workload) -> None:
        self._agent.objects.store.write(thing)
        self.thing = thing

    def _record(self, told: Sequence[tuple[str, str, str]]) -> None:
        """OSError; who listens hears of it all the same."""
        now = time.time()
        new = [Event(type, reason, message, "", now, now) for type, reason, message in told]
        self._news += new
        if new:
            gid = self._agent.objects.store.owner_gid(*self.key)
            self._agent.object_events.record(self.uid, new, gid)

    def _tell(self) -> None:
        new, self._news = self._news, []
        for listener in tuple(self.listeners):
            listener(new)


def _suffix() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(5))
