"""Probes as policy sees them (semantics §6); who tries them is the agent's affair.

    one try ──► observe ──► ProbeState ──► apply_result ──► facts
                                │
             due ◄──────────────┘  when to try again

    startup    from the start of the process until it has succeeded; failed: the run is ended
    liveness   from then on (postStart done, too); failed: the run is ended
    readiness  from then on, also while the container is ended; decides only ``ready``

The phase of a probe is its container's start, so those of many containers spread by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec

from podrun.api.pod import Container, Pod, Probe
from podrun.pod.events import WARNING, Event, object_of
from podrun.pod.facts import Facts, Run, Unhealthy
from podrun.pod.runs import is_ending, is_running, live_containers, started_since
from podrun.pod.termination import stop_reason

STARTUP, LIVENESS, READINESS = "startup", "liveness", "readiness"
KINDS = (STARTUP, LIVENESS, READINESS)
SUCCESS, WELL_BUT, FAILURE, ERROR = "success", "warning", "failure", "error"
# A try that came to no result is repeated at once, so often in all, and then left to the next one.
ERROR_TRIES = 3
PERIOD, TIMEOUT, SUCCESSES, FAILURES = 10, 1, 1, 3  # Kubernetes' defaults

Key = tuple[str, str]  # container and kind


class ProbeState(msgspec.Struct, frozen=True):
    """Of one probe in one run. ``result`` is the newest that reached its threshold: "", SUCCESS
    or FAILURE; ``row`` newest tries came to ``newest``; ``tried_at`` is when the last one ended.
    """

    run_id: str
    result: str = ""
    newest: str = ""
    row: int = 0
    message: str = ""
    tried_at: float | None = None
    on_hold: bool = False  # it has failed: nothing more until there is a new run


class Due(msgspec.Struct, frozen=True):
    """Probe ``kind`` of container ``name`` is to be tried at ``at``, for the run ``run_id``."""

    at: float
    name: str
    kind: str
    run_id: str
    probe: Probe


def probe_of(container: Container, kind: str) -> Probe | None:
    if kind == STARTUP:
        return container.startup_probe
    return container.liveness_probe if kind == LIVENESS else container.readiness_probe


def timeout(probe: Probe) -> int:
    """Seconds after which a try has failed."""
    return probe.timeout_seconds or TIMEOUT


def agenda(pod: Pod, facts: Facts, states: Mapping[Key, ProbeState]) -> list[Due]:
    """Every probe that is to be tried, the next one first. States of other runs do not count."""
    return sorted(_agenda(pod, facts, states), key=lambda each: each.at)


def _agenda(pod: Pod, facts: Facts, states: Mapping[Key, ProbeState]) -> Iterator[Due]:
    pod_ends = stop_reason(pod, facts) is not None
    for container, run in live_containers(pod, facts):
        for kind in KINDS:
            probe = probe_of(container, kind)
            if probe is None or (kind != READINESS and pod_ends):
                continue
            state = states.get((container.name, kind))
            if state is None or state.run_id != run.id:
                state = ProbeState(run.id)
            at = due(container, run, kind, state)
            if at is not None:
                yield Due(at, container.name, kind, run.id, probe)


def due(container: Container, run: Run, kind: str, state: ProbeState) -> float | None:
    """When the probe is to be tried next, which may be past; None: not for now."""
    probe = probe_of(container, kind)
    if probe is None or run.started_at is None or not is_running(run) or state.on_hold:
        return None
    if kind != READINESS and is_ending(run):
        return None
    if kind == STARTUP:
        return None if run.startup_at is not None else _next(probe, state, run.started_at, 0.0)
    since = started_since(container, run)
    return None if since is None else _next(probe, state, run.started_at, since)


def _next(probe: Probe, state: ProbeState, started_at: float, not_before: float) -> float:
    first = max(started_at + (probe.initial_delay_seconds or 0), not_before)
    if state.tried_at is None:
        return first
    # Ticks that a slow try has missed are left out; a clock set back does not multiply them.
    period = probe.period_seconds or PERIOD
    missed = math.floor(max(state.tried_at - first, 0.0) / period + 1e-6)
    return first + (missed + 1) * period


def observe(
    probe: Probe, kind: str, state: ProbeState, outcome: str, message: str, now: float
) -> ProbeState:
    """The state after one more try: SUCCESS (or WELL_BUT), FAILURE, or ERROR (nobody knows)."""
    state = msgspec.structs.replace(state, tried_at=now)
    if outcome == ERROR or state.on_hold:
        return state
    newest = FAILURE if outcome == FAILURE else SUCCESS
    row = state.row + 1 if newest == state.newest else 1
    state = msgspec.structs.replace(state, newest=newest, row=row, message=message)
    if row < _threshold(probe, newest):
        return state
    fatal = newest == FAILURE and kind != READINESS
    return msgspec.structs.replace(state, result=newest, on_hold=fatal)


def apply_result(
    pod: Pod, facts: Facts, name: str, kind: str, state: ProbeState, now: float
) -> bool:
    """Write what ``state`` means into ``facts``; whether that changed them.

    The result of a run that has ended or been replaced meanwhile changes nothing.
    """
    known = facts.of(name)
    run = known.current
    if run is None or run.id != state.run_id or not is_running(run) or not state.result:
        return False
    well = state.result == SUCCESS
    if kind == READINESS:
        was, run.ready = run.ready, well
        if bool(was) != well:
            run.ready_changed_at = now
        if was and not well:
            known.unready_at = now
        return was != well
    if not well:
        if run.unhealthy is not None or is_ending(run):
            return False
        run.unhealthy = Unhealthy(probe=kind, message=state.message, at=now)
        return True
    if kind == LIVENESS or run.startup_at is not None:
        return False
    run.startup_at = now
    return True


def probe_event(
    pod: Pod, facts: Facts, due: Due, outcome: str, message: str, now: float
) -> Event | None:
    """What to tell of one try, once ``apply_result`` was called with the same ``now``.

    None when it went well, or when the facts, and so ``events``, tell it already.
    """
    container = next(c for c in pod.spec.all_containers if c.name == due.name)
    words = {
        FAILURE: ("Unhealthy", f"{due.kind.capitalize()} probe failed: {message}"),
        ERROR: ("Unhealthy", f"{due.kind.capitalize()} probe errored: {message}"),
        WELL_BUT: ("ProbeWarning", f"{due.kind.capitalize()} probe warning: {message}"),
    }
    run = facts.of(due.name).current
    if outcome not in words or run is None or run.id != due.run_id:
        return None
    unhealthy = run.unhealthy
    if unhealthy is not None and (unhealthy.probe, unhealthy.at) == (due.kind, now):
        return None
    reason, text = words[outcome]
    return Event(WARNING, reason, text, object_of(pod, container), first_at=now, last_at=now)


def _threshold(probe: Probe, result: str) -> int:
    if result == SUCCESS:
        return probe.success_threshold or SUCCESSES
    return probe.failure_threshold or FAILURES
