"""The pods of a workload as its controller sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podrun.agent.podtask import PodTask
from podrun.api.pod import Pod
from podrun.pod.facts import Facts
from podrun.pod.outcome import FAILED, SUCCEEDED, ended_at, phase
from podrun.pod.progress import is_ready
from podrun.pod.readiness import gate_readiness, readiness, true_since
from podrun.workload.model import PodView
from podrun.workload.ownership import owners


def owned_by(tasks: Iterable[PodTask], uid: str) -> Iterator[PodTask]:
    """Those that belong to the object ``uid`` and are not quite gone."""
    return (task for task in tasks if uid in owners(task.stored.pod) and not task.released)


def view_of(task: PodTask) -> PodView:
    pod, facts = task.stored.pod, task.facts
    reached = phase(pod, facts)
    return PodView(
        pod=pod,
        phase=reached,
        created_at=facts.accepted_at,
        ready_since=_ready_since(pod, facts),
        finished_at=ended_at(pod, facts) if reached in (SUCCEEDED, FAILED) else None,
        deleting=facts.deletion is not None,
        restarts=sum(known.restarts for known in facts.containers.values()),
    )


def _ready_since(pod: Pod, facts: Facts) -> float | None:
    if not is_ready(pod, facts):
        return None
    return true_since([*readiness(pod, facts), *gate_readiness(pod, facts)], facts.accepted_at)
