"""Other resources for what runs (KEP-1287): whether, how, and what the pod says of it meanwhile.

the spec differs from what the run has
   ├─ more than the node has ─────────────► PodResizePending, Infeasible ─┐
   ├─ more than the other pods leave ─────► PodResizePending, Deferred ───┤ tried again after a
   ├─ RestartContainer for what differs ──► ended gracefully, started anew│ pause, or at once when
   └─ NotRequired ──► its cgroups written ─┬► done                        │
                                           └► PodResizeInProgress, Error ─┘ others leave room
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from podrun.api.pod import Container, Pod, PodCondition, ResourceRequirements
from podrun.pod.backoff import next_trouble
from podrun.pod.facts import Facts, Run
from podrun.pod.resources import RESOURCES, Amounts, requests, resources_hash
from podrun.pod.runs import is_running, live_containers
from podrun.pod.when import rfc3339

INFEASIBLE, DEFERRED, ERROR = "Infeasible", "Deferred", "Error"
PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
RESTART_CONTAINER = "RestartContainer"


def begin(
    pod: Pod,
    facts: Facts,
    container: Container,
    run: Run,
    room: Amounts,
    taken: Amounts,
    now: float,
) -> bool:
    """Whether the cgroups of ``run`` are to be written; else its facts say what comes instead."""
    refused = refusal(pod, facts, room, taken)
    if refused is not None:
        failed(run, refused.reason, refused.message, now)
        return False
    if needs_restart(container, run):
        run.resize_trouble, run.resize_since, run.resize_restart_at = None, None, now
        return False
    return True


def done(container: Container, run: Run) -> None:
    run.resize_trouble, run.resize_since = None, None
    run.resources, run.resources_hash = _resources(container), resources_hash(container)


def failed(run: Run, reason: str, message: str, now: float) -> None:
    before = run.resize_trouble
    run.resize_trouble = next_trouble(before, reason, message, now)
    if before is None or before.reason != reason:
        run.resize_since = now


def retry(run: Run, now: float) -> None:
    """There is room now: it is under way again, and due at once."""
    run.resize_trouble, run.resize_since = None, now


def is_deferred(container: Container, run: Run) -> bool:
    trouble = run.resize_trouble
    return trouble is not None and trouble.reason == DEFERRED and is_due(container, run)


class Refusal(NamedTuple):
    reason: str  # INFEASIBLE or DEFERRED
    message: str


def is_due(container: Container, run: Run) -> bool:
    """The running ``run`` has others than the spec says. Of runs of old agents nothing is known."""
    return run.resources_hash not in ("", resources_hash(container))


def needs_restart(container: Container, run: Run) -> bool:
    """``resizePolicy`` of a resource that differs says so."""
    had, wanted = run.resources or ResourceRequirements(), _resources(container)
    policies = {each.resource_name: each.restart_policy for each in container.resize_policy}
    return any(
        policies.get(name) == RESTART_CONTAINER
        and (had.limits.get(name), had.requests.get(name))
        != (wanted.limits.get(name), wanted.requests.get(name))
        for name in RESOURCES
    )


def refusal(pod: Pod, facts: Facts, room: Amounts, taken: Amounts) -> Refusal | None:
    """Why the pod cannot have what its spec requests; None when it can.

    ``room`` is what the node has for pods, ``taken`` what the others of them request. A pod that
    asks for no more of a resource than it has is never refused.
    """
    has, wants = requests(_as_it_runs(pod, facts)), requests(pod)
    for name, amount in wants.items():
        if amount <= has.get(name, 0) or name not in room:
            continue
        most, used = room[name], taken.get(name, 0)
        if amount > most:
            why = f"capacity: {name}, requested: {amount}, capacity: {most}"
            return Refusal(INFEASIBLE, f"Node didn't have enough {why}")
        if amount > most - used:
            why = f"resource: {name}, requested: {amount}, used: {used}, capacity: {most}"
            return Refusal(DEFERRED, f"Node didn't have enough {why}")
    return None


def allocated(container: Container, run: Run | None) -> ResourceRequirements:
    """What the container is granted: the spec's, unless that was refused."""
    trouble = run.resize_trouble if run is not None else None
    if run is None or trouble is None or trouble.reason not in (INFEASIBLE, DEFERRED):
        return _resources(container)
    return run.resources or _resources(container)


def actual(container: Container, run: Run | None) -> ResourceRequirements:
    """What its cgroup says; of a container without a process, what it would be given."""
    if run is None or not is_running(run) or run.resources is None or not is_due(container, run):
        return allocated(container, run)
    return run.resources


def resize_conditions(pod: Pod, facts: Facts) -> tuple[PodCondition, ...]:
    """At most one of each type; none while nothing is to be resized."""
    found: dict[str, PodCondition] = {}
    for container, run in live_containers(pod, facts):
        if is_running(run) and is_due(container, run):
            condition = _condition(run)
            if condition.type not in found or condition.reason == INFEASIBLE:
                found[condition.type] = condition
    return tuple(found[type] for type in (PENDING, IN_PROGRESS) if type in found)


def _condition(run: Run) -> PodCondition:
    trouble, since = run.resize_trouble, run.resize_since or run.started_at
    type, reason = IN_PROGRESS, ""
    if trouble is not None:
        pending = trouble.reason in (INFEASIBLE, DEFERRED)
        type, reason = (PENDING, trouble.reason) if pending else (IN_PROGRESS, ERROR)
    return PodCondition(
        type=type,
        status="True",
        last_transition_time=rfc3339(since),
        reason=reason,
        message=trouble.message if trouble is not None else "",
    )


def _as_it_runs(pod: Pod, facts: Facts) -> Pod:
    """``pod`` with the resources that its containers have at present."""

    def each(containers: tuple[Container, ...]) -> tuple[Container, ...]:
        runs = [facts.of(container.name).current for container in containers]
        return tuple(
            replace(container, resources=run.resources)
            if run is not None and run.resources is not None
            else container
            for container, run in zip(containers, runs, strict=True)
        )

    spec = pod.spec
    inits, apps = each(spec.init_containers), each(spec.containers)
    return replace(pod, spec=replace(spec, init_containers=inits, containers=apps))


def _resources(container: Container) -> ResourceRequirements:
    return container.resources or ResourceRequirements()
