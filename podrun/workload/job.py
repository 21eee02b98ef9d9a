"""The Job: pods that run until enough of them have succeeded, or too many have failed.

    (suspended ◄──► running) ──enough succeeded──► SuccessCriteriaMet ──no pod is left──► Complete
                        │                                                                    │
                        └──too many failed,──► FailureTarget ──no pod is left──► Failed      │
                           or out of time                                          │         │
                                                  ttlSecondsAfterFinished: removed ◄─────────┘

Without ``completions`` the pods share a queue of work: one success ends the creating of pods, and
the Job is complete when all have ended. Ended pods are kept until the Job is deleted. The rules,
reasons and messages are those of Kubernetes' job controller (1.31 on).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from podrun.api.workload import Condition, Job, JobStatus
from podrun.pod.when import epoch, rfc3339
from podrun.workload.conditions import condition, find, holds, put
from podrun.workload.jobcount import counted, next_pod_at, with_failed, with_ignored
from podrun.workload.model import PodView, Step, Suffix
from podrun.workload.pods import (
    BURST,
    created,
    deleted,
    earliest,
    is_active,
    is_finished,
    removal_order,
)
from podrun.workload.templates import new_names, new_pods

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
FAILURE_TARGET, SUCCESS_CRITERIA_MET = "FailureTarget", "SuccessCriteriaMet"

Events = tuple[tuple[str, str, str], ...]


def step(job: Job, pods: Sequence[PodView], now: float, suffix: Suffix) -> Step[JobStatus]:
    """What is due for ``job``, whose pods are ``pods``."""
    before = job.status or JobStatus()
    if is_over(before):
        return _over(job, before, now)
    status = _with_active(counted(before, pods), pods)
    events: Events = ()
    target = _target(status)
    if target is None:
        status, events = _started(job, status, now)
        target = _verdict(job, status, pods, now)
    if target is None:
        more = _run(job, status, pods, now, suffix)
    else:
        more = _wind_up(job, status, target, pods, now)
    return replace(more, events=(*events, *more.events))


def is_over(status: JobStatus) -> bool:
    return holds(status.conditions, COMPLETE) or holds(status.conditions, FAILED)


def labels_of(job: Job) -> dict[str, str]:
    """What marks the pods of ``job``; the short names are older and still read."""
    name, uid = job.metadata.name, job.metadata.uid
    return {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }


def _with_active(status: JobStatus, pods: Sequence[PodView]) -> JobStatus:
    active = [view for view in pods if is_active(view)]
    ready = sum(view.ready_since is not None for view in active)
    return replace(status, active=len(active), ready=ready)


# ── running ─────────────────────────────────────────────────────────────────────────────────────


def _started(job: Job, status: JobStatus, now: float) -> tuple[JobStatus, Events]:
    """The time of start and the condition Suspended. Each resumption starts the clock anew."""
    was = holds(status.conditions, SUSPENDED)
    if bool(job.spec.suspend) == was:
        start = status.start_time or ("" if was else rfc3339(now))
        return replace(status, start_time=start), ()
    if was:
        status = _with_condition(status, SUSPENDED, "JobResumed", "Job resumed", now, "False")
        return replace(status, start_time=rfc3339(now)), (("Normal", "Resumed", "Job resumed"),)
    status = _with_condition(status, SUSPENDED, "JobSuspended", "Job suspended", now)
    return status, (("Normal", "Suspended", "Job suspended"),)


def _run(
    job: Job, status: JobStatus, pods: Sequence[PodView], now: float, suffix: Suffix
) -> Step[JobStatus]:
    active = [view for view in pods if is_active(view)]
    missing = _wanted(job, status) - len(active)
    extra = removal_order(active)[: max(-missing, 0)]
    status = with_ignored(status, pods, [view.uid for view in extra])
    due = next_pod_at(status, pods)
    count = min(missing, BURST) if due <= now else 0
    names = tuple(new_names(job.metadata.name, count, pods, suffix))
    return Step(
        status=status,
        create=new_pods(job, names, labels_of(job)),
        delete=tuple(view.uid for view in extra),
        wake_at=earliest(now, (due if missing > 0 else None, _deadline(job, status))),
        events=(*deleted(extra), *created(names)),
    )


def _wanted(job: Job, status: JobStatus) -> int:
    """How many pods shall be active."""
    parallelism, completions = job.spec.parallelism, job.spec.completions
    at_once = 1 if parallelism is None else parallelism
    if job.spec.suspend:
        return 0
    if completions is None:  # once one has succeeded the others finish, and nobody is sent after
        return status.active if status.succeeded else at_once
    return max(min(at_once, completions - status.succeeded), 0)


def _deadline(job: Job, status: JobStatus) -> float | None:
    started, seconds = epoch(status.start_time), job.spec.active_deadline_seconds
    if started is None or seconds is None or job.spec.suspend:
        return None
    return started + seconds


# ── ending ──────────────────────────────────────────────────────────────────────────────────────


def _target(status: JobStatus) -> Condition | None:
    """How the Job will end, where that is settled."""
    for kind in (FAILURE_TARGET, SUCCESS_CRITERIA_MET):
        if holds(status.conditions, kind):
            return find(status.conditions, kind)
    return None


def _verdict(job: Job, status: JobStatus, pods: Sequence[PodView], now: float) -> Condition | None:
    deadline = _deadline(job, status)
    if status.failed > _limit(job) or _restarted_too_often(job, pods):
        why = "Job has reached the specified backoff limit"
        return _condition(FAILURE_TARGET, "BackoffLimitExceeded", why, now)
    if deadline is not None and deadline <= now:
        why = "Job was active longer than specified deadline"
        return _condition(FAILURE_TARGET, "DeadlineExceeded", why, now)
    if _enough(job, status):
        why = "Reached expected number of succeeded pods"
        return _condition(SUCCESS_CRITERIA_MET, "CompletionsReached", why, now)
    return None


def _limit(job: Job) -> int:
    return 6 if job.spec.backoff_limit is None else job.spec.backoff_limit


def _restarted_too_often(job: Job, pods: Sequence[PodView]) -> bool:
    """With OnFailure the containers start again in their pod: those restarts count, of all pods
    that run, against the limit that is otherwise one of failed pods."""
    if job.spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = sum(view.restarts for view in pods if not is_finished(view))
    return restarts > 0 if _limit(job) == 0 else restarts >= _limit(job)


def _enough(job: Job, status: JobStatus) -> bool:
    if job.spec.completions is None:
        return status.succeeded > 0 and status.active == 0
    return status.succeeded >= job.spec.completions


def _wind_up(
    job: Job, status: JobStatus, target: Condition, pods: Sequence[PodView], now: float
) -> Step[JobStatus]:
    """Delete what still runs; the Job has ended once nothing does."""
    if find(status.conditions, target.type) is None:
        status = replace(status, conditions=(*status.conditions, target))
    active = [view for view in pods if is_active(view)]
    uids = [view.uid for view in active]
    # As upstream: of a Job that fails, every pod that has not ended counts as failed.
    failing = target.type == FAILURE_TARGET
    status = with_failed(status, uids) if failing else with_ignored(status, pods, uids)
    if any(not is_finished(view) for view in pods):
        return Step(status=status, delete=tuple(uids), events=deleted(active))
    kind = FAILED if failing else COMPLETE
    status = replace(
        _with_condition(status, kind, target.reason, target.message, now),
        completion_time="" if failing else rfc3339(now),
        uncounted_terminated_pods={},
    )
    event = ("Normal", "Completed", "Job completed")
    if failing:
        event = ("Warning", target.reason, target.message)
    return replace(_over(job, status, now), events=(event,))


def _over(job: Job, status: JobStatus, now: float) -> Step[JobStatus]:
    """It has ended; ``ttlSecondsAfterFinished`` later it goes, and its pods with it."""
    end = find(status.conditions, COMPLETE) or find(status.conditions, FAILED)
    ended = epoch(end.last_transition_time) if end else None
    seconds = job.spec.ttl_seconds_after_finished
    if ended is None or seconds is None:
        return Step(status=status)
    due = ended + seconds
    return Step(status=status, remove=due <= now, wake_at=earliest(now, (due,)))


def _with_condition(
    status: JobStatus, kind: str, reason: str, message: str, now: float, value: str = "True"
) -> JobStatus:
    new = _condition(kind, reason, message, now, value)
    return replace(status, conditions=put(status.conditions, new))


def _condition(kind: str, reason: str, message: str, now: float, status: str = "True") -> Condition:
    at = rfc3339(now)
    return condition(kind, status, reason, message, at, last_probe_time=at)
