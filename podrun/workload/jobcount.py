"""What a Job's pods have done: each counted once, also when it is deleted afterwards.

``status.uncountedTerminatedPods`` holds, of the pods that still exist, the uids of those that are
in the numbers already (``succeeded``, ``failed``), and of those that the controller itself deleted
while they ran (``ignored``: suspended, or too many), whose end is nobody's failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from podrun.api.workload import JobStatus
from podrun.workload.model import PodView
from podrun.workload.pods import failure_delay, is_finished

SUCCEEDED, FAILED, IGNORED = "succeeded", "failed", "ignored"


def counted(status: JobStatus, pods: Sequence[PodView]) -> JobStatus:
    """``status`` with the pods that have ended since."""
    status = _without(status, {view.uid for view in pods})
    lists = status.uncounted_terminated_pods
    ignored = lists.get(IGNORED, ())
    known = {*lists.get(SUCCEEDED, ()), *lists.get(FAILED, ())}
    new = [view for view in pods if view.uid not in known]
    succeeded = [view.uid for view in new if view.phase == "Succeeded"]
    # Of one that is ignored the deletion may have been lost in a crash: then it lives on.
    ours = {view.uid for view in new if view.deleting and view.uid in ignored}
    failed = [view.uid for view in new if has_failed(view) and view.uid not in ours]
    return with_failed(_noted(status, SUCCEEDED, succeeded), failed)


def has_failed(view: PodView) -> bool:
    """A pod that somebody deletes has failed, too, unless it had done its work before."""
    return view.phase == "Failed" or (view.deleting and view.phase != "Succeeded")


def with_failed(status: JobStatus, uids: Iterable[str]) -> JobStatus:
    known = status.uncounted_terminated_pods.get(FAILED, ())
    return _noted(status, FAILED, [uid for uid in uids if uid not in known])


def with_ignored(status: JobStatus, pods: Sequence[PodView], uids: Iterable[str]) -> JobStatus:
    """The pods ``uids`` are to be deleted; those of before count as long as they are deleted."""
    going = {view.uid for view in pods if view.deleting} | set(uids)
    before = status.uncounted_terminated_pods.get(IGNORED, ())
    kept = dict.fromkeys((*(uid for uid in before if uid in going), *uids))
    return _listed(status, IGNORED, tuple(kept))


def next_pod_at(status: JobStatus, pods: Sequence[PodView]) -> float:
    """When a pod may be created, by the failures since the last success: 10 s, 20 s, … 360 s after
    the newest of them."""
    ignored = status.uncounted_terminated_pods.get(IGNORED, ())
    ended = [
        (view.finished_at, view.phase)
        for view in pods
        if is_finished(view) and view.finished_at is not None and view.uid not in ignored
    ]
    count, newest = 0, 0.0
    for at, phase in sorted(ended):
        count = count + 1 if phase == "Failed" else 0
        newest = at
    return newest + failure_delay(count)


def _noted(status: JobStatus, key: str, uids: list[str]) -> JobStatus:
    """``uids`` are new ones: they go into the number, and into the list of who is in it."""
    if not uids:
        return status
    before = status.uncounted_terminated_pods.get(key, ())
    status = _listed(status, key, (*before, *uids))
    if key == SUCCEEDED:
        return replace(status, succeeded=status.succeeded + len(uids))
    return replace(status, failed=status.failed + len(uids))


def _without(status: JobStatus, here: set[str]) -> JobStatus:
    """Pods that are gone need not be remembered."""
    for key, uids in status.uncounted_terminated_pods.items():
        status = _listed(status, key, tuple(uid for uid in uids if uid in here))
    return status


def _listed(status: JobStatus, key: str, uids: tuple[str, ...]) -> JobStatus:
    lists = {**status.uncounted_terminated_pods, key: uids}
    return replace(
        status, uncounted_terminated_pods={name: each for name, each in lists.items() if each}
    )
