"""What a request changes: pods accepted, updated, replaced, deleted; and waiting for the effect.

no pod of that name ─────────────────────────────► created
equal ───────────────────────────────────────────► unchanged
only what may change in place, or containers ────► configured: same pod, policy restarts those
anything else ───────────────────────────────────► configured: the old pod is deleted gracefully,
                                                   the new one waits for it (facts.replaces)
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from podrun.agent import admission, protocol, worker
from podrun.agent.admission import Admitted, Source
from podrun.agent.objects import key_of
from podrun.agent.podstore import StoredPod
from podrun.agent.podtask import PodTask
from podrun.agent.restarts import Restart
from podrun.api.change import Effect, compare
from podrun.api.objects import AnyObject, describe
from podrun.api.pod import Pod
from podrun.errors import NotFound, WaitTimeout
from podrun.pod.events import Event
from podrun.pod.facts import Deletion, Facts, Gate
from podrun.pod.progress import is_ready, obstacle, started_once
from podrun.pod.when import rfc3339

if TYPE_CHECKING:
    from podrun.agent.server import Agent

Progress = Callable[[dict[str, Any]], None]

DEFAULT_GRACE = 30


class Changes:
    """One request's work on the agent's pods. ``progress`` is told each result and event."""

    def __init__(self, agent: Agent, progress: Progress) -> None:
        self._agent = agent
        self._progress = progress
        self._new: list[PodTask] = []

    # ── apply ───────────────────────────────────────────────────────────────────────────────────

    async def apply(self, request: protocol.Apply, payload: bytes) -> dict[str, Any]:
        """Accept the pods of all manifests, then wait as asked.

        Raises InvalidManifest and UsageError: nothing has changed; WaitTimeout: the pods go on.
        """
        admitted = await self._admitted(protocol.split(request, payload), request.namespace)
        for note in admitted.notes:
            self._progress({"note": note})
        prepared = self._agent.objects.prepare(admitted.others)
        self._agent.capacity.check(admitted.pods)
        self._agent.objects.keep(prepared, request.owner_gid)
        for each in prepared:
            self._progress({**_named(each.thing), "result": each.result})
        tasks = await self._accept_all(admitted.pods, request.owner_gid)
        if request.wait != "none":
            done = started_once if request.wait == "started" else _ready_or_over
            await self._wait(tasks, lambda t: done(t.stored.pod, t.facts), request.timeout)
        obstacles = {
            _name(task): text
            for task in tasks
            if (text := obstacle(task.stored.pod, task.facts)) and request.wait != "none"
        }
        return {"obstacles": obstacles}

    async def _admitted(self, sources: list[Source], namespace: str) -> Admitted:
        name = self._agent.node.name
        if admission.is_harmless(sources):
            return admission.admitted(sources, namespace=namespace, node_name=name)
        answer = await worker.run(admission.bounded, sources, namespace, name)
        return admission.from_wire(answer)

    async def _accept_all(self, pods: Sequence[Pod], owner_gid: int) -> list[PodTask]:
        """Nobody is told of a pod before it is durable; but its task begins at once, because
        nothing of what runs outlives the machine either. OSError: what was accepted, stays."""
        accepted: list[tuple[PodTask, str]] = []
        try:
            for pod in pods:
                accepted.append(self._accept(pod, owner_gid))
        finally:
            await asyncio.sleep(0)  # the tasks fork their workers, which work while the disk does
            self._make_durable()
            for task, result in accepted:
                self._say(task, result=result)
        return [task for task, _ in accepted]

    def _make_durable(self) -> None:
        try:
            for task in self._new:
                self._agent.store.sync(task.stored)
        except OSError:
            for task in self._new:
                self._delete(task, 0)
            raise

    def _accept(self, pod: Pod, owner_gid: int) -> tuple[PodTask, str]:
        newest = self._newest(pod.metadata.namespace, pod.metadata.name)
        if newest is None:
            return self._create(pod, owner_gid), "created"
        if newest.facts.deletion is not None:
            return self._create(pod, owner_gid, replaces=newest), "created"
        change = compare(newest.stored.pod, pod)
        if change.effect is Effect.UNCHANGED:
            return newest, "unchanged"
        if change.effect is Effect.RECREATE and not newest.facts.replaces:
            self._delete(newest, None)
            return self._create(pod, owner_gid, replaces=newest), "configured"
        self._update(newest, pod)
        return newest, "configured"

    def _newest(self, namespace: str, name: str) -> PodTask | None:
        known = [t for t in self._agent.tasks.values() if t.stored.key == (namespace, name)]
        return max(known, key=lambda task: task.facts.accepted_at, default=None)

    def _create(self, pod: Pod, owner_gid: int, replaces: PodTask | None = None) -> PodTask:
        now = time.time()
        metadata = msgspec.structs.replace(
            pod.metadata, uid=str(uuid.uuid4()), generation=1, creation_timestamp=rfc3339(now)
        )
        pod = msgspec.structs.replace(pod, metadata=metadata)
        facts = Facts(
            accepted_at=now,
            replaces=replaces.stored.paths.uid if replaces else "",
            unfit=self._agent.capacity.consider(pod, now, later=replaces is not None),
        )
        stored = self._agent.store.create(pod, facts, owner_gid)
        task = self._agent.add(stored)
        task.accepted()
        self._new.append(task)
        return task

    def _update(self, task: PodTask, pod: Pod) -> None:
        """The new definition under the old identity; policy does the rest."""
        old = task.stored.pod.metadata
        metadata = msgspec.structs.replace(
            pod.metadata,
            uid=old.uid,
            generation=old.generation + 1,
            creation_timestamp=old.creation_timestamp,
        )
        task.stored.pod = msgspec.structs.replace(pod, metadata=metadata)
        self._agent.store.save_pod(task.stored)
        for known in task.facts.containers.values():
            known.trouble = None  # of the old definition: the new one is tried at once
        if task.facts.unfit is not None:
            self._agent.capacity.review()  # it may fit as it is now
        task.changed()
        task.objects_changed()  # a volume may show its labels and annotations

    # ── delete ──────────────────────────────────────────────────────────────────────────────────

    async def delete(self, request: protocol.Delete) -> dict[str, Any]:
        """What is unknown is gone already. Raises UsageError and Conflict: nothing was deleted;
        WaitTimeout: the deletion goes on."""
        objects = self._agent.objects
        keys = [key_of(each.kind, each.namespace, each.name) for each in request.objects]
        objects.check_deletion(keys, request.uids if request.wait or not request.reclaim else ())
        tasks = [self._agent.tasks[uid] for uid in request.uids if uid in self._agent.tasks]
        for task in tasks:
            self._delete(task, request.grace_seconds)
        for kind, namespace, name in objects.delete(keys):
            named = {"object": f"{kind.singular}/{name}", "namespace": namespace}
            self._progress({**named, "result": "deleted"})
        if request.wait:
            await self._wait(tasks, lambda task: task.released, request.timeout)
        if request.reclaim:
            await objects.reclaim(keys)
        for task in tasks:
            self._say(task, result="deleted")
        return {}

    def _delete(self, task: PodTask, grace: int | None) -> None:
        """A second request may shorten the grace, never lengthen it (semantics §2)."""
        now = time.time()
        spec_grace = task.stored.pod.spec.termination_grace_period_seconds
        seconds = (DEFAULT_GRACE if spec_grace is None else spec_grace) if grace is None else grace
        asked = task.facts.deletion
        if asked is None:
            task.facts.deletion = Deletion(at=now, grace_seconds=seconds, began_at=now)
        elif grace is not None and now + seconds < asked.began_at + asked.grace_seconds:
            task.facts.deletion = Deletion(at=asked.at, grace_seconds=seconds, began_at=now)
        task.changed(durable=True)
        task.wake()

    # ── readiness gates ─────────────────────────────────────────────────────────────────────────

    def set_gate(self, request: protocol.Gate) -> dict[str, Any]:
        """Raises NotFound when the pod is gone, or has no such gate."""
        task = self._agent.tasks.get(request.uid)
        if task is None:
            raise NotFound("the pod is gone", hint="`podrun ps -A` lists all pods")
        gates = [gate.condition_type for gate in task.stored.pod.spec.readiness_gates]
        if request.type not in gates:
            raise NotFound(
                f'{_name(task)} has no readiness gate "{request.type}"',
                hint=f"it has {', '.join(gates)}" if gates else "spec.readinessGates names them",
            )
        known = task.facts.gates.get(request.type)
        if known is None or known.holds != request.holds:
            task.facts.gates[request.type] = Gate(holds=request.holds, changed_at=time.time())
            task.changed(durable=True)
        return {}

    # ── restart ─────────────────────────────────────────────────────────────────────────────────

    async def restart(self, request: protocol.Restart) -> dict[str, Any]:
        """All of them or none. Raises NotFound, PodrunError, and WaitTimeout: then it goes on."""
        if any(uid not in self._agent.tasks for uid in request.uids):
            raise NotFound("a pod is gone", hint="`podrun ps -A` lists all pods")
        restarts = {
            id(task): Restart(task, request.container)
            for task in (self._agent.tasks[uid] for uid in request.uids)
        }
        for restart in restarts.values():
            restart.check()
        for restart in restarts.values():
            restart.ask()
        if request.wait:
            tasks = [restart.task for restart in restarts.values()]
            await self._wait(tasks, lambda task: restarts[id(task)].is_over(), request.timeout)
        obstacles = {}
        for restart in restarts.values():
            if request.wait and not restart.is_done():
                obstacles[_name(restart.task)] = restart.obstacle()
            else:
                self._say(restart.task, result="restarted")
        return {"obstacles": obstacles}

    # ── waiting ─────────────────────────────────────────────────────────────────────────────────

    async def _wait(
        self, tasks: list[PodTask], done: Callable[[PodTask], bool], timeout: float | None
    ) -> None:
        """Until ``done`` holds for each, telling their events meanwhile."""
        changed = asyncio.Event()

        def heard(stored: StoredPod, events: list[Event]) -> None:
            for event in events:
                self._progress({**_object(stored), "event": msgspec.to_builtins(event)})
            changed.set()

        def pulls(stored: StoredPod, pull: dict[str, Any]) -> None:
            self._progress({**_object(stored), "pull": pull})

        for task in tasks:
            task.listeners.add(heard)
            task.pull_listeners.add(pulls)
        try:
            async with asyncio.timeout(timeout):
                while not all(done(task) or task.released for task in tasks):
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            late = ", ".join(_name(task) for task in tasks if not done(task))
            raise WaitTimeout(
                f"timed out after {timeout:g} s waiting for {late}",
                hint="it goes on: see `podrun describe` and `podrun events`",
            ) from None
        finally:
            for task in tasks:
                task.listeners.discard(heard)
                task.pull_listeners.discard(pulls)

    def _say(self, task: PodTask, result: str) -> None:
        self._progress({**_object(task.stored), "result": result})


def _ready_or_over(pod: Pod, facts: Facts) -> bool:
    return is_ready(pod, facts) or (started_once(pod, facts) and _cannot_become_ready(pod, facts))


def _cannot_become_ready(pod: Pod, facts: Facts) -> bool:
    from podrun.pod.outcome import outcome

    return facts.deletion is not None or bool(outcome(pod, facts)) or bool(obstacle(pod, facts))


def _named(thing: AnyObject) -> dict[str, Any]:
    meta = thing.metadata
    return {"object": describe(thing), "namespace": meta.namespace, "uid": meta.uid}


def _object(stored: StoredPod) -> dict[str, Any]:
    namespace, name = stored.key
    return {"object": f"pod/{name}", "namespace": namespace, "uid": stored.paths.uid}


def _name(task: PodTask) -> str:
    return f"pod/{task.stored.key[1]}"
