"""How a pod ends, and the phase it shows until then (semantics §3).

    Pending ──every app container has run──► Running ──nothing is left to run──► Succeeded | Failed
       └───────────── an init container failed for good, or a verdict ─────────────► Failed

A terminal phase is only shown once no process of the pod is left.
"""

from __future__ import annotations

from podrun.api.pod import Container, Pod
from podrun.pod.facts import Exit, Facts
from podrun.pod.restarts import runs_again
from podrun.pod.runs import any_live, init_succeeded, is_running, is_sidecar

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"


def outcome(pod: Pod, facts: Facts) -> str:
    """Succeeded or Failed once nothing of the pod's own is left to run, else "".

    Sidecars may still run: they neither keep a pod alive nor decide how it ended (§1.4, §2).
    """
    if facts.verdict is not None or _failed_init(pod, facts) is not None:
        return FAILED
    exits = [_final_exit(pod, facts, container) for container in pod.spec.containers]
    if any(exit is None for exit in exits):
        return ""
    return SUCCEEDED if all(exit is not None and exit.code == 0 for exit in exits) else FAILED


def ended_at(pod: Pod, facts: Facts) -> float:
    """When ``outcome`` came true; it must not be ""."""
    if facts.verdict is not None:
        return facts.verdict.at
    failed = _failed_init(pod, facts)
    if failed is not None:
        return failed.finished_at
    exits = (_final_exit(pod, facts, container) for container in pod.spec.containers)
    return max(exit.finished_at for exit in exits if exit is not None)


def phase(pod: Pod, facts: Facts) -> str:
    """Pending, Running, Succeeded or Failed, by the kubelet's rules."""
    ended = outcome(pod, facts)
    if ended and not any_live(pod, facts):
        return ended
    if any(_never_ran(facts, container) for container in pod.spec.containers):
        return PENDING
    return RUNNING  # waiting in CrashLoopBackOff included


def can_restart(pod: Pod, facts: Facts, container: Container) -> bool:
    """Whether the ended container will be run again in this pod."""
    run = facts.of(container.name).current
    if run is None or run.exit is None or facts.deletion is not None or outcome(pod, facts):
        return False
    return runs_again(pod, facts, container, run)


def _failed_init(pod: Pod, facts: Facts) -> Exit | None:
    # §1.2: only Never, the pod's or its own, makes the failure of an init container final.
    for container in pod.spec.init_containers:
        run = facts.of(container.name).current
        if run is None or run.exit is None or init_succeeded(run.exit):
            continue
        if not is_sidecar(pod, container) and not runs_again(pod, facts, container, run):
            return run.exit
    return None


def _final_exit(pod: Pod, facts: Facts, container: Container) -> Exit | None:
    run = facts.of(container.name).current
    if run is None or run.exit is None:
        return None
    if facts.deletion is None and runs_again(pod, facts, container, run):
        return None
    return run.exit


def _never_ran(facts: Facts, container: Container) -> bool:
    known = facts.of(container.name)
    ended = known.last is not None or (known.current is not None and known.current.exit is not None)
    return not ended and not is_running(known.current)
