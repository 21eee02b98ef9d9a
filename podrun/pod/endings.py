"""Containers that are ended one by one while the pod goes on (semantics §1.8, §2, §6).

definition changed, restart asked for, resize needs it, ─► its end ─► restart policy
postStart failed, probe failed
"""

from __future__ import annotations

from podrun.api.change import spec_hash
from podrun.api.pod import Container, Pod
from podrun.pod.facts import Run, Unhealthy
from podrun.pod.runs import (
    POST_START_FAILED,
    RESIZED,
    RESTART_REQUESTED,
    SPEC_CHANGED,
    UNHEALTHY,
    ending_began_at,
    is_init,
    is_sidecar,
)
from podrun.pod.termination import Stop, grace


def own_ending(pod: Pod, container: Container, run: Run, now: float) -> Stop | None:
    """Why the running ``run`` must end by itself, None when it need not.

    What was begun is finished, whatever has become of its reason.
    """
    began_at = ending_began_at(run)
    why = _why(pod, container, run)
    if not why and began_at is None:
        return None
    since = now if began_at is None else began_at
    return Stop(why or run.stop_reason, since, _grace(pod, container, run.unhealthy))


def _why(pod: Pod, container: Container, run: Run) -> str:
    regular_init = is_init(pod, container) and not is_sidecar(pod, container)
    if not regular_init and run.spec_hash != spec_hash(container):
        return SPEC_CHANGED
    if run.restart_requested_at is not None:
        return RESTART_REQUESTED
    if run.resize_restart_at is not None:
        return RESIZED
    if run.unhealthy is not None:
        return UNHEALTHY
    if run.post_start is not None and run.post_start.error:
        return POST_START_FAILED
    return ""


def _grace(pod: Pod, container: Container, unhealthy: Unhealthy | None) -> int:
    """A probe's own grace goes before the pod's, and may be longer (§2)."""
    if unhealthy is not None:
        startup = unhealthy.probe == "startup"
        probe = container.startup_probe if startup else container.liveness_probe
        if probe is not None and probe.termination_grace_period_seconds is not None:
            return probe.termination_grace_period_seconds
    return grace(pod)
