"""The node's room: which pods may start. The rule is ``podrun.pod.fitting``, here are its inputs.

a pod comes, changes, ends, goes ──► somebody waits? ──► review ─┬► admitted: wake its task
                                                                 ├► refused: the message is kept
                          a resize was deferred, and has room now └► wake its task
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

from podrun.agent.node import Node
from podrun.agent.podtask import PodTask
from podrun.api.pod import Pod
from podrun.errors import InvalidManifest
from podrun.pod import resizing
from podrun.pod.facts import Run, Trouble
from podrun.pod.fitting import Answer, Applicant, never_fits, review
from podrun.pod.outcome import outcome
from podrun.pod.resources import Amounts, requests
from podrun.pod.runs import any_live, live_containers

UNSCHEDULABLE = "Unschedulable"


class Capacity:
    """``tasks`` gives every pod of the node. Reviews follow each other, never overlap."""

    def __init__(self, node: Node, tasks: Callable[[], Iterable[PodTask]]) -> None:
        self._node = node
        self._tasks = tasks
        self._due = False

    def heard(self) -> None:
        """Something happened that may have made room; looked at once the loop comes round."""
        if not self._due and any(_waits(task) or _deferred(task) for task in self._tasks()):
            self._due = True
            asyncio.get_running_loop().call_soon(self._review_due)

    def _review_due(self) -> None:
        self._due = False
        self.review()

    def check(self, pods: Iterable[Pod]) -> None:
        """Raises InvalidManifest for those that would not even fit on the empty node."""
        room = self._node.allocatable
        refused = [(pod, why) for pod in pods if (why := never_fits(pod, room))]
        if refused:
            listed = "\n".join(
                f"pod/{pod.metadata.name} can never be placed: {why}" for pod, why in refused
            )
            hint = "lower its requests; nothing was changed"
            raise InvalidManifest(listed, hint=hint, reason=UNSCHEDULABLE)

    def consider(self, pod: Pod, now: float, *, later: bool) -> Trouble | None:
        """Of a pod that comes now; None: it may start. ``later``: it waits for another to go."""
        if later:
            return Trouble(UNSCHEDULABLE, "", now)
        newcomer = _applicant(pod, now)
        candidates = [*self._waiting().values(), newcomer]
        answers = review(self._node.allocatable, self._taken(), candidates)
        own = next(answer for answer in answers if answer.uid == newcomer.uid)
        return None if own.admitted else Trouble(UNSCHEDULABLE, own.message, now)

    def review(self) -> None:
        """Admit whoever fits now, the oldest first, and tell the others why they do not.

        What is left then is for those that run and want more.
        """
        waiting = self._waiting()
        for answer in review(self._node.allocatable, self._taken(), list(waiting.values())):
            _tell(next(t for t in self._tasks() if t.stored.paths.uid == answer.uid), answer)
        for task in self._tasks():
            runs = _deferred(task)
            if runs and not self._refuses(task):
                for run in runs:
                    resizing.retry(run, time.time())
                task.wake()

    def _refuses(self, task: PodTask) -> bool:
        pod, taken = task.stored.pod, self.taken_beside(task.stored.paths.uid)
        return resizing.refusal(pod, task.facts, self._node.allocatable, taken) is not None

    def _waiting(self) -> dict[str, Applicant]:
        return {
            task.stored.paths.uid: _applicant(task.stored.pod, task.facts.accepted_at)
            for task in self._tasks()
            if _waits(task)
        }

    def taken_beside(self, uid: str) -> Amounts:
        """What all pods but that one request, as far as they have a place on the node."""
        total: Amounts = {}
        for amounts in self._taken(but=uid):
            for name, amount in amounts.items():
                total[name] = total.get(name, 0) + amount
        return total

    def _taken(self, *, but: str = "") -> list[Amounts]:
        tasks = (task for task in self._tasks() if task.stored.paths.uid != but)
        return [requests(task.stored.pod) for task in tasks if _takes(task)]


def _waits(task: PodTask) -> bool:
    facts = task.facts
    return facts.unfit is not None and facts.deletion is None and not facts.replaces


def _takes(task: PodTask) -> bool:
    """Until all of it has ended; one that is being deleted, too."""
    facts, pod = task.facts, task.stored.pod
    if facts.unfit is not None or task.released:
        return False
    return not outcome(pod, facts) or any_live(pod, facts)


def _deferred(task: PodTask) -> list[Run]:
    """Its runs that have not what they should, because others have it."""
    live = live_containers(task.stored.pod, task.facts)
    return [run for container, run in live if resizing.is_deferred(container, run)]


def _applicant(pod: Pod, since: float) -> Applicant:
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    return Applicant(pod.metadata.uid, name, requests(pod), since)


def _tell(task: PodTask, answer: Answer) -> None:
    facts = task.facts
    if answer.admitted:
        facts.unfit = None
        facts.accepted_at = time.time()  # from now on the node has it: its deadline runs
        task.wake()
    elif facts.unfit is None or facts.unfit.message != answer.message:
        facts.unfit = Trouble(UNSCHEDULABLE, answer.message, time.time())
    with contextlib.suppress(OSError):  # a full disk: its task saves it before it acts
        task.changed(durable=answer.admitted)
