"""The conditions of a pod, each with the time of its last change (semantics §5).

Without init containers a pod is Initialized before its sandbox exists; with them, only when the
last regular one has succeeded and every sidecar has started. Times come from the facts.
"""

from __future__ import annotations

from podrun.api.pod import Pod, PodCondition
from podrun.pod.facts import Facts
from podrun.pod.outcome import FAILED, SUCCEEDED, ended_at, phase
from podrun.pod.progress import unready
from podrun.pod.runs import has_initialised, init_succeeded, is_sidecar, is_started, run_here
from podrun.pod.when import rfc3339


def conditions(pod: Pod, facts: Facts) -> tuple[PodCondition, ...]:
    """In kubectl's order of events: …ToStartContainers, Initialized, Ready, …"""
    return (
        _to_start(facts),
        _initialized(pod, facts),
        _ready("Ready", pod, facts),
        _ready("ContainersReady", pod, facts),
        _condition("PodScheduled", True, facts.accepted_at),
    )


def _condition(
    type: str, holds: bool, since: float, reason: str = "", message: str = ""
) -> PodCondition:
    return PodCondition(
        type=type,
        status="True" if holds else "False",
        last_transition_time=rfc3339(since),
        reason=reason,
        message=message,
    )


def _to_start(facts: Facts) -> PodCondition:
    sandbox = facts.sandbox
    if sandbox is None:
        return _condition("PodReadyToStartContainers", False, facts.accepted_at)
    gone = [at for at in (sandbox.lost_at, sandbox.stopped_at) if at is not None]
    if sandbox.ready and not gone:
        return _condition("PodReadyToStartContainers", True, sandbox.created_at)
    return _condition("PodReadyToStartContainers", False, min(gone, default=sandbox.created_at))


def _initialized(pod: Pod, facts: Facts) -> PodCondition:
    since = _initialized_at(pod, facts)
    if phase(pod, facts) == SUCCEEDED:
        return _condition("Initialized", True, since, "PodCompleted")
    incomplete = [] if has_initialised(pod, facts) else incomplete_inits(pod, facts)
    if not incomplete:
        return _condition("Initialized", True, since)
    message = f"containers with incomplete status: {_names(incomplete)}"
    return _condition("Initialized", False, facts.accepted_at, "ContainersNotInitialized", message)


def incomplete_inits(pod: Pod, facts: Facts) -> list[str]:
    """Regular init containers that have not succeeded and sidecars that have not started."""
    names = []
    for container in pod.spec.init_containers:
        run = run_here(facts, container.name)
        succeeded = run is not None and init_succeeded(run.exit)
        if not (is_started(container, run) if is_sidecar(container) else succeeded):
            names.append(container.name)
    return names


def _initialized_at(pod: Pod, facts: Facts) -> float:
    times = [facts.accepted_at]
    for container in pod.spec.init_containers:
        known = facts.of(container.name)
        run = known.current
        if is_sidecar(container):
            run = known.last or run  # its restarts do not initialise the pod again
            times.append((run and run.started_at) or facts.accepted_at)
        elif run is not None and run.exit is not None:
            times.append(run.exit.finished_at)
    return max(times)


def _ready(type: str, pod: Pod, facts: Facts) -> PodCondition:
    shown = phase(pod, facts)
    if shown in (SUCCEEDED, FAILED):
        reason = "PodCompleted" if shown == SUCCEEDED else "PodFailed"
        return _condition(type, False, ended_at(pod, facts), reason)
    missing = unready(pod, facts)
    if not missing:
        return _condition(type, True, _ready_since(pod, facts))
    message = f"containers with unready status: {_names(missing)}"
    return _condition(type, False, _unready_since(facts, missing), "ContainersNotReady", message)


def _ready_since(pod: Pod, facts: Facts) -> float:
    starts = (facts.of(container.name).current for container in pod.spec.all_containers)
    return max((run.started_at or 0.0 for run in starts if run), default=facts.accepted_at)


def _unready_since(facts: Facts, missing: list[str]) -> float:
    """When the first of the missing ones ended; the pod's beginning if one never ran."""
    times = []
    for name in missing:
        known = facts.of(name)
        ended = known.current if known.current and known.current.exit else known.last
        if ended is None or ended.exit is None:
            return facts.accepted_at
        times.append(ended.exit.finished_at)
    return min(times)


def _names(names: list[str]) -> str:
    return f"[{' '.join(names)}]"
