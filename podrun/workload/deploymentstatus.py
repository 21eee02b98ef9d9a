"""The status of a Deployment: its numbers, and the conditions Available and Progressing.

    Progressing: ReplicaSetUpdated ──all new and available──► NewReplicaSetAvailable
                    ▲  │ nothing better for progressDeadlineSeconds        │ another template
                    │  └──► ProgressDeadlineExceeded (False)               │
                    └──────── NewReplicaSetCreated ◄───────────────────────┘

Reasons are Kubernetes', whose tools look for them, though podrun has no ReplicaSets.
"""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api.workload import Condition, Deployment, DeploymentStatus
from podrun.pod.when import epoch, rfc3339
from podrun.workload.conditions import condition, find, put
from podrun.workload.fleet import Fleet

AVAILABLE, PROGRESSING = "Available", "Progressing"

CREATED = "NewReplicaSetCreated"
UPDATED = "ReplicaSetUpdated"
COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"

_NO_DEADLINE = 2**31 - 1


def next_status(deployment: Deployment, fleet: Fleet, now: float) -> DeploymentStatus:
    before = deployment.status or DeploymentStatus()
    available = sum(map(fleet.available, fleet.live))
    status = DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=len(fleet.live),
        updated_replicas=len(fleet.new),
        ready_replicas=sum(view.ready_since is not None for view in fleet.live),
        available_replicas=available,
        unavailable_replicas=max(len(fleet.live), fleet.replicas) - available,
        conditions=before.conditions,
    )
    status = _available(status, fleet, now)
    progress = _progress(deployment, before, status, fleet, now)
    if progress is None:
        return status
    return replace(status, conditions=put(status.conditions, progress))


def progress_deadline(deployment: Deployment, status: DeploymentStatus) -> float | None:
    """When the rollout will be given up for stuck, unless something happens; None: never."""
    progress = find(status.conditions, PROGRESSING)
    seconds = deployment.spec.progress_deadline_seconds
    if progress is None or seconds is None or seconds == _NO_DEADLINE or deployment.spec.paused:
        return None
    if progress.reason in (COMPLETE, TIMED_OUT):
        return None
    updated = epoch(progress.last_update_time)
    return None if updated is None else updated + seconds


def _available(status: DeploymentStatus, fleet: Fleet, now: float) -> DeploymentStatus:
    value, reason = "False", "MinimumReplicasUnavailable"
    message = "Deployment does not have minimum availability."
    if status.available_replicas >= fleet.replicas - fleet.unavailable:
        value, reason = "True", "MinimumReplicasAvailable"
        message = "Deployment has minimum availability."
    known = find(status.conditions, AVAILABLE)
    if known is not None and known.reason == reason:
        return status
    new = _condition(AVAILABLE, value, reason, message, now)
    return replace(status, conditions=put(status.conditions, new))


def _progress(
    deployment: Deployment,
    before: DeploymentStatus,
    status: DeploymentStatus,
    fleet: Fleet,
    now: float,
) -> Condition | None:
    """The condition Progressing, where it is another one than before."""
    known = find(before.conditions, PROGRESSING)
    reason = known.reason if known else ""
    name = f'Deployment "{deployment.metadata.name}"'
    if deployment.spec.paused:
        # That it got stuck is not hidden by a pause.
        return _unless(reason, (PAUSED, TIMED_OUT), "Unknown", PAUSED, "Deployment is paused", now)
    if reason == COMPLETE and not fleet.old:
        return None  # pods that come and go later are no rollout
    if _is_complete(status, fleet):
        why = f"{name} has successfully progressed."
        return _condition(PROGRESSING, "True", COMPLETE, why, now)
    if reason == PAUSED:
        return _condition(PROGRESSING, "Unknown", RESUMED, "Deployment is resumed", now)
    if reason in ("", COMPLETE):
        return _condition(PROGRESSING, "True", CREATED, f"{name} is progressing.", now)
    if _is_better(before, status):
        return _condition(PROGRESSING, "True", UPDATED, f"{name} is progressing.", now)
    deadline = progress_deadline(deployment, before)
    if deadline is not None and deadline <= now:
        why = f"{name} has timed out progressing."
        return _condition(PROGRESSING, "False", TIMED_OUT, why, now)
    return None


def _unless(
    known: str, but: tuple[str, ...], value: str, reason: str, message: str, now: float
) -> Condition | None:
    return None if known in but else _condition(PROGRESSING, value, reason, message, now)


def _is_complete(status: DeploymentStatus, fleet: Fleet) -> bool:
    counts = (status.updated_replicas, status.replicas, status.available_replicas)
    return counts == (fleet.replicas,) * 3


def _is_better(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    return (
        after.updated_replicas > before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
    )


def _condition(kind: str, status: str, reason: str, message: str, now: float) -> Condition:
    at = rfc3339(now)
    return condition(kind, status, reason, message, at, last_update_time=at)
