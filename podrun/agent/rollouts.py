"""How far a workload has come: what ``apply`` waits for, and how it answers."""

from __future__ import annotations

from podrun.agent.controller import Controller, Workload
from podrun.agent.podtask import PodTask
from podrun.agent.waiting import name_of
from podrun.api.objects import describe
from podrun.api.workload import (
    Condition,
    DaemonSet,
    DaemonSetStatus,
    Deployment,
    Job,
    JobStatus,
)
from podrun.errors import PodrunError
from podrun.pod.outcome import outcome
from podrun.pod.progress import obstacle, started_once
from podrun.workload import job
from podrun.workload.conditions import find
from podrun.workload.deploymentstatus import PROGRESSING
from podrun.workload.templates import HASH_LABEL, template_hash


def is_started(controller: Controller) -> bool:
    """Each pod it wants now has been started once; or it has ended, or cannot go on."""
    if controller.gone or controller.trouble:
        return True
    if not controller.settled:
        return False
    pods = _present(controller)
    if not pods and _wants_some(controller.thing):
        return False
    return all(started_once(task.stored.pod, task.facts) for task in pods)


def is_complete(controller: Controller) -> bool:
    """It has all it wants, or has ended; or cannot go on until somebody acts."""
    if controller.gone or controller.trouble:
        return True
    if not controller.settled:
        return False
    thing = controller.thing
    if failure(thing) is not None or _is_held(thing) or _is_done(thing):
        return True
    return is_started(controller) and bool(_obstacles(controller))


def obstacles(controller: Controller) -> dict[str, str]:
    """Why it, or a pod of it, cannot go on; by name."""
    if controller.trouble:
        return {describe(controller.thing): controller.trouble}
    return _obstacles(controller)


def raise_if_failed(thing: Workload) -> None:
    """Raises PodrunError with the message of the condition that says so."""
    failed = failure(thing)
    if failed is not None:
        raise PodrunError(
            f"{describe(thing)} failed: {failed.reason}: {failed.message}",
            hint=f"`podrun describe {describe(thing)}` tells more",
            reason=failed.reason,
        )


def failure(thing: Workload) -> Condition | None:
    if thing.status is None or isinstance(thing.status, DaemonSetStatus):
        return None
    if isinstance(thing.status, JobStatus):
        found = find(thing.status.conditions, job.FAILED)
        return found if found is not None and found.status == "True" else None
    found = find(thing.status.conditions, PROGRESSING)
    return found if found is not None and found.status == "False" else None


def _obstacles(controller: Controller) -> dict[str, str]:
    found = {name_of(task): obstacle(task.stored.pod, task.facts) for task in _present(controller)}
    return {name: text for name, text in found.items() if text}


def _present(controller: Controller) -> list[PodTask]:
    """Its pods of the present template, but for those that are asked to go or are over."""
    thing = controller.thing
    pods = [
        task
        for task in controller.pods
        if task.facts.deletion is None
        and (isinstance(thing, Job) or not outcome(task.stored.pod, task.facts))
    ]
    if isinstance(thing, Job):
        return pods
    mark = template_hash(thing.spec.template)
    return [task for task in pods if task.stored.pod.metadata.labels.get(HASH_LABEL) == mark]


def _wants_some(thing: Workload) -> bool:
    if isinstance(thing, Job):
        over = job.is_over(thing.status or JobStatus())
        return not (over or _is_held(thing) or thing.spec.parallelism == 0)
    if isinstance(thing, Deployment):
        return not thing.spec.paused and thing.spec.replicas != 0
    return not _is_on_delete(thing)


def _is_held(thing: Workload) -> bool:
    """Somebody said that it shall not go on by itself."""
    if isinstance(thing, Job):
        return bool(thing.spec.suspend)
    return thing.spec.paused if isinstance(thing, Deployment) else False


def _is_on_delete(thing: DaemonSet) -> bool:
    strategy = thing.spec.update_strategy
    return strategy is not None and strategy.type == "OnDelete"


def _is_done(thing: Workload) -> bool:
    """As ``kubectl rollout status`` and ``kubectl wait`` see it."""
    if isinstance(thing, Job):
        return job.is_over(thing.status or JobStatus())
    if thing.status is None or thing.status.observed_generation != thing.metadata.generation:
        return False
    if isinstance(thing, DaemonSet):
        updated = thing.status.updated_number_scheduled > 0 or _is_on_delete(thing)
        return updated and thing.status.number_available == thing.status.desired_number_scheduled
    status = thing.status
    counts = (status.updated_replicas, status.replicas, status.available_replicas)
    return counts == (thing.spec.replicas,) * 3
