"""The status of one container (semantics §4).

no run          Waiting  ContainerCreating, PodInitializing, or why it cannot be created
created         Waiting  the same
process runs    Running; ``started`` says whether startup probe and postStart have succeeded, too
ended, due      Terminated  Completed, Error, OOMKilled, StartError, ContainerStatusUnknown
ended, too soon Waiting  CrashLoopBackOff; the end is in ``lastState``
ended by policy Waiting  PostStartHookError, RestartingAllContainers; likewise
"""

from __future__ import annotations

from podrun.api.change import spec_hash
from podrun.api.pod import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
)
from podrun.pod.backoff import Settings, restart_at, restart_delay
from podrun.pod.facts import Exit, Facts, Run, Trouble
from podrun.pod.hooks import POST_START_ERROR
from podrun.pod.imagevolumes import trouble_of
from podrun.pod.messages import message_limit, trimmed
from podrun.pod.outcome import can_restart
from podrun.pod.resizing import actual, allocated
from podrun.pod.runs import (
    RESTARTING_ALL,
    init_succeeded,
    is_container_ready,
    is_init,
    is_outdated,
    is_running,
    is_sidecar,
    is_started,
)
from podrun.pod.when import go_duration, rfc3339

RESTARTING_ALL_MESSAGE = "All containers of the pod are restarted in place"
UNKNOWN_MESSAGE = "The container could not be located when the pod was terminated"


def container_status(
    pod: Pod, facts: Facts, container: Container, now: float, settings: Settings
) -> ContainerStatus:
    known = facts.of(container.name)
    run = known.current
    state, ended = _state(pod, facts, container, now, settings)
    last = _ended(pod, ended or known.last)
    return ContainerStatus(
        name=container.name,
        state=state,
        last_state=last,
        ready=_is_ready(pod, facts, container),
        restart_count=known.restarts,
        image=run.image if run else container.image,
        image_id=(run.image_reference or run.image_id) if run else "",
        container_id=container_id(run),
        started=is_started(container, run),
        allocated_resources=allocated(container, run).requests,
        resources=actual(container, run),
    )


def container_id(run: Run | None) -> str:
    return f"podrun://{run.id}" if run is not None else ""


def pod_label(pod: Pod) -> str:
    """``web_default(6a1c…)``: how messages about containers name their pod."""
    meta = pod.metadata
    return f"{meta.name}_{meta.namespace}({meta.uid})"


def exit_reason(exit: Exit) -> str:
    """A kill without the kernel's out-of-memory mark is an Error like any other."""
    if exit.reason:
        return exit.reason
    if exit.oom_killed:
        return "OOMKilled"
    return "Completed" if exit.code == 0 else "Error"


def _state(
    pod: Pod, facts: Facts, container: Container, now: float, settings: Settings
) -> tuple[ContainerState, Run | None]:
    """The state, and the ended run that it hides (which is then the last state)."""
    known = facts.of(container.name)
    run = known.current
    if run is None or run.exit is None:
        if run is not None and is_running(run):
            running = ContainerStateRunning(started_at=rfc3339(run.started_at))
            return ContainerState(running=running), None
        return ContainerState(waiting=_waiting(pod, trouble_of(pod, facts, container))), None
    if can_restart(pod, facts, container):
        trouble = trouble_of(pod, facts, container)
        if trouble is not None:
            return ContainerState(waiting=_waiting(pod, trouble)), run
        backing_off = _crash_loop(pod, facts, container, now, settings)
        held_up = backing_off or _before_restart(facts, run)
        if held_up is not None:
            return ContainerState(waiting=held_up), run
    return _ended(pod, run), None


def _waiting(pod: Pod, trouble: Trouble | None) -> ContainerStateWaiting:
    if trouble is None:
        reason = "PodInitializing" if pod.spec.init_containers else "ContainerCreating"
        return ContainerStateWaiting(reason=reason)
    return ContainerStateWaiting(reason=trouble.reason, message=trouble.message)


def _crash_loop(
    pod: Pod, facts: Facts, container: Container, now: float, settings: Settings
) -> ContainerStateWaiting | None:
    known, definition = facts.of(container.name), spec_hash(container)
    due = restart_at(known, settings, definition)
    if due is None or now >= due:
        return None
    delay = go_duration(restart_delay(known, settings, definition))
    message = f"back-off {delay} restarting failed container={container.name} pod={pod_label(pod)}"
    return ContainerStateWaiting(reason="CrashLoopBackOff", message=message)


def _before_restart(facts: Facts, run: Run) -> ContainerStateWaiting | None:
    if is_outdated(facts, run) and facts.round.why == RESTARTING_ALL:
        return ContainerStateWaiting(reason=RESTARTING_ALL, message=RESTARTING_ALL_MESSAGE)
    if run.post_start is not None and run.post_start.error:
        return ContainerStateWaiting(reason=POST_START_ERROR, message=run.post_start.error)
    return None


def _ended(pod: Pod, run: Run | None) -> ContainerState:
    if run is None:
        return ContainerState()
    return ContainerState(terminated=_terminated(run, message_limit(pod)))


def _terminated(run: Run, limit: int) -> ContainerStateTerminated:
    exit = run.exit
    assert exit is not None
    unknown = exit.reason == "ContainerStatusUnknown"
    return ContainerStateTerminated(
        exit_code=exit.code,
        signal=exit.signal,
        reason=RESTARTING_ALL if run.stop_reason == RESTARTING_ALL else exit_reason(exit),
        message=trimmed(exit.message, limit) or (UNKNOWN_MESSAGE if unknown else ""),
        started_at=rfc3339(run.started_at),
        finished_at=rfc3339(exit.finished_at),
        container_id=container_id(run),
    )


def _is_ready(pod: Pod, facts: Facts, container: Container) -> bool:
    if is_init(pod, container) and not is_sidecar(pod, container):
        run = facts.of(container.name).current
        return run is not None and init_succeeded(run.exit)
    return is_container_ready(container, facts.of(container.name).current)
