"""``podrun ps -c``: one line for each container of a pod."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.pod import ContainerState, Pod, PodStatus


def container_rows(pod: Pod) -> Iterator[tuple[str, ...]]:
    """POD CONTAINER READY STATE RESTARTS IMAGE; init containers first."""
    status = pod.status or PodStatus()
    for each in status.init_container_statuses + status.container_statuses:
        ready = "yes" if each.ready else "no"
        yield (
            pod.metadata.name, each.name, ready, state_text(each.state), str(each.restart_count),
            each.image,
        )  # fmt: skip


def state_text(state: ContainerState) -> str:
    """``Running``, or why it is not: ``CrashLoopBackOff``, ``Completed``, ``Error (exit 3)``."""
    if state.running is not None:
        return "Running"
    if state.terminated is not None:
        code = state.terminated.exit_code
        return state.terminated.reason + (f" (exit {code})" if code else "")
    return state.waiting.reason if state.waiting is not None else "Waiting"
