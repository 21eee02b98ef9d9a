"""The conditions of a pod, each with the time of its last change (semantics §5).

Without init containers a pod is Initialized before its sandbox exists; with them, only when the
last regular one has succeeded and every sidecar has started. Times come from the facts.
"""

from __future__ import annotations

from podrun.api.pod import Pod, PodCondition
from podrun.pod.facts import Facts
from podrun.pod.outcome import FAILED, SUCCEEDED, phase
from podrun.pod.progress import closed_gates, unready
from podrun.pod.readiness import false_since, gate_readiness, readiness, true_since
from podrun.pod.resizing import resize_conditions
from podrun.pod.runs import (
    has_initialised,
    init_succeeded,
    is_sidecar,
    is_started,
    run_here,
    started_since,
)
from podrun.pod.when import rfc3339


def conditions(pod: Pod, facts: Facts) -> tuple[PodCondition, ...]:
    """In kubectl's order of events: …ToStartContainers, Initialized, Ready, …"""
    if facts.unfit is not None:  # no node has taken it yet, and nothing else can be said of it
        unfit = facts.unfit
        return (_condition("PodScheduled", False, unfit.at, unfit.reason, unfit.message),)
    return (
        _to_start(facts),
        _initialized(pod, facts),
        _ready(pod, facts),
        _containers_ready("ContainersReady", pod, facts),
        _condition("PodScheduled", True, facts.accepted_at),
        *resize_conditions(pod, facts),
        *_gates(facts),
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
    since = _not_initialized_since(pod, facts)
    return _condition("Initialized", False, since, "ContainersNotInitialized", message)


def _not_initialized_since(pod: Pod, facts: Facts) -> float:
    """From the beginning, or from when a pod that was initialised once had to be so again."""
    if facts.sandbox is None or not any(facts.of(c.name).current for c in pod.spec.containers):
        return facts.accepted_at
    began_again = facts.sandbox.created_at if facts.sandbox.attempt else facts.accepted_at
    return max(began_again, facts.round.began_at)


def incomplete_inits(pod: Pod, facts: Facts) -> list[str]:
    """Regular init containers that have not succeeded and sidecars that have not started."""
    names = []
    for container in pod.spec.init_containers:
        run = run_here(facts, container.name)
        succeeded = run is not None and init_succeeded(run.exit)
        if not (is_started(container, run) if is_sidecar(pod, container) else succeeded):
            names.append(container.name)
    return names


def _initialized_at(pod: Pod, facts: Facts) -> float:
    times = [facts.accepted_at]
    for container in pod.spec.init_containers:
        known = facts.of(container.name)
        run = known.current
        if is_sidecar(pod, container):
            # Its restarts do not initialise the pod again.
            since = (started_since(container, each) for each in (known.last, run))
            times.append(next((at for at in since if at is not None), facts.accepted_at))
        elif run is not None and run.exit is not None:
            times.append(run.exit.finished_at)
    return max(times)


def _containers_ready(type: str, pod: Pod, facts: Facts) -> PodCondition:
    shown = phase(pod, facts)
    parts = readiness(pod, facts)
    missing = unready(pod, facts)
    if not missing:
        return _condition(type, True, true_since(parts, facts.accepted_at))
    since = false_since(parts, facts.accepted_at)
    if shown in (SUCCEEDED, FAILED):
        return _condition(type, False, since, "PodCompleted" if shown == SUCCEEDED else "PodFailed")
    message = f"containers with unready status: {_names(missing)}"
    return _condition(type, False, since, "ContainersNotReady", message)


def _ready(pod: Pod, facts: Facts) -> PodCondition:
    """ContainersReady, and every readiness gate."""
    condition = _containers_ready("Ready", pod, facts)
    closed = closed_gates(pod, facts)
    if not pod.spec.readiness_gates or phase(pod, facts) in (SUCCEEDED, FAILED):
        return condition
    parts = [*readiness(pod, facts), *gate_readiness(pod, facts)]
    if condition.status == "True" and not closed:
        return _condition("Ready", True, true_since(parts, facts.accepted_at))
    since = false_since(parts, facts.accepted_at)
    if condition.status != "True":
        return _condition("Ready", False, since, condition.reason, condition.message)
    message = ", ".join(_gate_message(facts, type) for type in closed)
    return _condition("Ready", False, since, "ReadinessGatesNotReady", message)


def _gate_message(facts: Facts, type: str) -> str:
    if type in facts.gates:
        return f'the status of pod readiness gate "{type}" is not "True", but False'
    return f'corresponding condition of pod readiness gate "{type}" does not exist.'


def _gates(facts: Facts) -> tuple[PodCondition, ...]:
    return tuple(_condition(type, g.holds, g.changed_at) for type, g in facts.gates.items())


def _names(names: list[str]) -> str:
    return f"[{' '.join(names)}]"
