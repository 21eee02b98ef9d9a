"""From the records of the monitors to facts. Reading only: the agent and every reader use it."""

from __future__ import annotations

import msgspec

from podrun.api.pod import Pod
from podrun.container.records import WAITS_FOR_RECORD, ExitRecord, StartedRecord
from podrun.node.paths import PodPaths
from podrun.node.records import read_record
from podrun.pod.facts import Exit, Facts, Run

START_ERROR = "StartError"
STATUS_UNKNOWN = "ContainerStatusUnknown"
UNKNOWN_MESSAGE = "The container could not be located when the pod was terminated"

#: exit code of a container whose end nobody saw, as the kubelet gives it
UNKNOWN_CODE = 137


def merge(pod: Pod, facts: Facts, paths: PodPaths) -> bool:
    """Add to ``facts`` what the monitors recorded since; True when there was something."""
    changed = False
    for container in pod.spec.all_containers:
        run = facts.of(container.name).current
        if run is not None and run.exit is None:
            changed |= merge_run(container.name, run, paths)
    return changed


def merge_run(name: str, run: Run, paths: PodPaths) -> bool:
    """One live run; True when it is known to have started, or ended, since."""
    directory = paths.attempt(name, run.attempt)
    changed = False
    if run.started_at is None:
        started = read_record(directory / "started.json", StartedRecord)
        if started is not None:
            run.started_at = started.started_at
            changed = True
    ended = read_record(directory / "exit.json", ExitRecord)
    if ended is not None:
        run.exit = exit_of(ended)
        if ended.started_at is not None and _killed_for_memory(run):
            run.exit = msgspec.structs.replace(run.exit, oom_killed=True)
        run.log_dropped_lines = ended.dropped_lines
        changed = True
    return changed


def exit_of(record: ExitRecord) -> Exit:
    """A run that never executed its application is a StartError, with the reason why."""
    if record.started_at is None:
        message = record.error.message if record.error else "ended before it was started"
        return Exit(
            code=record.code, finished_at=record.finished_at, reason=START_ERROR, message=message
        )
    return Exit(code=record.code, finished_at=record.finished_at, signal=record.signal)


def was_never_let_go(paths: PodPaths, name: str, run: Run) -> bool:
    """It was created, but its agent was gone before it could be started: it did not happen."""
    ended = read_record(paths.attempt(name, run.attempt) / "exit.json", ExitRecord)
    if ended is None or ended.started_at is not None or ended.error is None:
        return False
    return ended.error.step == WAITS_FOR_RECORD


def unknown_exit(now: float) -> Exit:
    return Exit(code=UNKNOWN_CODE, finished_at=now, reason=STATUS_UNKNOWN, message=UNKNOWN_MESSAGE)


def _killed_for_memory(run: Run) -> bool:
    """The kernel's own count says so, not the code: 137 alone is only a SIGKILL.

    The cgroup stays until the agent has put the exit on record.
    """
    from podrun.cgroup.group import Group  # a reader needs it only for an end nobody saw yet

    return bool(run.cgroup) and Group(run.cgroup).oom_kills() > 0
