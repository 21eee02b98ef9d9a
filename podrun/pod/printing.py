"""The columns of ``kubectl get pods``, from a Pod with its status (semantics §4, last bullet).

Pure and without a heavy import: ``ps`` reads them for every pod.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podrun.api.pod import (
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodStatus,
)
from podrun.pod.runs import is_sidecar
from podrun.pod.when import epoch, human_duration

TERMINAL = ("Succeeded", "Failed")


class Row(msgspec.Struct, frozen=True):
    """One pod; every field is what is printed."""

    namespace: str
    name: str
    ready: str  # "1/2": sidecars and app containers
    status: str
    restarts: str  # "3 (20s ago)"
    age: str
    ip: str
    node: str
    qos: str


def row(pod: Pod, now: float) -> Row:
    """``pod`` must carry its status (``podrun.pod.status.present``)."""
    status = pod.status or PodStatus()
    initializing = _init_reason(pod, status)
    skip_apps = bool(initializing) and not _holds(status, "Initialized")
    return Row(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        ready=f"{_ready_count(pod, status, skip_apps)}/{_total(pod)}",
        status=_status(pod, status, initializing, skip_apps),
        restarts=_restarts(pod, status, skip_apps, now),
        age=age(pod.metadata.creation_timestamp or status.start_time, now),
        ip=status.pod_ip or "<none>",
        node=pod.spec.node_name or "<none>",
        qos=status.qos_class,
    )


def age(since: str, now: float) -> str:
    """How long ago the RFC 3339 time ``since`` was."""
    at = epoch(since)
    return "<unknown>" if at is None else human_duration(now - at)


def _status(pod: Pod, status: PodStatus, initializing: str, skip_apps: bool) -> str:
    if pod.metadata.deletion_timestamp and status.phase not in TERMINAL:
        return "Terminating"
    if skip_apps:
        return initializing
    reason = initializing or status.reason or status.phase
    for container in reversed(status.container_statuses):  # the first one has the last word
        reason = _app_reason(container) or reason
    if reason == "Completed" and any(_runs_ready(c) for c in status.container_statuses):
        return "Running" if _holds(status, "Ready") else "NotReady"
    return reason


def _init_reason(pod: Pod, status: PodStatus) -> str:
    """What the first init container that is not done says; "" when all are."""
    sidecars = _sidecars(pod)
    for index, container in enumerate(status.init_container_statuses):
        ended, waiting = container.state.terminated, container.state.waiting
        if ended is not None and ended.exit_code == 0:
            continue
        if container.name in sidecars and container.started:
            continue
        if ended is not None:
            return f"Init:{_ended_reason(ended)}"
        if waiting is not None and waiting.reason not in ("", "PodInitializing"):
            return f"Init:{waiting.reason}"
        return f"Init:{index}/{len(pod.spec.init_containers)}"
    return ""


def _app_reason(container: ContainerStatus) -> str:
    ended, waiting = container.state.terminated, container.state.waiting
    if waiting is not None and waiting.reason:
        return waiting.reason
    return _ended_reason(ended) if ended is not None else ""


def _ended_reason(ended: ContainerStateTerminated) -> str:
    if ended.reason:
        return ended.reason
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"


def _ready_count(pod: Pod, status: PodStatus, skip_apps: bool) -> int:
    sidecars = _sidecars(pod)
    count = sum(
        container.name in sidecars and bool(container.started) and container.ready
        for container in _passed_inits(pod, status)
    )
    if skip_apps:
        return count
    return count + sum(_runs_ready(container) for container in status.container_statuses)


def _passed_inits(pod: Pod, status: PodStatus) -> Iterable[ContainerStatus]:
    """The init containers that kubectl looks at: up to the first that is not done, with it."""
    sidecars = _sidecars(pod)
    for container in status.init_container_statuses:
        yield container
        ended = container.state.terminated
        done = ended is not None and ended.exit_code == 0
        if not done and not (container.name in sidecars and container.started):
            return


def _restarts(pod: Pod, status: PodStatus, skip_apps: bool, now: float) -> str:
    """While initialising only init containers count, afterwards sidecars and app containers."""
    sidecars = _sidecars(pod)
    counted = [c for c in _passed_inits(pod, status) if skip_apps or c.name in sidecars]
    if not skip_apps:
        counted += status.container_statuses
    total = sum(container.restart_count for container in counted)
    ends = [container.last_state.terminated for container in counted]
    last = max((end.finished_at for end in ends if end is not None), default="")
    return f"{total} ({age(last, now)} ago)" if total and last else str(total)


def _total(pod: Pod) -> int:
    return len(pod.spec.containers) + len(_sidecars(pod))


def _sidecars(pod: Pod) -> set[str]:
    return {container.name for container in pod.spec.init_containers if is_sidecar(pod, container)}


def _runs_ready(container: ContainerStatus) -> bool:
    return container.ready and container.state.running is not None


def _holds(status: PodStatus, type: str) -> bool:
    return any(c.type == type and c.status == "True" for c in status.conditions)
