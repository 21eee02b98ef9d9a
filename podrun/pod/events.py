"""Events: what happened to a pod, with Kubernetes' reasons and words.

They follow from two states of the facts, before and after; nothing has to remember to report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from podrun.api.change import spec_hash
from podrun.api.pod import Container, Pod
from podrun.pod.backoff import Settings, restart_delay, settings_for
from podrun.pod.container_status import pod_label
from podrun.pod.facts import ContainerFacts, Facts, Hook, Run, Trouble
from podrun.pod.imagevolumes import pullers
from podrun.pod.missing import FAILED_MOUNT
from podrun.pod.outcome import can_restart
from podrun.pod.pullevents import pulled, troubled
from podrun.pod.resizing import DEFERRED, INFEASIBLE
from podrun.pod.restarts import restarts_when_failed
from podrun.pod.runs import (
    POST_START_FAILED,
    RESIZED,
    RESTART_REQUESTED,
    RESTARTING_ALL,
    SPEC_CHANGED,
    UNHEALTHY,
    ending_began_at,
    is_init,
)

NORMAL, WARNING = "Normal", "Warning"
LIMIT = 100


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """``object`` is the part of the pod: "spec.containers{app}", or "" for the pod itself.

    ``count`` equal events were seen from ``first_at`` to ``last_at`` (seconds since the epoch).
    """

    type: str
    reason: str
    message: str
    object: str
    first_at: float
    last_at: float
    count: int = 1


def events(
    pod: Pod, before: Facts | None, after: Facts, now: float, settings: Settings | None = None
) -> list[Event]:
    """What happened between two states of the facts, in the order of time.

    ``before`` None: the pod was accepted just now. It must be a state of its own, not the same
    object changed since (``msgspec.structs.replace`` and deep copies make one).
    """
    settings = settings_for(pod, settings)
    found = list(_of_pod(pod, before, after, now))
    for container in pod.spec.all_containers:
        old = before.of(container.name) if before is not None else ContainerFacts()
        found += _of_container(pod, container, old, after, now, settings)
    for volume in pullers(pod):
        old = before.of(volume.name) if before is not None else ContainerFacts()
        found += _of_image(volume, old, after.of(volume.name), "")
    return sorted(found, key=lambda event: event.last_at)


def merge(events: Sequence[Event], new: Sequence[Event], limit: int = LIMIT) -> list[Event]:
    """``new`` after ``events``; an event seen before is counted and moves to the end.

    At most ``limit`` are kept: those seen last.
    """
    merged = {_identity(event): event for event in events}
    for event in new:
        known = merged.pop(_identity(event), None)
        if known is not None:
            count = known.count + event.count
            event = msgspec.structs.replace(event, first_at=known.first_at, count=count)
        merged[_identity(event)] = event
    return list(merged.values())[-limit:]


def object_of(pod: Pod, container: Container) -> str:
    """The field path by which Kubernetes names a container of a pod."""
    field = "initContainers" if is_init(pod, container) else "containers"
    return f"spec.{field}{{{container.name}}}"


def _identity(event: Event) -> tuple[str, str, str, str]:
    return event.type, event.reason, event.object, event.message


def _event(type: str, reason: str, message: str, at: float, object: str = "") -> Event:
    return Event(type, reason, message, object, first_at=at, last_at=at)


def _of_pod(pod: Pod, before: Facts | None, after: Facts, now: float) -> Iterator[Event]:
    if after.unfit is not None:
        known = before.unfit.message if before is not None and before.unfit else ""
        if after.unfit.message != known:
            yield _event(WARNING, "FailedScheduling", after.unfit.message, after.unfit.at)
        return
    if before is None or before.unfit is not None:
        name, node = f"{pod.metadata.namespace}/{pod.metadata.name}", pod.spec.node_name
        message = f"Successfully assigned {name} to {node or 'this node'}"
        yield _event(NORMAL, "Scheduled", message, after.accepted_at)
        before = Facts(accepted_at=after.accepted_at)
    trouble = after.sandbox_trouble
    if trouble is not None and trouble != before.sandbox_trouble:
        reason, words = _sandbox_words(after, trouble)
        yield _event(WARNING, reason, words + trouble.message, trouble.at)
    yield from _sandbox_lost(before, after, now)
    verdict = after.verdict
    if verdict is not None and verdict != before.verdict:
        type = NORMAL if verdict.reason == "DeadlineExceeded" else WARNING
        yield _event(type, verdict.reason, verdict.message, verdict.at)


def _sandbox_words(facts: Facts, trouble: Trouble) -> tuple[str, str]:
    # Creating one succeeds or leaves none: trouble beside a sandbox is trouble to get rid of it.
    stands = facts.sandbox is not None and facts.sandbox.stopped_at is None
    if stands or trouble.reason == "KillPodSandboxError":
        return "FailedKillPod", "error killing pod: "
    if trouble.reason == FAILED_MOUNT:  # volumes come first, and say themselves what they are
        return FAILED_MOUNT, ""
    return "FailedCreatePodSandBox", "Failed to create pod sandbox: "


def _sandbox_lost(before: Facts, after: Facts, now: float) -> Iterator[Event]:
    sandbox, old = after.sandbox, before.sandbox
    if sandbox is None or sandbox.lost_at is None:
        return
    if old is None or old.attempt != sandbox.attempt or old.lost_at is None:
        message = "Pod sandbox changed, it will be killed and re-created."
        yield _event(NORMAL, "SandboxChanged", message, sandbox.lost_at or now)


def _of_container(
    pod: Pod,
    container: Container,
    old: ContainerFacts,
    after: Facts,
    now: float,
    settings: Settings,
) -> Iterator[Event]:
    known, where = after.of(container.name), object_of(pod, container)
    yield from _of_image(container, old, known, where)
    run = known.current
    if run is None:
        return
    previous = _same_run(old, run)
    yield from _run_events(pod, container, previous, run, now, where)
    ended_now = run.exit is not None and (previous is None or previous.exit is None)
    if ended_now and _backs_off(pod, container, after, settings):
        message = f"Back-off restarting failed container {container.name} in pod {pod_label(pod)}"
        yield _event(WARNING, "BackOff", message, now, where)


def _backs_off(pod: Pod, container: Container, facts: Facts, settings: Settings) -> bool:
    delay = restart_delay(facts.of(container.name), settings, spec_hash(container))
    return delay > 0 and can_restart(pod, facts, container)


def _of_image(
    container: Container, old: ContainerFacts, known: ContainerFacts, where: str
) -> Iterator[Event]:
    for type, reason, message, at in pulled(old.pull, known.pull):
        yield _event(type, reason, message, at, where)
    if known.trouble is not None and known.trouble != old.trouble:
        yield from _troubled(container, known.trouble, where)


def _same_run(old: ContainerFacts, run: Run) -> Run | None:
    candidates = (old.current, old.last)
    return next((known for known in candidates if known and known.id == run.id), None)


def _run_events(
    pod: Pod, container: Container, old: Run | None, run: Run, now: float, where: str
) -> Iterator[Event]:
    name = container.name
    if old is None:
        yield _event(NORMAL, "Created", f"Created container: {name}", run.created_at, where)
        if run.note and run.attempt == 0:
            yield _event(WARNING, "RootFileSystem", run.note, run.created_at, where)
    if run.started_at is not None and (old is None or old.started_at is None):
        yield _event(NORMAL, "Started", f"Started container {name}", run.started_at, where)
    if run.unhealthy is not None and (old is None or old.unhealthy is None):
        message = f"{run.unhealthy.probe.capitalize()} probe failed: {run.unhealthy.message}"
        yield _event(WARNING, "Unhealthy", message, run.unhealthy.at, where)
    yield from _hook_failed("PostStart", old.post_start if old else None, run.post_start, where)
    ending_at = ending_began_at(run)
    if ending_at is not None and (old is None or ending_began_at(old) is None):
        yield _event(NORMAL, "Killing", _killing(pod, container, run), ending_at, where)
    yield from _hook_failed("PreStop", old.pre_stop if old else None, run.pre_stop, where)
    yield from _resized(name, old, run, now, where)
    if run.exit is None or (old is not None and old.exit is not None):
        return
    if run.exit.reason == "StartError":
        yield _event(WARNING, "Failed", f"Error: {run.exit.message}", run.exit.finished_at, where)


def _hook_failed(hook: str, old: Hook | None, new: Hook | None, where: str) -> Iterator[Event]:
    if new is not None and new.done_at is not None and new.error and new != old:
        yield _event(
            WARNING, f"Failed{hook}Hook", f"{hook}Hook failed: {new.error}", new.done_at, where
        )


def _killing(pod: Pod, container: Container, run: Run) -> str:
    name = container.name
    if run.stop_reason == SPEC_CHANGED:
        return f"Container {name} definition changed, will be restarted"
    if run.stop_reason == RESIZED:
        return f"Container {name} resize requires restart"
    if run.stop_reason == RESTART_REQUESTED:
        return f"Container {name} restart was requested, will be restarted"
    if run.stop_reason == RESTARTING_ALL:
        return f"Container {name} is restarted with all others of its pod"
    if run.stop_reason == POST_START_FAILED:
        return POST_START_FAILED
    if run.stop_reason == UNHEALTHY and run.unhealthy is not None:
        message = f"Container {name} failed {run.unhealthy.probe} probe"
        return f"{message}, will be restarted" if restarts_when_failed(pod, container) else message
    return f"Stopping container {name}"


def _resized(name: str, old: Run | None, run: Run, now: float, where: str) -> Iterator[Event]:
    if old is None:
        return
    if run.exit is None and run.resources_hash != old.resources_hash and old.resources_hash:
        yield _event(NORMAL, "ResizeCompleted", f"Container {name} resize completed", now, where)
    trouble = run.resize_trouble
    if trouble is not None and trouble != old.resize_trouble:
        pending = trouble.reason in (INFEASIBLE, DEFERRED)
        reason, start = (trouble.reason, "") if pending else ("Error", "Error: ")
        yield _event(WARNING, f"Resize{reason}", f"{start}{trouble.message}", trouble.at, where)


def _troubled(container: Container, trouble: Trouble, where: str) -> Iterator[Event]:
    about_image = troubled(container, trouble)
    if about_image is None:
        yield _event(WARNING, "Failed", f"Error: {trouble.message}", trouble.at, where)
        return
    for type, reason, message, at in about_image:
        yield _event(type, reason, message, at, where)
