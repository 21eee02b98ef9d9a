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
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from podrun.agent import admission, lifecycle, protocol, rollouts, worker
from podrun.agent.admission import Admitted, Source
from podrun.agent.controller import Controller
from podrun.agent.objects import key_of
from podrun.agent.podtask import PodTask
from podrun.agent.restarts import Restart
from podrun.agent.waiting import Progress, Waiting, name_of, of_object, of_pod
from podrun.api.change import Effect, compare
from podrun.api.pod import Pod
from podrun.errors import NotFound
from podrun.pod.facts import Facts, Gate
from podrun.pod.progress import is_ready, obstacle, started_once

if TYPE_CHECKING:
    from podrun.agent.server import Agent


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
        self._agent.controllers.check(prepared)
        self._agent.capacity.check(admitted.pods)
        self._agent.objects.keep(prepared, request.owner_gid)
        for each in prepared:
            self._progress({**of_object(each.thing), "result": each.result})
        workloads = self._agent.controllers.of(each.thing for each in prepared)
        tasks = await self._accept_all(admitted.pods, request.owner_gid)
        if request.wait == "none":
            return {"obstacles": {}}
        return {"obstacles": await self._effect(request, tasks, workloads)}

    async def _effect(
        self, request: protocol.Apply, tasks: list[PodTask], workloads: list[Controller]
    ) -> dict[str, str]:
        """Why what was applied cannot go on, by name. Raises WaitTimeout; PodrunError for a
        workload that has failed, where its success was waited for."""
        ready = request.wait == "ready"
        done = _ready_or_over if ready else started_once
        await Waiting(self._progress, tasks, workloads).until(
            lambda task: done(task.stored.pod, task.facts),
            rollouts.is_complete if ready else rollouts.is_started,
            request.timeout,
        )
        found = {name_of(task): obstacle(task.stored.pod, task.facts) for task in tasks}
        for controller in workloads:
            if ready:
                rollouts.raise_if_failed(controller.thing)
            found |= rollouts.obstacles(controller)
        return {name: text for name, text in found.items() if text}

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
            lifecycle.make_durable(self._agent, self._new)
            for task, result in accepted:
                self._say(task, result=result)
        return [task for task, _ in accepted]

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
            lifecycle.delete(newest, None)
            return self._create(pod, owner_gid, replaces=newest), "configured"
        self._update(newest, pod)
        return newest, "configured"

    def _newest(self, namespace: str, name: str) -> PodTask | None:
        known = [t for t in self._agent.tasks.values() if t.stored.key == (namespace, name)]
        return max(known, key=lambda task: task.facts.accepted_at, default=None)

    def _create(self, pod: Pod, owner_gid: int, replaces: PodTask | None = None) -> PodTask:
        task = lifecycle.create(self._agent, pod, owner_gid, replaces=replaces)
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
            owner_references=old.owner_references,
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
        workloads = self._agent.controllers.find(keys)
        theirs = [task.stored.paths.uid for each in workloads for task in each.pods]
        going = {*request.uids, *theirs} if request.wait or not request.reclaim else set()
        objects.check_deletion(keys, going)
        for controller in workloads:
            controller.delete(request.grace_seconds)
        tasks = [self._agent.tasks[uid] for uid in request.uids if uid in self._agent.tasks]
        for task in tasks:
            lifecycle.delete(task, request.grace_seconds)
        for kind, namespace, name in objects.delete(
            key for key in keys if key not in [each.key for each in workloads]
        ):
            named = {"object": f"{kind.singular}/{name}", "namespace": namespace}
            self._progress({**named, "result": "deleted"})
        if request.wait:
            waiting = Waiting(self._progress, tasks, workloads)
            await waiting.until(lambda task: task.released, timeout=request.timeout)
        if request.reclaim:
            await objects.reclaim(keys)
        for controller in workloads:
            self._progress({**of_object(controller.thing), "result": "deleted"})
        for task in tasks:
            self._say(task, result="deleted")
        return {}

    # ── readiness gates ─────────────────────────────────────────────────────────────────────────

    def set_gate(self, request: protocol.Gate) -> dict[str, Any]:
        """Raises NotFound when the pod is gone, or has no such gate."""
        task = self._agent.tasks.get(request.uid)
        if task is None:
            raise NotFound("the pod is gone", hint="`podrun ps -A` lists all pods")
        gates = [gate.condition_type for gate in task.stored.pod.spec.readiness_gates]
        if request.type not in gates:
            raise NotFound(
                f'{name_of(task)} has no readiness gate "{request.type}"',
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
            await Waiting(self._progress, tasks).until(
                lambda task: restarts[id(task)].is_over(), timeout=request.timeout
            )
        obstacles = {}
        for restart in restarts.values():
            if request.wait and not restart.is_done():
                obstacles[name_of(restart.task)] = restart.obstacle()
            else:
                self._say(restart.task, result="restarted")
        return {"obstacles": obstacles}

    def _say(self, task: PodTask, result: str) -> None:
        self._progress({**of_pod(task.stored), "result": result})


def _ready_or_over(pod: Pod, facts: Facts) -> bool:
    return is_ready(pod, facts) or (started_once(pod, facts) and _cannot_become_ready(pod, facts))


def _cannot_become_ready(pod: Pod, facts: Facts) -> bool:
    from podrun.pod.outcome import outcome

    return facts.deletion is not None or bool(outcome(pod, facts)) or bool(obstacle(pod, facts))
