"""How far a pod has come: what ``apply`` and ``wait`` wait for, and when the agent may idle."""

from __future__ import annotations

from podrun.api.pod import Container, Pod
from podrun.pod.facts import ContainerFacts, Exit, Facts, Run
from podrun.pod.imagevolumes import trouble_of
from podrun.pod.outcome import FAILED, can_restart, outcome
from podrun.pod.runs import (
    any_live,
    has_post_start,
    is_container_ready,
    is_init,
    is_sidecar,
    went_well,
)
from podrun.pod.startup import wanted
from podrun.pod.sysctls import FORBIDDEN

# Tries after which a sandbox's trouble no longer looks like a passing one. A pull has tried several
# times before it has failed once.
PATIENCE = 3
START_ERROR = "StartError"
# Nothing passing about these: somebody has the port, the path is not what the manifest says.
CERTAIN = ("HostPortConflict", "FailedMount")


def started_once(pod: Pod, facts: Facts) -> bool:
    """Every container has been started once, or the pod has ended, is going, or cannot go on.

    A postStart hook is part of the start; probes are not.
    """
    if facts.deletion is not None or outcome(pod, facts):
        return True
    if all(_was_tried(pod, facts, container) for container in pod.spec.all_containers):
        return True
    return bool(obstacle(pod, facts))


def obstacle(pod: Pod, facts: Facts) -> str:
    """Why the pod cannot go on until somebody acts, for people; "" while it may by itself.

    Begins with "Failed: " when the node has refused the pod: nothing of it is tried again. A pod
    that has run and failed came as far as it was asked to.
    """
    if facts.replaces:
        return ""
    if facts.unfit is not None:
        return facts.unfit.message
    if facts.verdict is not None and facts.verdict.reason == FORBIDDEN:
        return f"{FAILED}: {facts.verdict.reason}: {facts.verdict.message}"
    trouble = facts.sandbox_trouble
    if trouble is not None and (trouble.count >= PATIENCE or trouble.reason in CERTAIN):
        return f"{trouble.reason}: {trouble.message}"
    if facts.sandbox is None:
        return ""
    reasons = [_obstacle_of(pod, facts, container.name) for container in wanted(pod, facts)]
    return reasons[0] if reasons and all(reasons) else ""


def is_ready(pod: Pod, facts: Facts) -> bool:
    """The Ready condition: all app containers and sidecars are ready, all gates hold (§5)."""
    if outcome(pod, facts):
        return False
    return not unready(pod, facts) and not closed_gates(pod, facts)


def closed_gates(pod: Pod, facts: Facts) -> list[str]:
    """The condition types of ``readinessGates`` that do not hold."""
    types = (gate.condition_type for gate in pod.spec.readiness_gates)
    return [type for type in types if not (type in facts.gates and facts.gates[type].holds)]


def unready(pod: Pod, facts: Facts) -> list[str]:
    """Names of app containers and sidecars that are not ready, in the order of the spec."""
    return [
        container.name
        for container in pod.spec.all_containers
        if (not is_init(pod, container) or is_sidecar(pod, container))
        and not is_container_ready(container, facts.of(container.name).current)
    ]


def is_finished(pod: Pod, facts: Facts) -> bool:
    """A terminal phase and everything stopped: nothing will be planned unless it is deleted."""
    if facts.deletion is not None or not outcome(pod, facts) or any_live(pod, facts):
        return False
    return facts.sandbox is None or facts.sandbox.stopped_at is not None


def _was_tried(pod: Pod, facts: Facts, container: Container) -> bool:
    known = facts.of(container.name)
    run = known.current
    if run is not None and _has_a_second_try(pod, facts, container, known, run):
        return False
    if known.last is not None or (run is not None and run.exit is not None):
        return True
    if run is None or run.started_at is None:
        return False
    return not has_post_start(container) or went_well(run.post_start)


def _has_a_second_try(
    pod: Pod, facts: Facts, container: Container, known: ContainerFacts, run: Run
) -> bool:
    """Its process was never executed, and it is tried once more at once: that may have been the
    death of an agent, or the command may not exist."""
    if run.exit is not None:
        first = known.backoff_seconds == 0 and run.exit.reason == START_ERROR
        return first and can_restart(pod, facts, container)
    last = known.last.exit if known.last is not None else None
    return run.started_at is None and last is not None and last.reason == START_ERROR


def _obstacle_of(pod: Pod, facts: Facts, name: str) -> str:
    known = facts.of(name)
    container = next(c for c in pod.spec.all_containers if c.name == name)
    trouble = trouble_of(pod, facts, container)
    if trouble is not None:
        return f"{name}: {trouble.reason}: {trouble.message}"
    run = known.current
    if run is None or run.exit is None or known.backoff_seconds == 0:
        return ""
    if not can_restart(pod, facts, container):
        return ""
    return f"{name}: {_failure(run, run.exit)}"


def _failure(run: Run, exit: Exit) -> str:
    if run.unhealthy is not None:
        return f"{run.unhealthy.probe} probe failed again: {run.unhealthy.message}"
    if run.post_start is not None and run.post_start.error:
        return f"postStart hook failed again: {run.post_start.error}"
    if exit.reason == START_ERROR:
        return f"{exit.reason}: {exit.message}"
    return f"failed again with exit code {exit.code}"
