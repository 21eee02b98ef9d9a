"""All containers anew in the same sandbox, and the restarts that somebody asks for.

RestartAllContainers: a rule ─► every run of before is killed ─────────► init 1 ─► … ─► app n
podrun restart POD ───────────► every run of before ends gracefully ───► init 1 ─► … ─► app n
podrun restart POD -c app ────► that run ends gracefully ──────────────► its next run, at once
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from podrun.api.pod import Container, Pod
from podrun.pod.facts import Facts, Round, Run
from podrun.pod.outcome import outcome
from podrun.pod.restarts import RESTART_ALL, rule_action
from podrun.pod.runs import (
    RESIZED,
    RESTART_REQUESTED,
    RESTARTING_ALL,
    SPEC_CHANGED,
    init_succeeded,
    is_init,
    is_sidecar,
    run_here,
)

#: ends that say nothing of the container: no rule is asked
_ASKED_FOR = (SPEC_CHANGED, RESIZED, RESTART_REQUESTED)


def restart_all_due(pod: Pod, facts: Facts) -> bool:
    """A container ended with a code for which a rule wants all of them to restart."""
    return any(True for _ in _triggers(pod, facts))


def begin_round(pod: Pod, facts: Facts, number: int, why: str, now: float) -> None:
    """What the action ``RestartAll`` does; changes ``facts``, and only once for each ``number``.

    Only who made the round necessary waits for his back-off.
    """
    if facts.round.number >= number:
        return
    patient = {run.id for run in _triggers(pod, facts)} if why == RESTARTING_ALL else set()
    facts.round = Round(number=number, began_at=now, why=why)
    for known in facts.containers.values():
        known.trouble = None
        if known.current is not None and known.current.id not in patient:
            known.current.restart_requested_at = now


def request_restart(pod: Pod, facts: Facts, names: Collection[str], now: float) -> tuple[str, ...]:
    """Ask that ``names`` (empty: all, init containers too) end gracefully and start again at once.

    Changes ``facts``; gives the names that will. None do in a pod that is deleted or has ended,
    nor does an init container that has done its work.
    """
    if facts.deletion is not None or outcome(pod, facts):
        return ()
    if not names:
        begin_round(pod, facts, facts.round.number + 1, RESTART_REQUESTED, now)
        return tuple(container.name for container in pod.spec.all_containers)
    asked = (container for container in pod.spec.all_containers if container.name in names)
    return tuple(container.name for container in asked if _request(pod, facts, container, now))


def _request(pod: Pod, facts: Facts, container: Container, now: float) -> bool:
    known = facts.containers.get(container.name)
    if known is None:
        return False
    run = known.current
    done = run is not None and init_succeeded(run.exit) and not is_sidecar(pod, container)
    if done and is_init(pod, container):
        return False
    known.trouble = None
    if run is not None:
        run.restart_requested_at = now
    return True


def _triggers(pod: Pod, facts: Facts) -> Iterator[Run]:
    for container in pod.spec.all_containers:
        run = run_here(facts, container.name)
        if run is None or run.exit is None or run.stop_reason in _ASKED_FOR:
            continue
        if is_init(pod, container) and init_succeeded(run.exit):
            continue
        if rule_action(container, run.exit.code) == RESTART_ALL:
            yield run
