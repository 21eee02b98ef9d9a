"""Whether somebody must look after a workload, also while it has no pod that runs."""

from __future__ import annotations

from podrun.api.workload import DaemonSet, Deployment, Job, JobStatus
from podrun.workload.job import is_over


def needs_attention(thing: Job | Deployment | DaemonSet) -> bool:
    """It is to have pods, or is to go: by a request, or a time after its end."""
    if thing.metadata.deletion_timestamp or isinstance(thing, DaemonSet):
        return True
    if isinstance(thing, Deployment):
        return thing.spec.replicas != 0
    over = is_over(thing.status or JobStatus())
    return not over or thing.spec.ttl_seconds_after_finished is not None
